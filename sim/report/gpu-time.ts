/**
 * What every GPU did at every microsecond of a run, from the log alone.
 *
 * Precedence, first match wins, per GPU and instant:
 *  1. `busy`      an engine on it executes steps (with several replicas, any of them)
 *  2. `loading`   a replica on it loads its weights
 *  3. `switching` a replica on it falls asleep, wakes or stops
 *  4. `noDemand`  no query that arrived is unfinished: nothing could be gained by any GPU
 *  5. `down`      a replica on it failed and no other is there
 *  6. `memory`    a start on it was refused for lack of memory and nothing has changed on it since
 *  7. `barrier`   work whose inputs are there is held: (a) calls of a session planned for it are pending while a lower phase is
 *                 unfinished on other GPUs, or (b) an aggregator call is ready but not dispatched, on the GPUs planned for the
 *                 aggregator (any, without a plan for it), or (c) no replica was started anywhere yet, so that all work
 *                 waits for the plan
 *  8. `starved`   others still work, nothing is left to run here
 */
import type { GpuId, ModelId, ReplicaId } from '../domain/ids.ts';
import type { RunRecord } from '../domain/run-log.ts';
import type { TimeUs } from '../domain/units.ts';
import { type ReplicaStanding, RunState } from './run-state.ts';

/** In the order of summary.json, tables and chart legends. */
export const IDLE_CAUSES = [
	'loading',
	'switching',
	'starved',
	'barrier',
	'memory',
	'noDemand',
	'down',
] as const;
export type IdleCause = (typeof IDLE_CAUSES)[number];
export type GpuState = 'busy' | IdleCause;

export interface GpuInterval {
	readonly gpu: GpuId;
	readonly fromUs: TimeUs;
	/** Later than fromUs. */
	readonly toUs: TimeUs;
	readonly state: GpuState;
	/** What computes, loads, switches or failed; null for the other causes. */
	readonly model: ModelId | null;
	readonly replica: ReplicaId | null;
}

/** Microseconds of one GPU; busyUs and the causes add up to wallUs exactly. */
export interface GpuTime {
	readonly gpu: GpuId;
	readonly wallUs: TimeUs;
	readonly busyUs: TimeUs;
	readonly idleUs: Readonly<Record<IdleCause, TimeUs>>;
}

/**
 * @param records one run's log, in order
 * @returns per GPU (order of `run-started`) intervals in time order that cover 0 to the last record without gap or overlap;
 * neighbours differ in state or replica.
 */
export function gpuTimeline(records: readonly RunRecord[]): readonly GpuInterval[] {
	const known = timelines.get(records);
	if (known !== undefined && known.recordCount === records.length) return known.timeline;
	const timeline = readTimeline(records);
	timelines.set(records, { recordCount: records.length, timeline });
	return timeline;
}

/** Summary, tables and charts of a report ask for the same timelines; a log that has grown is read anew. */
const timelines = new WeakMap<
	readonly RunRecord[],
	{ readonly recordCount: number; readonly timeline: readonly GpuInterval[] }
>();

function readTimeline(records: readonly RunRecord[]): readonly GpuInterval[] {
	const gpus = gpusOf(records);
	const state = new RunState();
	const tracks = gpus.map((gpu) => new Track(gpu));
	for (let i = 0; i < records.length; ) {
		const nowUs = (records[i] as RunRecord).timeUs;
		let matters = i === 0;
		for (; i < records.length && (records[i] as RunRecord).timeUs === nowUs; i++) {
			const record = records[i] as RunRecord;
			matters ||= record.type !== 'engine-sample';
			state.apply(record);
		}
		if (matters) classify(state, tracks, nowUs);
	}
	const endUs = records.at(-1)?.timeUs ?? 0;
	return tracks.flatMap((track) => track.close(endUs));
}

