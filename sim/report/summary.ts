/** One run in numbers, from its log alone: the document of `simulate --json` and of summary.json. */
import type { GateEvidence } from '../domain/calibration.ts';
import { present } from '../domain/errors.ts';
import type { CallId, GpuId, QueryId } from '../domain/ids.ts';
import type { PlanEvidence } from '../domain/plan.ts';
import type { RunEnded, RunRecord, RunStarted } from '../domain/run-log.ts';
import { secondsFromUs, type TimeUs } from '../domain/units.ts';
import type { CallRole } from '../domain/work.ts';
import { gpuTimes, type IdleCause } from './gpu-time.ts';

export interface Summary {
	readonly format: 1;
	readonly experiment: string;
	readonly scheduler: string;
	/** The scheduler knows the length of every output beforehand, as none can that decides for real; else absent. */
	readonly knowsLengths?: true;
	readonly gate: string;
	readonly seed: number;
	readonly engineMode: string;
	/** `interrupted`: the figures below cover what had happened until then. A log without an end is interrupted. */
	readonly status: 'complete' | 'interrupted';
	/** False when a time limit stopped a solver, so that another machine may get another run. */
	readonly reproducible: boolean;
	/**
	 * Time at which the last query settled; the end of the log when none did. Stopping replicas afterwards is not counted. Where queries
	 * come over time it is at least the last arrival, whatever the schedule: latencies say more there.
	 */
	readonly makespanSeconds: number;
	/** Null when no bound was computed. */
	readonly lowerBoundSeconds: number | null;
	/** Makespan as a multiple of the lower bound; null without one. */
	readonly timesBound: number | null;
	/** What stands behind the bound, which is the largest; null when the log does not say. */
	readonly boundParts: BoundPartsSummary | null;
	readonly stages: {
		/** From the first replica start to the end of the last expert call. */
		readonly expert: StageSpan;
		/**
		 * From the end of the expert stage to the end of the last aggregator call, loads included; of length zero when there was
		 * none or it ended earlier. With a barrier the two add up to the makespan less the planning time before the first load.
		 */
		readonly aggregator: StageSpan;
	};
	/**
	 * Every call in exactly one of the first five: finished by role; cancelled after dispatch; cancelled before it; failed. `returned` counts
	 * how often a replica that failed gave a call back, which then ended as one of these.
	 */
	readonly calls: {
		readonly expert: number;
		readonly aggregator: number;
		readonly cancelled: number;
		readonly neverStarted: number;
		readonly failed: number;
		readonly returned: number;
		/** Of the finished ones, those whose output was cut short of their own limit. */
		readonly cut: number;
		/** Times a running call went on at another replica. */
		readonly migrated: number;
		/** Times a running call was put aside, to go on later. */
		readonly parked: number;
		/** Aggregations that the gate would have skipped and asked for to see what skipping costs. */
		readonly audited: number;
	};
	/** Of finished calls; `output` also counts what cancelled calls had produced, `wasted` alone what returned ones had. */
	readonly tokens: {
		readonly prompt: number;
		readonly output: number;
		readonly recomputed: number;
		readonly cachedPrompt: number;
		readonly wasted: number;
	};
	/** Latency = settled - arrival, percentiles by nearest rank over settled queries; null when none settled. */
	readonly queries: {
		readonly total: number;
		/** From the first arrival to the last; 0 in a batch. */
		readonly arrivalSpanSeconds: number;
		readonly settledByVote: number;
		readonly aggregated: number;
		readonly p50Seconds: number | null;
		readonly p95Seconds: number | null;
		readonly p99Seconds: number | null;
	};
	readonly accuracy: Accuracy;
	/** What the gate knows of its price, with what audits had found in the end; null for a gate that promises nothing. */
	readonly gateEvidence: GateEvidence | null;
	readonly gpus: readonly GpuSummary[];
	readonly plan: PlanSummary | null;
}

export interface BoundPartsSummary {
	/** All GPUs busy all the time. */
	readonly areaSeconds: number;
	/** The same with what each GPU type can take. */
	readonly lpSeconds: number;
	/** The longest path of one query. */
	readonly chainSeconds: number;
}

export interface StageSpan {
	readonly startSeconds: number;
	readonly endSeconds: number;
	readonly seconds: number;
}

/** Shares of right answers, 0 to 1, over the settled queries for which it is known; null when it is known for none. */
export interface Accuracy {
	readonly value: number | null;
	/** Had every query been aggregated, on the same draws. */
	readonly aggregateAllValue: number | null;
	/** Percentage points, value - aggregateAllValue, over the queries for which both are known. */
	readonly deltaPoints: number | null;
	/** Loss that the gate promised not to exceed, at its confidence; null for gates that promise nothing. */
	readonly lossBoundPoints: number | null;
}

/** busySeconds and the idle causes add up to wallSeconds, exact to the microsecond. */
export interface GpuSummary {
	readonly gpu: GpuId;
	readonly wallSeconds: number;
	readonly busySeconds: number;
	readonly idle: Readonly<Record<IdleCause, number>>;
}

