import type { GpuId, ModelId } from '../sim/domain/ids.ts';
import type { Plan } from '../sim/domain/plan.ts';
import type { CallRole } from '../sim/domain/work.ts';

/** A model's place on GPUs. */
export interface Seat {
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly index: number;
	readonly roles: readonly CallRole[];
}

/** Calls of one model in one role: they wait in one line for all its seats. */
export interface Line {
	readonly model: ModelId;
	readonly role: CallRole;
	/** `weight`: calls that the plan gives the seat. */
	readonly places: readonly { readonly seat: Seat; readonly weight: number }[];
}

export interface SeatPlan {
	readonly seats: readonly Seat[];
	readonly lines: readonly Line[];
	/** By `seatKey`. */
	readonly seatOf: ReadonlyMap<string, Seat>;
}

export const seatKey = ({ model, gpus }: Pick<Seat, 'model' | 'gpus'>): string =>
	`${model} ${gpus.join(' ')}`;

/** A plan read as seats and lines. Depends on the plan alone, so it is made once for each. */
export function seatPlanOf(plan: Plan): SeatPlan {
	const known = seatPlans.get(plan);
	if (known !== undefined) return known;
	const seatOf = new Map<string, Seat & { readonly roles: CallRole[] }>();
	const lineOf = new Map<
		string,
		Omit<Line, 'places'> & { readonly places: { seat: Seat; weight: number }[] }
	>();
	for (const { model, gpus, role, calls } of plan.sessions) {
		const key = seatKey({ model, gpus });
		const seat = seatOf.get(key) ?? { model, gpus, index: seatOf.size, roles: [] };
		seatOf.set(key, seat);
		if (!seat.roles.includes(role)) seat.roles.push(role);
		const line = lineOf.get(`${role} ${model}`) ?? { model, role, places: [] };
		lineOf.set(`${role} ${model}`, line);
		const weight = Math.max(1, calls ?? 1);
		const place = line.places.find((other) => other.seat === seat);
		if (place === undefined) line.places.push({ seat, weight });
		else place.weight += weight;
	}
	const seatPlan = { seats: [...seatOf.values()], lines: [...lineOf.values()], seatOf };
	seatPlans.set(plan, seatPlan);
	return seatPlan;
}

const seatPlans = new WeakMap<Plan, SeatPlan>();
