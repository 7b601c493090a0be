import { type GpuId, type HostId, type ReplicaId, replicaId } from '../sim/domain/ids.ts';
import type { ReplicaProfile, SleepLevel } from '../sim/domain/model.ts';
import type { Action, ReplicaView, View } from '../sim/domain/scheduler.ts';
import type { Call, CallRole } from '../sim/domain/work.ts';
import { isAsleep } from './replica-states.ts';
import { type Line, type Seat, type SeatPlan, seatKey, seatPlanOf } from './seats.ts';

/**
 * Carries out an open-ended plan: queries come over time, so no session can serve its share and be done with it. The plan says which model has
 * a seat on which GPUs; seats on the same GPUs take turns, one engine at a time. Keeps no state.
 *
 * - A model whose queries have waited longest gets a seat first. Calls go to its seats that are awake, to the one with the fewest
 *   open calls for its share of the plan. If none is awake it takes the GPUs with the fewest open calls.
 * - A seat keeps its GPUs while nobody else wants them, busy or idle. When somebody does, it gets no more calls, ends those that it has,
 *   and makes room. What has gathered meanwhile is served in one go at its next turn, so that turns grow longer under load.
 * - Making room is what takes least time there and back: to fall asleep where engine and memory allow, else to stop and load again.
 * - A model with many open calls for each seat gets another of its planned seats on GPUs that nobody uses.
 * - Before the first query comes, the first seat on every GPU is loaded.
 * - When a seat's replica fails, another is started; when two in a row have served nothing, the seat is given up. Calls of a model
 *   without seats are cancelled, so that the run ends and its log says what was lost.
 */
export function takeTurns(view: View): readonly Action[] {
	return new Round(view).decide();
}

/** Open calls per seat from which a model is given another: well below, one engine decodes them in nearly the time of one. */
const CROWDED = 16;

/** States in which a replica takes its GPUs. */
const PRESENT: ReadonlySet<ReplicaView['state']> = new Set([
	'loading',
	'awake',
	'waking',
	'falling-asleep',
	'stopping',
]);

const isGone = ({ state }: ReplicaView): boolean => state === 'stopped' || state === 'failed';
const isComingUp = (replica: ReplicaView | undefined): boolean =>
	replica?.state === 'loading' || replica?.state === 'waking';

/** One decision: what it has found out and ordered so far. */
class Round {
	private readonly view: View;
	private readonly plan: SeatPlan;
	private readonly actions: Action[] = [];
	/** Replicas of each seat, by its index, in order of their start. */
	private readonly replicas: readonly ReplicaView[][];
	private readonly ids: ReadonlySet<ReplicaId>;
	/** GPUs that a line has been promised, or that change hands. */
	private readonly claimed = new Set<GpuId>();
	/** Calls given out in this round. */
	private readonly given = new Map<ReplicaId, number>();
	/** Replicas that were told something else. */
	private readonly told = new Set<ReplicaId>();
	private readonly takenHostBytes = new Map<HostId, number>();

	constructor(view: View) {
		this.view = view;
		this.plan = seatPlanOf(view.plan);
		this.replicas = this.plan.seats.map(() => []);
		for (const replica of view.replicas) {
			const seat = this.plan.seatOf.get(seatKey(replica));
			if (seat !== undefined) this.replicas[seat.index]?.push(replica);
		}
		this.ids = new Set(view.replicas.map(({ id }) => id));
	}

	decide(): readonly Action[] {
		const { view, actions } = this;
		for (const query of view.acceptable) actions.push({ type: 'settle', query });
		for (const { line, calls } of this.waiting()) this.serve(line, calls);
		for (const line of this.plan.lines) this.spread(line);
		this.clearAway();
		this.preload();
		return actions;
	}

	/** Lines with calls, that of the longest waiting query first. Those without a seat left are cancelled. */
	private waiting(): readonly { readonly line: Line; readonly calls: readonly Call[] }[] {
		const { view, actions } = this;
		const waiting: { line: Line; calls: readonly Call[]; sinceUs: number }[] = [];
		for (const line of this.plan.lines) {
			const calls = view.pending(line.model, line.role);
			const [oldest] = calls;
			if (oldest === undefined) continue;
			if (line.places.every(({ seat }) => this.isGivenUp(seat)))
				for (const { id } of calls) actions.push({ type: 'cancel', call: id });
			else waiting.push({ line, calls, sinceUs: view.query(oldest.query).query.arrivalUs });
		}
		// A stable sort: of lines that wait equally long, the first of the plan.
		return waiting.sort((a, b) => a.sinceUs - b.sinceUs);
	}

