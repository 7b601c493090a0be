import type { ModelId } from '../../sim/domain/ids.ts';
import type { Gpu } from '../../sim/domain/model.ts';
import type { ReplicaView } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import { isAsleep } from '../replica-states.ts';
import type { Outlook } from './outlook.ts';
import { NO_WORK, secondsOn, type Work } from './work.ts';

/** What is left of each model and who serves it, the actions taken so far included. */
export interface Situation {
	readonly outlook: Outlook;
	readonly work: ReadonlyMap<ModelId, Work>;
	readonly serving: Map<ModelId, number>;
}

/** The place that is to be filled. */
export interface Place {
	/** The engine that is there now. */
	readonly engine: ReplicaView | undefined;
	/** `busy`: its calls would have to move. */
	readonly mode: 'free' | 'idle' | 'busy';
	/** Others on the same GPU that stay. */
	readonly besides?: readonly ReplicaView[];
	/** Will be asleep there by then. */
	readonly sleeper?: ReplicaView | undefined;
}

interface Candidate {
	readonly model: ModelId;
	/** Lower goes first. */
	readonly rank: number;
	/** Higher goes first. */
	readonly seconds: number;
}

/** The model that a GPU should serve next; undefined to leave it as it is. */
export function bestModel(situation: Situation, gpu: Gpu, place: Place): ModelId | undefined {
	const { outlook } = situation;
	const tooManyLight =
		lightGpus(situation, gpu) >= outlook.expected.tuning.lightShare * outlook.view.cluster.gpus.length;
	let best: Candidate | undefined;
	for (const model of outlook.models) {
		if (model === place.engine?.model || place.besides?.some((other) => other.model === model)) continue;
		const candidate = candidateOf(situation, gpu, place, model, tooManyLight);
		if (candidate === undefined) continue;
		if (
			best === undefined ||
			candidate.rank < best.rank ||
			(candidate.rank === best.rank && candidate.seconds > best.seconds)
		)
			best = candidate;
	}
	return best?.model;
}

function candidateOf(
	situation: Situation,
	gpu: Gpu,
	place: Place,
	model: ModelId,
	tooManyLight: boolean,
): Candidate | undefined {
	const { outlook, serving } = situation;
	const { switches, tuning } = outlook.expected;
	const profile = outlook.view.profile(model, [gpu.id]);
	const work = situation.work.get(model) ?? NO_WORK;
	if (profile === undefined || work.seconds === 0 || !outlook.canStart(model, [gpu.id])) return undefined;
	const replicas = serving.get(model) ?? 0;
	// Work that is only expected is no reason to come.
	if (replicas === 0 && work.pendingSeconds === 0) return undefined;
	const switchSeconds = switchTime(outlook, gpu, model, place.sleeper);
	const after = secondsOn(work, replicas + 1) + switchSeconds;
	if (replicas > 0 && gain(outlook, work, replicas, switchSeconds) <= tuning.marginSeconds) return undefined;
	const isUrgent = replicas === 0 && outlook.horizonSeconds < tuning.urgency * outlook.chainSeconds(model);
	if (!isWorthLeaving(situation, place, work, replicas, after, switchSeconds, isUrgent)) return undefined;

	if (place.mode === 'busy' && replicas === 0 && sleepsElsewhereOnly(outlook, gpu, model)) return undefined;

	const isLight = switches.order && replicas === 0 && isLightWork(outlook, gpu, model, work);
	const ownSeconds = replicas === 0 ? work.seconds + switchSeconds : secondsOn(work, replicas);
	const seconds = ownSeconds + secondsAfter(outlook, model);
	if (outlook.starving?.model === model) return { model, rank: STARVING, seconds };
	if (isUrgent) return { model, rank: FIRST, seconds };
	if (replicas === 0 && work.pendingSeconds < tuning.smallSeconds) return { model, rank: LAST, seconds };
	return { model, rank: isLight && !tooManyLight ? FIRST : NEXT, seconds };
}

