/**
 * Run logs made by hand or by a crude batch model, for tests of everything that reads logs. The crude model knows nothing of
 * vLLM: a session loads, runs its calls in a batch of limited width at a steady token rate, and stops.
 */
import { randomStream } from '../../sim/core/random.ts';
import {
	aggregatorCallId,
	type CallId,
	expertCallId,
	type GpuId,
	gpuId,
	type ModelId,
	modelId,
	type QueryId,
	queryId,
	type ReplicaId,
	replicaId,
} from '../../sim/domain/ids.ts';
import type { PlanEvidence, PlannedSession } from '../../sim/domain/plan.ts';
import type { RunRecord, RunStarted } from '../../sim/domain/run-log.ts';
import type { ReplicaState } from '../../sim/domain/scheduler.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import type { CallRole } from '../../sim/domain/work.ts';

export const EVIDENCE: PlanEvidence = {
	objectiveSeconds: 100,
	boundSeconds: 95,
	gap: 0.05,
	status: 'feasible',
	solveSeconds: 0,
	fallback: null,
	reproducible: true,
};

/** A `run-started` record; `over` replaces fields. */
export function runStarted(over: Partial<RunStarted> = {}): RunStarted {
	return {
		type: 'run-started',
		timeUs: 0,
		format: 1,
		version: '0.0.0-test',
		experiment: 'synthetic',
		scheduler: 'round-robin',
		gate: 'never',
		seed: 1,
		engineMode: 'stepwise',
		world: 'simulated',
		gpus: [0, 1].map((index) => ({ gpu: gpuId(`gpu${index}`), type: 'TEST-80GB', host: 'host0' })),
		models: [],
		queryCount: 0,
		...over,
	};
}

/** Terse makers of records for logs written by hand; times in whole microseconds. */
export const record = {
	plan: (timeUs: number, sessions: readonly PlannedSession[], evidence = EVIDENCE): RunRecord => ({
		type: 'plan-made',
		timeUs,
		plan: { scheduler: 'test', sessions, evidence },
	}),
	arrived: (timeUs: number, query: string, ...slots: string[]): RunRecord => ({
		type: 'query-arrived',
		timeUs,
		query: queryId(query),
		task: 'task',
		slots: slots.map(modelId),
	}),
	replica: (timeUs: number, id: string, state: ReplicaState, ...gpus: string[]): RunRecord => ({
		type: 'replica-changed',
		timeUs,
		replica: replicaId(id),
		model: modelOf(id),
		gpus: gpus.map(gpuId),
		state,
	}),
	active: (timeUs: number, id: string, active: boolean): RunRecord => ({
		type: 'engine-active',
		timeUs,
		replica: replicaId(id),
		active,
	}),
	refused: (timeUs: number, id: string, ...gpus: string[]): RunRecord => ({
		type: 'start-refused',
		timeUs,
		replica: replicaId(id),
		model: modelOf(id),
		gpus: gpus.map(gpuId),
		reason: 'does not fit',
	}),
	dispatched: (timeUs: number, call: string, id: string): RunRecord => ({
		type: 'call-dispatched',
		timeUs,
		...callParts(call),
		model: modelOf(id),
		replica: replicaId(id),
		promptTokens: 100,
	}),
	finished: (timeUs: number, call: string, id: string, outputTokens = 50): RunRecord => ({
		type: 'call-finished',
		timeUs,
		...callParts(call),
		model: modelOf(id),
		replica: replicaId(id),
		promptTokens: 100,
		outputTokens,
		cachedPromptTokens: 16,
		recomputedTokens: 3,
		preemptions: 1,
		finishReason: 'stop',
		startedUs: timeUs,
		firstTokenUs: timeUs,
		answer: 'A',
	}),
	cancelled: (
		timeUs: number,
		call: string,
		model: string,
		id: string | null,
		outputTokens = 0,
	): RunRecord => ({
		type: 'call-cancelled',
		timeUs,
		...callParts(call),
		model: modelId(model),
		replica: id === null ? null : replicaId(id),
		outputTokens,
	}),
	returned: (timeUs: number, call: string, id: string, outputTokens = 9): RunRecord => ({
		type: 'call-returned',
		timeUs,
		...callParts(call),
		model: modelOf(id),
		replica: replicaId(id),
		reason: 'died',
		outputTokens,
	}),
	needed: (timeUs: number, query: string): RunRecord => ({
		type: 'aggregation-needed',
		timeUs,
		query: queryId(query),
		call: aggregatorCallId(queryId(query)),
	}),
	settled: (
		timeUs: number,
		query: string,
		by: 'vote' | 'aggregator' | 'failure',
		correct: boolean | null = null,
		aggregateAllCorrect: boolean | null = null,
	): RunRecord => ({
		type: 'query-settled',
		timeUs,
		query: queryId(query),
		by,
		answer: 'A',
		correct,
		aggregateAllCorrect,
	}),
	ended: (timeUs: number, lowerBoundUs: number | null = null): RunRecord => ({
		type: 'run-ended',
		timeUs,
		status: 'complete',
		lowerBoundUs,
	}),
};