/** Evidence of the run's first plan. */
export type PlanSummary = Omit<PlanEvidence, 'reproducible'>;

/** @param records one run's log, in order, beginning with `run-started` */
export function summarize(records: Iterable<RunRecord>): Summary {
	const log: readonly RunRecord[] = Array.isArray(records) ? records : [...records];
	const start = present(
		log.find((record): record is RunStarted => record.type === 'run-started'),
		'run-started record',
	);
	const end = log.findLast((record) => record.type === 'run-ended');
	const plans = log.flatMap((record) => (record.type === 'plan-made' ? [record.plan.evidence] : []));
	const settledUs = log.findLast((record) => record.type === 'query-settled')?.timeUs;
	const makespanUs = settledUs ?? log.at(-1)?.timeUs ?? 0;
	return {
		format: 1,
		experiment: start.experiment,
		scheduler: start.scheduler,
		...(start.knowsLengths && { knowsLengths: true }),
		gate: start.gate,
		seed: start.seed,
		engineMode: start.engineMode,
		status: end?.status ?? 'interrupted',
		reproducible: plans.every((evidence) => evidence.reproducible),
		makespanSeconds: secondsFromUs(makespanUs),
		lowerBoundSeconds: end?.lowerBoundUs == null ? null : secondsFromUs(end.lowerBoundUs),
		timesBound: timesBound(makespanUs, end?.lowerBoundUs ?? null),
		boundParts: boundParts(end),
		stages: stages(log),
		...callsAndTokens(log),
		queries: queries(log, start.queryCount),
		accuracy: accuracy(log, start),
		gateEvidence: gateEvidence(start, end),
		gpus: gpuTimes(log).map(({ gpu, wallUs, busyUs, idleUs }) => ({
			gpu,
			wallSeconds: secondsFromUs(wallUs),
			busySeconds: secondsFromUs(busyUs),
			idle: inSeconds(idleUs),
		})),
		plan: plans[0] === undefined ? null : planSummary(plans[0]),
	};
}

/** Quotient; null without a bound, or with one of 0. */
export const timesBound = (makespan: number, lowerBound: number | null): number | null =>
	lowerBound === null || lowerBound === 0 ? null : makespan / lowerBound;

/** `area`, `LP` or `chain`: what the lower bound comes from; null when the log does not say. */
export function bindingPart({ boundParts }: Pick<Summary, 'boundParts'>): string | null {
	// A summary of an earlier version has none.
	if (boundParts == null) return null;
	const { areaSeconds, lpSeconds, chainSeconds } = boundParts;
	if (chainSeconds > Math.max(areaSeconds, lpSeconds)) return 'chain';
	return lpSeconds > areaSeconds ? 'LP' : 'area';
}

/** Seconds between arrival and settlement of every settled query, in order of settlement. */
export function latenciesUs(log: readonly RunRecord[]): readonly TimeUs[] {
	const arrivalUs = new Map<QueryId, TimeUs>();
	const latencies: TimeUs[] = [];
	for (const record of log) {
		if (record.type === 'query-arrived') arrivalUs.set(record.query, record.timeUs);
		else if (record.type === 'query-settled')
			latencies.push(record.timeUs - (arrivalUs.get(record.query) ?? 0));
	}
	return latencies;
}

/** Share of GPU time that was idle, in percent; 0 for a run without time. */
export function idlePercent(summary: Summary): number {
	const wall = summary.gpus.reduce((sum, gpu) => sum + gpu.wallSeconds, 0);
	const busy = summary.gpus.reduce((sum, gpu) => sum + gpu.busySeconds, 0);
	return wall === 0 ? 0 : (100 * (wall - busy)) / wall;
}

function boundParts(end: RunEnded | undefined): BoundPartsSummary | null {
	if (end?.boundParts === undefined) return null;
	const { areaUs, lpUs, chainUs } = end.boundParts;
	return {
		areaSeconds: secondsFromUs(areaUs),
		lpSeconds: secondsFromUs(lpUs),
		chainSeconds: secondsFromUs(chainUs),
	};
}

function stages(log: readonly RunRecord[]): Summary['stages'] {
	const startUs = log.find((record) => record.type === 'replica-changed')?.timeUs ?? 0;
	const expertEndUs = Math.max(startUs, lastEndUs(log, 'expert'));
	const aggregatorEndUs = Math.max(expertEndUs, lastEndUs(log, 'aggregator'));
	return { expert: span(startUs, expertEndUs), aggregator: span(expertEndUs, aggregatorEndUs) };
}

/** When the last call of this role that was ever dispatched ended; 0 without any. */
function lastEndUs(log: readonly RunRecord[], role: CallRole): TimeUs {
	const last = log.findLast(
		(record) =>
			(record.type === 'call-finished' ||
				record.type === 'call-cancelled' ||
				record.type === 'call-failed') &&
			record.role === role &&
			record.replica !== null,
	);
	return last?.timeUs ?? 0;
}