	private serve(line: Line, calls: readonly Call[]): void {
		const free = line.places.filter(({ seat }) => !this.isGivenUp(seat) && this.isUnclaimed(seat));
		const awake = free.flatMap(({ seat, weight }) => {
			const replica = this.liveOn(seat);
			return replica?.state === 'awake' && !this.told.has(replica.id) ? [{ seat, weight, replica }] : [];
		});
		if (awake.length > 0) {
			for (const { id } of calls) {
				const chosen = least(awake, ({ replica, weight }) => (this.openOn(replica) + 1) / weight);
				if (chosen === undefined) return;
				this.actions.push({ type: 'dispatch', call: id, replica: chosen.replica.id });
				this.given.set(chosen.replica.id, (this.given.get(chosen.replica.id) ?? 0) + 1);
			}
			for (const { seat, replica } of awake) if (this.given.has(replica.id)) this.claim(seat);
			return;
		}
		const comingUp = free.filter(({ seat }) => isComingUp(this.liveOn(seat)));
		for (const { seat } of comingUp) this.claim(seat);
		if (comingUp.length > 0) return;
		const chosen = least(free, ({ seat }) => {
			const openCalls = this.presentOn(seat.gpus).reduce((sum, replica) => sum + this.openOn(replica), 0);
			return openCalls + (this.liveOn(seat) === undefined ? 0.5 : 0);
		});
		if (chosen !== undefined) this.bringUp(chosen.seat);
	}

	/** Another seat for a model whose seats are crowded, where nobody loses anything by it. */
	private spread({ places }: Line): void {
		const up = places.flatMap(({ seat }) => {
			const replica = this.liveOn(seat);
			return replica !== undefined && PRESENT.has(replica.state) ? [replica] : [];
		});
		if (up.length === 0 || up.some(({ state }) => state !== 'awake')) return;
		const openCalls = up.reduce((sum, replica) => sum + this.openOn(replica), 0);
		if (openCalls < CROWDED * up.length) return;
		const spare = places.find(
			({ seat }) =>
				!this.isGivenUp(seat) &&
				this.isUnclaimed(seat) &&
				this.presentOn(seat.gpus).every((replica) => replica.state === 'awake' && this.openOn(replica) === 0),
		);
		if (spare !== undefined) this.bringUp(spare.seat);
	}

	/** Makes a seat's GPUs free for it, or brings it up where they are. */
	private bringUp(seat: Seat): void {
		this.claim(seat);
		const profile = this.view.profile(seat.model, seat.gpus);
		if (profile === undefined) return;
		const own = this.liveOn(seat);
		const neededBytes = profile.gpuBytesPerGpu - (own === undefined ? 0 : profile.sleepingGpuBytesPerGpu);
		const present = this.presentOn(seat.gpus);
		for (const replica of present) {
			if (replica === own || this.openOn(replica) > 0 || this.told.has(replica.id)) continue;
			if (replica.state === 'awake') this.makeRoom(replica, seat.gpus, neededBytes);
			else if (replica.state === 'loading' && !this.isWanted(replica)) this.stop(replica);
		}
		if (present.length > 0 || (own !== undefined && this.told.has(own.id))) return;
		if (!this.fits(seat, own, neededBytes)) return;
		if (own === undefined)
			this.actions.push({ type: 'start', replica: this.newId(seat), model: seat.model, gpus: seat.gpus });
		else {
			this.actions.push({ type: 'wake', replica: own.id });
			this.told.add(own.id);
		}
	}

	/** Whether there is memory for a seat on GPUs where only sleepers are; if not, so many of these are stopped. */
	private fits(seat: Seat, own: ReplicaView | undefined, neededBytes: number): boolean {
		let fits = true;
		for (const gpu of seat.gpus) {
			let freeBytes = this.view.freeGpuBytes(gpu);
			for (const replica of this.view.replicas) {
				if (freeBytes >= neededBytes) break;
				if (replica === own || !isAsleep(replica) || !replica.gpus.includes(gpu)) continue;
				fits = false;
				this.stop(replica);
				freeBytes += this.profileOf(replica)?.sleepingGpuBytesPerGpu ?? 0;
			}
		}
		return fits;
	}

	/** @param neededBytes that the next engine takes on each of its GPUs */
	private makeRoom(replica: ReplicaView, gpus: readonly GpuId[], neededBytes: number): void {
		const profile = this.profileOf(replica);
		const seat = this.plan.seatOf.get(seatKey(replica));
		if (profile === undefined || seat === undefined || !this.mayBeNeeded(seat)) {
			this.stop(replica);
			return;
		}
		const gainBytes = profile.gpuBytesPerGpu - profile.sleepingGpuBytesPerGpu;
		const shared = replica.gpus.filter((gpu) => gpus.includes(gpu));
		const leavesRoom = shared.every((gpu) => this.view.freeGpuBytes(gpu) + gainBytes >= neededBytes);
		const levels = leavesRoom
			? ([1, 2] as const).filter((level) => this.canSleep(replica, profile, level))
			: [];
		const timeUs = (level: SleepLevel): number => {
			const times = profile.sleep[level];
			return times === null ? Number.POSITIVE_INFINITY : times.sleepUs + times.wakeUs;
		};
		const level = least(levels, timeUs);
		if (level === undefined || timeUs(level) >= profile.stopUs + profile.loadUs) {
			this.stop(replica);
			return;
		}
		if (level === 1) this.takeHostBytes(replica, profile);
		this.actions.push({ type: 'sleep', replica: replica.id, level });
		this.told.add(replica.id);
	}