/** Where it sleeps it wakes sooner than it loads: nobody has to go elsewhere for it, unless others arrive and it has waited too long. */
function sleepsElsewhereOnly({ replicas, starving }: Outlook, gpu: Gpu, model: ModelId): boolean {
	if (starving?.model === model) return false;
	const asleep = replicas.filter((replica) => replica.model === model && isAsleep(replica));
	return asleep.length > 0 && !asleep.some(({ gpus }) => gpus.includes(gpu.id));
}

const [STARVING, FIRST, NEXT, LAST] = [0, 1, 2, 3];

/** Seconds by which the last calls of a model are expected to put off the end, through the aggregations that wait for them. */
function secondsAfter(outlook: Outlook, model: ModelId): number {
	const { aggregator, aggregatedShare, tuning } = outlook.expected;
	if (aggregator === null || model === aggregator) return 0;
	return tuning.aggregationWeight * aggregatedShare * outlook.longSeconds(aggregator, 'aggregator');
}

/** Seconds that one more replica saves a model that has some. */
function gain({ expected }: Outlook, work: Work, replicas: number, switchSeconds: number): number {
	if (expected.switches.migrate)
		return secondsOn(work, replicas) - secondsOn(work, replicas + 1) - switchSeconds;
	// Only what is not running yet can go to the new one.
	return work.pendingSeconds / replicas - work.pendingSeconds / (replicas + 1) - switchSeconds;
}

/** Whether the engine that is there should make room. */
function isWorthLeaving(
	{ outlook, work, serving }: Situation,
	{ engine, mode }: Place,
	next: Work,
	replicas: number,
	after: number,
	switchSeconds: number,
	isUrgent: boolean,
): boolean {
	if (engine === undefined || mode === 'free' || mode === 'idle') return true;
	const { tuning } = outlook.expected;
	const own = work.get(engine.model) ?? NO_WORK;
	const ownReplicas = serving.get(engine.model) ?? 1;
	if (isUrgent && ownReplicas > 1) return true;
	// Without this replica the others have to do its model's work.
	const ownAfter =
		own.seconds === 0 ? 0 : ownReplicas > 1 ? secondsOn(own, ownReplicas - 1) : Number.POSITIVE_INFINITY;
	if (replicas === 0) return ownAfter + switchSeconds <= tuning.makeRoom * outlook.horizonSeconds;
	const now = Math.max(secondsOn(own, ownReplicas), secondsOn(next, replicas));
	return secondsOn(next, replicas) >= now && now - Math.max(ownAfter, after) > tuning.vacateSeconds;
}

/** Seconds until a model serves on a GPU: a wake where it sleeps there, else a load. */
function switchTime(
	{ view, replicas }: Outlook,
	gpu: Gpu,
	model: ModelId,
	sleeper: ReplicaView | undefined,
): number {
	const profile = view.profile(model, [gpu.id]);
	if (profile === undefined) return Number.POSITIVE_INFINITY;
	const asleep = replicas.find(
		(replica) =>
			replica.model === model && replica.gpus.includes(gpu.id) && (isAsleep(replica) || replica === sleeper),
	);
	const level = asleep?.state === 'asleep-2' ? 2 : 1;
	return secondsFromUs(
		asleep === undefined ? profile.loadUs : (profile.sleep[level]?.wakeUs ?? profile.loadUs),
	);
}

/** GPUs that serve models with little work. */
function lightGpus({ outlook, work, serving }: Situation, gpu: Gpu): number {
	return outlook.models.reduce((sum, model) => {
		const isLight = isLightWork(outlook, gpu, model, work.get(model) ?? NO_WORK);
		return sum + (isLight ? (serving.get(model) ?? 0) : 0);
	}, 0);
}

function isLightWork({ view, expected }: Outlook, gpu: Gpu, model: ModelId, work: Work): boolean {
	const profile = view.profile(model, [gpu.id]);
	return profile !== undefined && work.seconds < expected.tuning.lightLoads * secondsFromUs(profile.loadUs);
}