/** Replica ids of hand-written logs are `model#number`. */
const modelOf = (id: string): ModelId => modelId(id.split('#')[0] as string);

function callParts(call: string): { call: CallId; query: QueryId; role: CallRole } {
	const [query, slot] = call.split('/') as [string, string];
	return { call: call as CallId, query: queryId(query), role: slot === 'agg' ? 'aggregator' : 'expert' };
}

export interface SyntheticOptions {
	readonly seed: number;
	readonly scheduler: string;
	readonly gate: string;
	readonly gpuCount: number;
	readonly queryCount: number;
	/** `dealt`: models in turn, each on one GPU; `spread`: every model on every GPU, one after another with a barrier. */
	readonly layout: 'dealt' | 'spread';
	/** Seconds between batch samples. */
	readonly sampleSeconds: number;
}

const DEFAULTS: SyntheticOptions = {
	seed: 1,
	scheduler: 'round-robin',
	gate: 'majority',
	gpuCount: 4,
	queryCount: 600,
	layout: 'dealt',
	sampleSeconds: 5,
};

const MODELS = [
	{ name: 'deepseek-r1-distill-llama-8b', reasoning: true, mu: 7.9, sigma: 0.8 },
	{ name: 'qwen3-8b', reasoning: true, mu: 7.6, sigma: 0.7 },
	{ name: 'llama-3.1-8b', reasoning: false, mu: 6, sigma: 0.5 },
	{ name: 'gemma-2-9b', reasoning: false, mu: 5.8, sigma: 0.5 },
	{ name: 'mathstral-7b', reasoning: false, mu: 6, sigma: 0.4 },
	{ name: 'biomistral-7b', reasoning: false, mu: 5.2, sigma: 0.6 },
] as const;
const AGGREGATOR = { name: 'aggregator-32b', reasoning: true, mu: 6.6, sigma: 0.6 } as const;
const BATCH_WIDTH = 128;
const TOKEN_SECONDS = 0.03;

interface Work {
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
}