	private canSleep(replica: ReplicaView, profile: ReplicaProfile, level: SleepLevel): boolean {
		if (profile.sleep[level] === null) return false;
		if (level === 2) return true;
		return this.hostBytes(replica, profile).every(
			([host, bytes]) => this.view.freeHostBytes(host) - (this.takenHostBytes.get(host) ?? 0) >= bytes,
		);
	}

	private takeHostBytes(replica: ReplicaView, profile: ReplicaProfile): void {
		for (const [host, bytes] of this.hostBytes(replica, profile))
			this.takenHostBytes.set(host, (this.takenHostBytes.get(host) ?? 0) + bytes);
	}

	/** RAM that a replica's weights take on each of its hosts: each GPU's part beside it. */
	private hostBytes({ gpus }: ReplicaView, profile: ReplicaProfile): readonly (readonly [HostId, number])[] {
		const bytes = new Map<HostId, number>();
		for (const { id, host } of this.view.cluster.gpus)
			if (gpus.includes(id))
				bytes.set(host, (bytes.get(host) ?? 0) + profile.sleepingHostBytes / gpus.length);
		return [...bytes];
	}

	/** Stops what no call can need any more, and replicas that a later plan has no seat for. */
	private clearAway(): void {
		for (const replica of this.view.replicas) {
			if (replica.state !== 'awake' && !isAsleep(replica)) continue;
			const seat = this.plan.seatOf.get(seatKey(replica));
			if (this.openOn(replica) > 0 || this.told.has(replica.id)) continue;
			if (seat === undefined || !this.mayBeNeeded(seat)) this.stop(replica);
		}
	}

	private preload(): void {
		const touched = new Set(this.view.replicas.flatMap(({ gpus }) => gpus));
		for (const seat of this.plan.seats) {
			if (!seat.roles.includes('expert') || !this.mayBeNeeded(seat)) continue;
			if (this.isUnclaimed(seat) && seat.gpus.every((gpu) => !touched.has(gpu))) this.bringUp(seat);
		}
	}

	private stop(replica: ReplicaView): void {
		if (this.told.has(replica.id)) return;
		this.actions.push({ type: 'stop', replica: replica.id });
		this.told.add(replica.id);
	}

	private claim({ gpus }: Seat): void {
		for (const gpu of gpus) this.claimed.add(gpu);
	}

	private isUnclaimed({ gpus }: Seat): boolean {
		return gpus.every((gpu) => !this.claimed.has(gpu));
	}

	/** Its latest replica, unless that is gone. */
	private liveOn({ index }: Seat): ReplicaView | undefined {
		const latest = this.replicas[index]?.at(-1);
		return latest === undefined || isGone(latest) ? undefined : latest;
	}

	/** Its last two replicas failed without having served anything. */
	private isGivenUp({ index }: Seat): boolean {
		const latest = this.replicas[index]?.slice(-2) ?? [];
		return (
			latest.length === 2 &&
			latest.every(
				({ state, dispatched }) => state === 'failed' && dispatched.expert + dispatched.aggregator === 0,
			)
		);
	}

	private presentOn(gpus: readonly GpuId[]): readonly ReplicaView[] {
		return this.view.replicas.filter(
			(replica) => PRESENT.has(replica.state) && replica.gpus.some((gpu) => gpus.includes(gpu)),
		);
	}

	/** Calls on a replica, those of this round included. */
	private openOn({ id, openCalls }: ReplicaView): number {
		return openCalls + (this.given.get(id) ?? 0);
	}

	private profileOf({ model, gpus }: ReplicaView): ReplicaProfile | undefined {
		return this.view.profile(model, gpus);
	}

	/** Whether calls wait that a replica's seat could serve. */
	private isWanted(replica: ReplicaView): boolean {
		const roles = this.plan.seatOf.get(seatKey(replica))?.roles ?? [];
		return roles.some((role) => this.view.pending(replica.model, role).length > 0);
	}

	/** Whether calls wait for it or may still come. */
	private mayBeNeeded({ model, roles }: Seat): boolean {
		const { allArrived, openExpertCalls } = this.view;
		const moreCome = (role: CallRole): boolean =>
			!allArrived || (role === 'aggregator' && openExpertCalls > 0);
		return roles.some((role) => moreCome(role) || this.view.pending(model, role).length > 0);
	}

	private newId(seat: Seat): ReplicaId {
		const name = (start: number): ReplicaId =>
			replicaId(`s${seat.index}${start === 0 ? '' : `.${start}`}-${seat.model}`);
		let start = this.replicas[seat.index]?.length ?? 0;
		while (this.ids.has(name(start))) start++;
		return name(start);
	}
}

/** The first of the items with the least value. */
function least<T>(items: readonly T[], worth: (item: T) => number): T | undefined {
	let best: T | undefined;
	let bestValue = Number.POSITIVE_INFINITY;
	for (const item of items) {
		const value = worth(item);
		if (best !== undefined && value >= bestValue) continue;
		best = item;
		bestValue = value;
	}
	return best;
}