const span = (fromUs: TimeUs, toUs: TimeUs): StageSpan => ({
	startSeconds: secondsFromUs(fromUs),
	endSeconds: secondsFromUs(toUs),
	seconds: secondsFromUs(toUs - fromUs),
});

function callsAndTokens(log: readonly RunRecord[]): Pick<Summary, 'calls' | 'tokens'> {
	const calls = {
		expert: 0,
		aggregator: 0,
		cancelled: 0,
		neverStarted: 0,
		failed: 0,
		returned: 0,
		cut: 0,
		migrated: 0,
		parked: 0,
		audited: 0,
	};
	const cut = new Set<CallId>();
	const started = new Set<CallId>();
	const tokens = { prompt: 0, output: 0, recomputed: 0, cachedPrompt: 0, wasted: 0 };
	for (const record of log) {
		if (record.type === 'call-failed') calls.failed++;
		else if (record.type === 'call-dispatched') {
			started.add(record.call);
			if (record.cutTokens !== undefined) cut.add(record.call);
		} else if (record.type === 'call-migrated') calls.migrated++;
		else if (record.type === 'call-parked') calls.parked++;
		else if (record.type === 'aggregation-needed') calls.audited += record.audit ? 1 : 0;
		else if (record.type === 'call-returned') {
			calls.returned++;
			tokens.wasted += record.outputTokens;
		} else if (record.type === 'call-cancelled') {
			if (record.replica === null && !started.has(record.call)) calls.neverStarted++;
			else calls.cancelled++;
			tokens.output += record.outputTokens;
		} else if (record.type === 'call-finished') {
			calls[record.role]++;
			if (record.finishReason === 'length' && cut.has(record.call)) calls.cut++;
			tokens.prompt += record.promptTokens;
			tokens.output += record.outputTokens;
			tokens.recomputed += record.recomputedTokens;
			tokens.cachedPrompt += record.cachedPromptTokens;
		}
	}
	return { calls, tokens };
}

function queries(log: readonly RunRecord[], total: number): Summary['queries'] {
	const sortedUs = latenciesUs(log).toSorted((a, b) => a - b);
	const settledBy = (by: 'vote' | 'aggregator'): number =>
		log.reduce((count, record) => count + (record.type === 'query-settled' && record.by === by ? 1 : 0), 0);
	const arrivals = log.filter((record) => record.type === 'query-arrived');
	return {
		total,
		arrivalSpanSeconds: secondsFromUs((arrivals.at(-1)?.timeUs ?? 0) - (arrivals[0]?.timeUs ?? 0)),
		settledByVote: settledBy('vote'),
		aggregated: settledBy('aggregator'),
		p50Seconds: percentileSeconds(sortedUs, 50),
		p95Seconds: percentileSeconds(sortedUs, 95),
		p99Seconds: percentileSeconds(sortedUs, 99),
	};
}

/** Nearest rank: the smallest value that at least `percent` % do not exceed. */
function percentileSeconds(sortedUs: readonly TimeUs[], percent: number): number | null {
	// Products of whole numbers first: 0.95 x 20 in floating point may lie above 19.
	const rank = Math.ceil((percent * sortedUs.length) / 100);
	const valueUs = sortedUs[Math.max(0, rank - 1)];
	return valueUs === undefined ? null : secondsFromUs(valueUs);
}

const gateEvidence = (start: RunStarted, end: RunEnded | undefined): GateEvidence | null =>
	start.gateEvidence === undefined
		? null
		: { ...start.gateEvidence, audit: end?.audit ?? start.gateEvidence.audit };

function accuracy(log: readonly RunRecord[], { gateEvidence }: RunStarted): Accuracy {
	const settled = log.filter((record) => record.type === 'query-settled');
	const both = settled.filter(
		({ correct, aggregateAllCorrect }) => correct !== null && aggregateAllCorrect !== null,
	);
	const gained = both.reduce(
		(sum, { correct, aggregateAllCorrect }) => sum + Number(correct) - Number(aggregateAllCorrect),
		0,
	);
	return {
		value: shareTrue(settled.map(({ correct }) => correct)),
		aggregateAllValue: shareTrue(settled.map(({ aggregateAllCorrect }) => aggregateAllCorrect)),
		deltaPoints: both.length === 0 ? null : (100 * gained) / both.length,
		lossBoundPoints: gateEvidence?.lossBoundPoints ?? null,
	};
}

function shareTrue(values: readonly (boolean | null)[]): number | null {
	const known = values.filter((value) => value !== null);
	return known.length === 0 ? null : known.filter(Boolean).length / known.length;
}

function inSeconds(idleUs: Readonly<Record<IdleCause, TimeUs>>): Record<IdleCause, number> {
	const seconds = { ...idleUs } as Record<IdleCause, number>;
	for (const cause of Object.keys(seconds) as IdleCause[]) seconds[cause] = secondsFromUs(seconds[cause]);
	return seconds;
}

function planSummary(evidence: PlanEvidence): PlanSummary {
	const { objectiveSeconds, boundSeconds, gap, status, solveSeconds, fallback } = evidence;
	return { objectiveSeconds, boundSeconds, gap, status, solveSeconds, fallback };
}