/** A consistent log of a batch run on six experts and an aggregator. Equal options give equal logs. */
export function syntheticRun(options: Partial<SyntheticOptions> = {}): readonly RunRecord[] {
	const settings = { ...DEFAULTS, ...options };
	const { seed, gpuCount, queryCount, layout } = settings;
	const random = randomStream(seed, 'synthetic');
	const gpus = Array.from({ length: gpuCount }, (_, index) => gpuId(`gpu${index}`));
	const log: RunRecord[] = [];
	const work = new Map<string, Work[]>(MODELS.map(({ name }) => [name, []]));
	for (let i = 0; i < queryCount; i++) {
		const query = queryId(`q${i}`);
		const slots = [0, 1, 2].map(() => MODELS[Math.floor(random() * MODELS.length)]?.name ?? MODELS[0].name);
		log.push(record.arrived(0, query, ...slots));
		slots.forEach((name, slot) => {
			work.get(name)?.push({ call: expertCallId(query, slot), query, role: 'expert' });
		});
	}
	const sessions = expertSessions(layout, gpus, work);
	const freeUs = new Map(gpus.map((gpu) => [gpu, usFromSeconds(2)]));
	let phase = 0;
	for (const session of sessions) {
		if (session.planned.phase > phase) {
			phase = session.planned.phase;
			const latestUs = Math.max(...freeUs.values());
			for (const gpu of gpus) freeUs.set(gpu, latestUs);
		}
		runSession(log, session, freeUs, random, settings);
	}
	const aggregated = Math.round(queryCount * (settings.gate === 'never' ? 1 : 0.4));
	settleByVote(log, aggregated, queryCount, random);
	const barrierUs = Math.max(...freeUs.values());
	for (const gpu of gpus) freeUs.set(gpu, barrierUs);
	const group = gpus.slice(0, Math.min(4, gpuCount));
	const aggregation = {
		planned: session(group, AGGREGATOR.name, 'aggregator', null, phase + 1),
		work: Array.from({ length: aggregated }, (_, index) => {
			const query = queryId(`q${index}`);
			return { call: aggregatorCallId(query), query, role: 'aggregator' as const };
		}),
	};
	if (aggregated > 0) runSession(log, aggregation, freeUs, random, settings);
	const endUs = Math.max(...freeUs.values());
	log.push(
		record.plan(
			0,
			[...sessions, aggregation].map(({ planned }) => planned),
		),
	);
	log.sort((a, b) => a.timeUs - b.timeUs || RANK.indexOf(a.type) - RANK.indexOf(b.type));
	return [startOf(settings, gpus), ...log, record.ended(endUs, Math.round(endUs * 0.6))];
}

/** Order of records of one instant. */
const RANK: readonly RunRecord['type'][] = [
	'query-arrived',
	'plan-made',
	'replica-changed',
	'call-dispatched',
	'engine-active',
	'call-finished',
	'aggregation-needed',
	'query-settled',
	'engine-sample',
];

function startOf(settings: SyntheticOptions, gpus: readonly GpuId[]): RunRecord {
	return runStarted({
		scheduler: settings.scheduler,
		gate: settings.gate,
		seed: settings.seed,
		gpus: gpus.map((gpu) => ({ gpu, type: 'TEST-80GB', host: 'host0' })),
		models: [...MODELS, AGGREGATOR].map(({ name, reasoning }) => ({
			model: modelId(name),
			modelClass: reasoning ? 'reasoning' : 'instruct',
		})),
		queryCount: settings.queryCount,
	});
}

interface SyntheticSession {
	readonly planned: PlannedSession;
	readonly work: readonly Work[];
}

const session = (
	gpus: readonly GpuId[],
	model: string,
	role: CallRole,
	calls: number | null,
	phase: number,
): PlannedSession => ({ gpus, model: modelId(model), role, calls, phase });

function expertSessions(
	layout: SyntheticOptions['layout'],
	gpus: readonly GpuId[],
	work: ReadonlyMap<string, readonly Work[]>,
): readonly SyntheticSession[] {
	return [...work].flatMap(([model, calls], index) => {
		if (layout === 'dealt') {
			const gpu = gpus[index % gpus.length] as GpuId;
			return [{ planned: session([gpu], model, 'expert', calls.length, 0), work: calls }];
		}
		return gpus.map((gpu, shard) => {
			const share = calls.filter((_, at) => at % gpus.length === shard);
			return { planned: session([gpu], model, 'expert', share.length, index), work: share };
		});
	});
}

