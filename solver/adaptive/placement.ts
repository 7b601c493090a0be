import type { GpuId, ModelId, ReplicaId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { Action, ReplicaView } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import { isAsleep } from '../replica-states.ts';
import { dispatch } from './dispatch.ts';
import { bestModel, type Situation } from './next-model.ts';
import type { Outlook } from './outlook.ts';
import { gpuCount } from './replicas.ts';
import { maySleep, vacate } from './vacate.ts';
import { NO_WORK, workOf } from './work.ts';

/** Busy GPUs are looked at after so many ends of calls and queries. */
const LOOK_EVERY = 16;

/** Which models each GPU should serve: starts, wakes, sleeps and stops, with what must leave first. */
export function placements(outlook: Outlook, given: Set<ReplicaId>): Action[] {
	const { view, expected } = outlook;
	const looksAtBusy = (view.openExpertCalls + view.openQueries) % LOOK_EVERY === 0;
	const engines = enginesByGpu(outlook);
	const slots = expected.switches.share ? view.cluster.enginesPerGpu : 1;
	const isQuiet = (gpu: Gpu): boolean => {
		const here = engines.get(gpu.id) ?? [];
		return here.length < slots || here.some((replica) => isIdle(replica, given));
	};
	if (!looksAtBusy && !view.cluster.gpus.some(isQuiet)) return [];

	const situation: Situation = {
		outlook,
		work: new Map(outlook.models.map((model) => [model, workOf(outlook, model)])),
		serving: new Map(outlook.models.map((model) => [model, gpuCount(outlook.serving(model))])),
	};
	const free = view.cluster.gpus.filter(({ id }) => !engines.has(id));
	const placing = new Placing(situation, given, free);
	const each = (look: (gpu: Gpu, here: readonly ReplicaView[]) => void): void => {
		for (const gpu of view.cluster.gpus) look(gpu, engines.get(gpu.id) ?? []);
	};
	// What becomes free, and what is, comes before anything that somebody has to leave.
	each((gpu, here) => placing.pledge(gpu, here));
	each((gpu, here) => {
		if (here.length < slots) placing.occupy(gpu, here);
	});
	each((gpu, here) => {
		for (const engine of here) {
			if (engine.state !== 'awake' || engine.gpus[0] !== gpu.id) continue;
			const besides = here.filter((other) => other !== engine);
			if (isIdle(engine, given)) placing.reuse(gpu, engine, besides);
			else if (looksAtBusy && expected.switches.rebalance) placing.makeRoom(gpu, engine, besides);
		}
	});
	return placing.actions;
}

/** Replicas whose engine takes part in its GPUs, by GPU. */
function enginesByGpu({ replicas }: Outlook): ReadonlyMap<string, readonly ReplicaView[]> {
	const engines = new Map<string, ReplicaView[]>();
	for (const replica of replicas) {
		if (isAsleep(replica)) continue;
		for (const gpu of replica.gpus) {
			const here = engines.get(gpu);
			if (here === undefined) engines.set(gpu, [replica]);
			else here.push(replica);
		}
	}
	return engines;
}

const isIdle = ({ id, state, openCalls }: ReplicaView, given: ReadonlySet<ReplicaId>): boolean =>
	state === 'awake' && openCalls === 0 && !given.has(id);

const isLeaving = ({ state }: ReplicaView): boolean => state === 'stopping' || state === 'falling-asleep';

/** Whether a call takes less GPU time on one engine over two GPUs than on two of them. */
function isPairBetter(outlook: Outlook, model: ModelId, gpu: Gpu, other: Gpu): boolean {
	const { view, expected } = outlook;
	const gpus = [gpu.id, other.id];
	const pair = view.profile(model, gpus);
	const single = view.profile(model, [gpu.id]);
	if (pair === undefined || single === undefined || !outlook.canStart(model, gpus)) return false;
	if (gpus.some((id) => view.freeGpuBytes(id) < pair.gpuBytesPerGpu)) return false;
	const role = outlook.estimate(model, 'expert') === undefined ? 'aggregator' : 'expert';
	return gpus.length * outlook.callUs(pair, role) < expected.tuning.pairShare * outlook.callUs(single, role);
}

/** The actions of one look at all GPUs; each takes the ones before it into account. */
class Placing {
	readonly actions: Action[] = [];
	private readonly situation: Situation;
	private readonly given: Set<ReplicaId>;
	/** Told to sleep or to stop. */
	private readonly leaving = new Set<ReplicaId>();
	/** GPUs without an engine. */
	private readonly free: Map<GpuId, Gpu>;

	constructor(situation: Situation, given: Set<ReplicaId>, free: readonly Gpu[]) {
		this.situation = situation;
		this.given = given;
		this.free = new Map(free.map((gpu) => [gpu.id, gpu]));
	}

	/** An engine is leaving: whoever will come here counts as there, so that nobody else has to go for it. */
	pledge(gpu: Gpu, here: readonly ReplicaView[]): void {
		if (!here.some((engine) => isLeaving(engine) && engine.gpus[0] === gpu.id)) return;
		const besides = here.filter((engine) => !isLeaving(engine));
		const best = bestModel(this.situation, gpu, { engine: undefined, mode: 'free', besides });
		if (best !== undefined) this.addServing(best, 1);
	}

	/** A replica without calls: it stays, does what it had held back, or goes. */
	reuse(gpu: Gpu, engine: ReplicaView, besides: readonly ReplicaView[]): void {
		const { outlook } = this.situation;
		const best = bestModel(this.situation, gpu, { engine, mode: 'idle', besides });
		if (best === undefined) {
			if (isDone(outlook, engine.model)) this.actions.push({ type: 'stop', replica: engine.id });
			return;
		}
		const sleeps = !isDone(outlook, engine.model) && this.canSleep(engine);
		const held = sleeps ? [] : heldCalls(outlook, engine);
		if (held.length > 0) this.actions.push(...held);
		else this.leave(engine, best, sleeps);
	}

	/** A replica with calls: they go elsewhere when another model needs the GPU more. */
	makeRoom(gpu: Gpu, engine: ReplicaView, besides: readonly ReplicaView[]): void {
		const { outlook } = this.situation;
		const best = bestModel(this.situation, gpu, { engine, mode: 'busy', besides });
		if (best === undefined || !this.staysAway(gpu, engine, besides, best)) return;
		const moves = vacate(outlook, engine, this.given, this.leaving);
		if (moves === null) return;
		this.actions.push(...moves);
		this.leave(engine, best, this.canSleep(engine));
	}

	/** Whether the GPU goes to the next model once its engine has left, and not back to that one. */
	private staysAway(gpu: Gpu, engine: ReplicaView, besides: readonly ReplicaView[], next: ModelId): boolean {
		const { outlook, work, serving } = this.situation;
		const own = work.get(engine.model) ?? NO_WORK;
		const gpus = (serving.get(engine.model) ?? 0) - engine.gpus.length;
		const after: Situation = {
			outlook,
			// Without another replica its calls are pending again.
			work: gpus > 0 ? work : new Map([...work, [engine.model, { ...own, pendingSeconds: own.seconds }]]),
			serving: new Map([...serving, [engine.model, gpus]]),
		};
		const sleeper = this.canSleep(engine) ? engine : undefined;
		return bestModel(after, gpu, { engine: undefined, mode: 'free', besides, sleeper }) === next;
	}

	/** A place for one more engine. */
	occupy(gpu: Gpu, here: readonly ReplicaView[]): void {
		if (here.length === 0 && !this.free.has(gpu.id)) return;
		const { outlook } = this.situation;
		const { view } = outlook;
		const best = bestModel(this.situation, gpu, { engine: undefined, mode: 'free', besides: here });
		if (best === undefined) return;
		const sleepers = outlook.replicas.filter((replica) => isAsleep(replica) && replica.gpus.includes(gpu.id));
		const own = sleepers.find(({ model }) => model === best);
		const profile = view.profile(best, [gpu.id]);
		if (profile === undefined) return;
		const heldBytes = own === undefined ? 0 : profile.sleepingGpuBytesPerGpu;
		if (view.freeGpuBytes(gpu.id) + heldBytes < profile.gpuBytesPerGpu) {
			// Processes that sleep keep some memory; one of them has to go.
			const spare = sleepers.find(({ id }) => id !== own?.id);
			if (spare !== undefined) this.actions.push({ type: 'stop', replica: spare.id });
			return;
		}
		this.addServing(best, 1);
		if (own === undefined) this.start(gpu, best);
		else this.actions.push({ type: 'wake', replica: own.id });
		this.free.delete(gpu.id);
	}

	/** On this GPU, or on it and another one that would serve the same model, where one engine over both gets more done than two. */
	private start(gpu: Gpu, model: ModelId): void {
		const { outlook } = this.situation;
		const gpus = [gpu.id];
		const isFree = this.free.delete(gpu.id);
		if (isFree && outlook.expected.switches.tensor)
			for (const other of this.free.values()) {
				if (other.host !== gpu.host || other.type !== gpu.type) continue;
				if (!isPairBetter(outlook, model, gpu, other)) continue;
				if (bestModel(this.situation, other, { engine: undefined, mode: 'free' }) !== model) continue;
				gpus.push(other.id);
				this.free.delete(other.id);
				this.addServing(model, 1);
				break;
			}
		this.actions.push({ type: 'start', replica: outlook.newReplica(model), model, gpus });
	}

	private addServing(model: ModelId, gpus: number): void {
		const { serving } = this.situation;
		serving.set(model, Math.max(0, (serving.get(model) ?? 0) + gpus));
	}

	/** An engine over several GPUs would have to find all of them free again. */
	private canSleep(engine: ReplicaView): boolean {
		const { outlook } = this.situation;
		return outlook.expected.switches.sleep && engine.gpus.length === 1 && maySleep(outlook, engine);
	}

	/** @param next the model that this GPU will serve */
	private leave(engine: ReplicaView, next: ModelId, sleeps: boolean): void {
		this.leaving.add(engine.id);
		this.addServing(engine.model, -engine.gpus.length);
		this.addServing(next, 1);
		this.actions.push(
			sleeps ? { type: 'sleep', replica: engine.id, level: 1 } : { type: 'stop', replica: engine.id },
		);
	}
}

/** Whether no call of this model can become pending any more. */
function isDone(outlook: Outlook, model: ModelId): boolean {
	const { view, expected } = outlook;
	const { releasedCount, heldCount } = outlook.pending(model);
	if (releasedCount + heldCount > 0 || !view.allArrived) return false;
	return model !== expected.aggregator || view.openQueries === 0;
}

/** Held calls of a replica that would otherwise leave: doing them costs less than coming back for them. */
function heldCalls(outlook: Outlook, replica: ReplicaView): Action[] {
	const profile = outlook.profile(replica);
	const { held, heldCount } = outlook.pending(replica.model);
	if (profile === undefined || heldCount === 0) return [];
	const seconds = secondsFromUs(heldCount * outlook.callUs(profile, 'expert'));
	if (seconds > 2 * secondsFromUs(profile.loadUs)) return [];
	return held
		.flat()
		.filter(({ id }) => !outlook.isTaken(id))
		.map((call) => dispatch(outlook, call, replica));
}