/** Time of every GPU by state. */
export function gpuTimes(records: readonly RunRecord[], timeline = gpuTimeline(records)): readonly GpuTime[] {
	const wallUs = records.at(-1)?.timeUs ?? 0;
	return gpusOf(records).map((gpu) => {
		const sums: Record<GpuState, number> = {
			busy: 0,
			loading: 0,
			switching: 0,
			starved: 0,
			barrier: 0,
			memory: 0,
			noDemand: 0,
			down: 0,
		};
		for (const interval of timeline)
			if (interval.gpu === gpu) sums[interval.state] += interval.toUs - interval.fromUs;
		const { busy, ...idleUs } = sums;
		return { gpu, wallUs, busyUs: busy, idleUs };
	});
}

function gpusOf(records: readonly RunRecord[]): readonly GpuId[] {
	const start = records.find((record) => record.type === 'run-started');
	return start?.gpus.map(({ gpu }) => gpu) ?? [];
}

type Standing = Pick<GpuInterval, 'state' | 'model' | 'replica'>;

/** One GPU's intervals so far. Time before the first classification (a log that starts late) counts as its first state. */
class Track {
	readonly gpu: GpuId;
	private readonly done: GpuInterval[] = [];
	private fromUs: TimeUs = 0;
	private standing: Standing | null = null;

	constructor(gpu: GpuId) {
		this.gpu = gpu;
	}

	enter(next: Standing, nowUs: TimeUs): void {
		if (this.standing?.state === next.state && this.standing.replica === next.replica) return;
		if (this.standing !== null) this.push(nowUs);
		this.standing = next;
	}

	close(endUs: TimeUs): readonly GpuInterval[] {
		this.push(endUs);
		return this.done;
	}

	private push(toUs: TimeUs): void {
		if (this.standing === null || toUs <= this.fromUs) return;
		const { state, model, replica } = this.standing;
		this.done.push({ gpu: this.gpu, fromUs: this.fromUs, toUs, state, model, replica });
		this.fromUs = toUs;
	}
}

function classify(state: RunState, tracks: readonly Track[], nowUs: TimeUs): void {
	const undecided: Track[] = [];
	for (const track of tracks) {
		const standing = ownStanding(state, track.gpu);
		if (standing === null) undecided.push(track);
		else track.enter(standing, nowUs);
	}
	if (undecided.length === 0) return;
	const held = state.heldByPhase(undecided.map(({ gpu }) => gpu));
	for (const track of undecided) {
		const waits = state.beforeFirstReplica || state.aggregationWaits(track.gpu) || held.has(track.gpu);
		track.enter(waits ? BARRIER : STARVED, nowUs);
	}
}

/** What the GPU's own replicas and refusals tell; null when the cause lies in the work that there is. */
function ownStanding(state: RunState, gpu: GpuId): Standing | null {
	const here = state.replicasOn(gpu);
	for (const [gpuState, applies] of OCCUPIED) {
		const replica = here.find(applies);
		if (replica !== undefined) return { state: gpuState, model: replica.model, replica: replica.id };
	}
	if (state.openQueries.size === 0) return NO_DEMAND;
	const failed = here.find((replica) => replica.state === 'failed');
	if (failed !== undefined && here.every((replica) => replica.state === 'failed'))
		return { state: 'down', model: failed.model, replica: failed.id };
	return state.startRefused(gpu) ? MEMORY : null;
}

const OCCUPIED: readonly (readonly [GpuState, (replica: ReplicaStanding) => boolean])[] = [
	['busy', (replica) => replica.active],
	['loading', ({ state }) => state === 'loading'],
	['switching', ({ state }) => state === 'falling-asleep' || state === 'waking' || state === 'stopping'],
];

const NO_DEMAND: Standing = { state: 'noDemand', model: null, replica: null };
const MEMORY: Standing = { state: 'memory', model: null, replica: null };
const STARVED: Standing = { state: 'starved', model: null, replica: null };
const BARRIER: Standing = { state: 'barrier', model: null, replica: null };
