import { present } from '../../sim/domain/errors.ts';
import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import { type CarriedCall, carriedTokens, type Happening } from '../happening.ts';
import type { Order } from './orders.ts';

/** A call that is to leave a replica: for another one, or (null) to be parked. */
interface Move {
	readonly from: ReplicaId;
	readonly to: ReplicaId | null;
}

interface Placed {
	/** Where it is, all orders carried out; of a parked call, where it was. */
	replica: ReplicaId;
	/** Ordered and not reported, in order. */
	moves: readonly Move[];
	carried: CarriedCall | null;
}

/** Which calls that have not ended moved or were parked, are to, and what they have with them. */
export class Moves {
	private readonly calls = new Map<CallId, Placed>();

	get isParking(): boolean {
		return [...this.calls.values()].some(({ moves }) => moves.some(isPark));
	}

	note(order: Order): void {
		switch (order.kind) {
			case 'dispatch': {
				const { moves = [], carried = null } = this.calls.get(order.call.id) ?? {};
				this.calls.set(order.call.id, { replica: order.replica, moves, carried });
				break;
			}
			case 'migrate':
			case 'park': {
				const placed = present(this.calls.get(order.call), `place of call ${order.call}`);
				const to = order.kind === 'park' ? null : order.to;
				placed.moves = [...placed.moves, { from: placed.replica, to }];
				placed.replica = to ?? placed.replica;
			}
		}
	}

	/** Takes note of what happened. */
	apply({ event, carried }: Happening): void {
		switch (event.kind) {
			case 'call-migrated':
			case 'call-parked': {
				const placed = this.calls.get(event.call);
				if (placed === undefined) return;
				placed.moves = placed.moves.slice(1);
				placed.carried = carried ?? placed.carried;
				break;
			}
			case 'call-returned':
			case 'call-ended':
				this.forget(event.call);
		}
	}

	/** The call is over, or begins again. */
	forget(call: CallId): void {
		this.calls.delete(call);
	}

	/** What calls have with them that moved or were parked, also where that was not reported. */
	carried(): ReadonlyMap<CallId, CarriedCall> {
		const moved = [...this.calls].flatMap(([call, placed]) => {
			const carried = placed.moves.reduce<CarriedCall | null>(anotherMove, placed.carried);
			return carried === null ? [] : [[call, carried] as const];
		});
		return new Map(moved);
	}

	/** Moves that were ordered and of which the executor had no time to say that they are made: what a call has with it is what it had before. */
	unreported(): readonly Happening[] {
		return [...this.calls].flatMap(([call, { moves, carried: before }]) => {
			let carried = before;
			return moves.map(({ from, to }): Happening => {
				carried = anotherMove(carried);
				const about = { timeUs: 0, call, outputTokens: carriedTokens(carried) };
				return to === null
					? { event: { kind: 'call-parked', replica: from, ...about }, carried }
					: { event: { kind: 'call-migrated', from, replica: to, ...about }, carried };
			});
		});
	}
}

const isPark = ({ to }: Move): boolean => to === null;

const anotherMove = (carried: CarriedCall | null): CarriedCall => ({
	output: carried?.output ?? null,
	recomputedTokens: carried?.recomputedTokens ?? 0,
	migrations: (carried?.migrations ?? 0) + 1,
});