function runSession(
	log: RunRecord[],
	{ planned, work }: SyntheticSession,
	freeUs: Map<GpuId, number>,
	random: () => number,
	{ sampleSeconds }: SyntheticOptions,
): void {
	const { gpus, model } = planned;
	const shape = [...MODELS, AGGREGATOR].find(({ name }) => name === model) ?? MODELS[0];
	const startUs = Math.max(...gpus.map((gpu) => freeUs.get(gpu) ?? 0));
	const awakeUs = startUs + usFromSeconds(gpus.length > 1 ? 60 : 25 + 10 * random());
	const id = replicaId(`${model}@${gpus.join('+')}/${planned.phase}`);
	const change = (timeUs: number, state: ReplicaState): void => {
		log.push({ type: 'replica-changed', timeUs, replica: id, model, gpus, state });
	};
	change(startUs, 'loading');
	change(awakeUs, 'awake');
	const lanesUs = new Array<number>(BATCH_WIDTH).fill(awakeUs);
	const spans = work.map((one) => {
		const lane = lanesUs.indexOf(Math.min(...lanesUs));
		const startedUs = lanesUs[lane] as number;
		const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
		const outputTokens = Math.max(1, Math.min(16384, Math.round(Math.exp(shape.mu + shape.sigma * normal))));
		const endUs = startedUs + usFromSeconds((outputTokens * TOKEN_SECONDS) / gpus.length);
		lanesUs[lane] = endUs;
		return { ...one, startedUs, endUs, outputTokens };
	});
	for (const one of spans) pushCall(log, one, id, model, awakeUs);
	const endUs = Math.max(awakeUs, ...spans.map((one) => one.endUs));
	if (spans.length > 0) log.push(record.active(awakeUs, id, true), record.active(endUs, id, false));
	for (let timeUs = awakeUs; timeUs < endUs; timeUs += usFromSeconds(sampleSeconds))
		log.push(sampleOf(timeUs, id, spans));
	change(endUs, 'stopping');
	change(endUs + usFromSeconds(3), 'stopped');
	for (const gpu of gpus) freeUs.set(gpu, endUs + usFromSeconds(3));
}

interface CallSpan extends Work {
	readonly startedUs: number;
	readonly endUs: number;
	readonly outputTokens: number;
}

function pushCall(
	log: RunRecord[],
	one: CallSpan,
	replica: ReplicaId,
	model: ModelId,
	awakeUs: number,
): void {
	const { call, query, role, startedUs, endUs, outputTokens } = one;
	const common = { call, query, role, model, replica, promptTokens: 300 };
	log.push({ type: 'call-dispatched', timeUs: awakeUs, ...common });
	log.push({
		type: 'call-finished',
		timeUs: endUs,
		...common,
		outputTokens,
		cachedPromptTokens: 0,
		recomputedTokens: 0,
		preemptions: 0,
		finishReason: 'stop',
		startedUs,
		firstTokenUs: startedUs,
		answer: 'B',
	});
	if (role === 'aggregator')
		log.push(record.settled(endUs, query, 'aggregator', outputTokens % 3 > 0, outputTokens % 3 > 0));
}

function sampleOf(timeUs: number, replica: ReplicaId, spans: readonly CallSpan[]): RunRecord {
	const running = spans.filter((one) => one.startedUs <= timeUs && timeUs < one.endUs);
	const tokens = running.reduce(
		(sum, one) => sum + (one.outputTokens * (timeUs - one.startedUs)) / (one.endUs - one.startedUs),
		0,
	);
	return {
		type: 'engine-sample',
		timeUs,
		replica,
		running: running.length,
		waiting: spans.filter((one) => one.startedUs > timeUs).length,
		maxRunning: BATCH_WIDTH,
		usedBlocks: Math.min(12_000, Math.ceil(tokens / 16)),
		totalBlocks: 12_000,
	};
}

/** Queries beyond the aggregated ones settle by vote when their last expert call ends; the others become ready then. */
function settleByVote(log: RunRecord[], aggregated: number, queryCount: number, random: () => number): void {
	const endUs = new Map<string, number>();
	for (const one of log)
		if (one.type === 'call-finished') endUs.set(one.query, Math.max(endUs.get(one.query) ?? 0, one.timeUs));
	for (let i = 0; i < queryCount; i++) {
		const timeUs = endUs.get(`q${i}`) ?? 0;
		if (i < aggregated) log.push(record.needed(timeUs, `q${i}`));
		else log.push(record.settled(timeUs, `q${i}`, 'vote', random() < 0.7, random() < 0.71));
	}
}
