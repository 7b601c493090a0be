/** Small hand-made setups for tests of the room sim/, independent of files and generators. */
import type { LengthDistribution } from '../../sim/domain/distribution.ts';
import { expertCallId, gpuId, hostId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { LiveSettings } from '../../sim/domain/live.ts';
import type { EngineConfig, Model, ReplicaProfile, StepCost } from '../../sim/domain/model.ts';
import type { PlanOptions } from '../../sim/domain/scheduler.ts';
import type { LengthForecast, Setup } from '../../sim/domain/setup.ts';
import type { CallTruth, Truth } from '../../sim/domain/truth.ts';
import type { Answer, Query } from '../../sim/domain/work.ts';

export interface SmallCall {
	readonly model: string;
	readonly promptTokens?: number;
	readonly outputTokens: number;
	readonly answer?: Answer;
}

export interface SmallQuery {
	readonly calls: readonly SmallCall[];
	readonly arrivalUs?: number;
	readonly correct?: string;
	readonly aggregatorOutputTokens?: number;
	readonly aggregatorAnswer?: Answer;
}

export interface SmallSetup {
	readonly gpus?: number;
	readonly queries: readonly SmallQuery[];
	/** Null: no aggregator. Default: model `agg` on one GPU. */
	readonly aggregator?: { readonly model: string; readonly tensorParallel: number } | null;
	readonly engine?: Partial<EngineConfig>;
	readonly step?: Partial<StepCost>;
	readonly loadSeconds?: number;
	readonly gpuBytesPerGpu?: number;
	readonly enginesPerGpu?: number;
	readonly sharedSpeeds?: readonly number[];
	readonly hostRamBytes?: number;
	readonly reasoning?: readonly string[];
	readonly planOptions?: Partial<PlanOptions>;
	readonly scheduler?: string;
	readonly gate?: string;
	readonly seed?: number;
	readonly questions?: Setup['questions'];
	readonly live?: Partial<LiveSettings>;
}

export const SMALL_ENGINE: EngineConfig = {
	blockSize: 16,
	numGpuBlocks: 1001,
	maxNumSeqs: 8,
	maxNumBatchedTokens: 256,
	maxModelLen: 4096,
	longPrefillTokenThreshold: 0,
	policy: 'fcfs',
	asyncScheduling: false,
	watermark: 0,
	reserveFullIsl: true,
	prefixCaching: false,
};

/** 10 ms a step and nothing else, so that a test can do the sums in its head. */
export const FLAT_STEP: StepCost = {
	hostUs: 0,
	hostPerSequenceUs: 0,
	baseUs: 10_000,
	perTokenOverKneeUs: 0,
	kneeTokens: 0,
	perDecodeSequenceUs: 0,
	perContextTokenUs: 0,
	perPrefillTokenSquaredUs: 0,
	allReduceUs: 0,
};

/** Of model `a` on one GPU, all but its steps for nothing. */
export const weightlessProfile = (
	engine: Partial<EngineConfig>,
	step: Partial<StepCost>,
): ReplicaProfile => ({
	model: modelId('a'),
	gpuType: 'test-gpu',
	tensorParallel: 1,
	engine: { ...SMALL_ENGINE, ...engine },
	step: { ...FLAT_STEP, ...step },
	loadUs: 1,
	stopUs: 0,
	sleep: { 1: null, 2: null },
	gpuBytesPerGpu: 1,
	sleepingGpuBytesPerGpu: 1,
	sleepingHostBytes: 1,
});

export const SMALL_LIVE: LiveSettings = {
	host: '127.0.0.1',
	firstPort: 8100,
	timeouts: { startSeconds: 900, firstTokenSeconds: 3600, silenceSeconds: 600, stopSeconds: 20 },
	retries: { callAttempts: 3, backoffSeconds: 1, replicaRestarts: 2 },
	lengths: 'simulated',
	answers: 'simulated',
	requests: { api: 'chat', temperature: 0.7 },
	vllm: { python: 'python3', models: {}, device: 'gpu', extraArguments: [], environment: {} },
	endpoints: [],
	emulator: { faults: {} },
};

const GPU_BYTES = 80e9;

export const SMALL_SLEEPING_GPU_BYTES = 1.5 * 1024 ** 3;

export function smallSetup(small: SmallSetup): Setup {
	const aggregator = small.aggregator === undefined ? { model: 'agg', tensorParallel: 1 } : small.aggregator;
	const names = [...new Set(small.queries.flatMap((query) => query.calls.map((call) => call.model)))];
	if (aggregator !== null && !names.includes(aggregator.model)) names.push(aggregator.model);
	const gpuCount = small.gpus ?? 2;
	const queries = small.queries.map(toQuery);
	return {
		name: 'small',
		seed: small.seed ?? 0,
		cluster: {
			gpus: Array.from({ length: gpuCount }, (_, i) => ({
				id: gpuId(`gpu${i}`),
				type: 'test-gpu',
				memoryBytes: GPU_BYTES,
				host: hostId('host0'),
				...(small.sharedSpeeds === undefined ? {} : { sharedSpeeds: small.sharedSpeeds }),
			})),
			hosts: [{ id: hostId('host0'), ramBytes: small.hostRamBytes ?? 1e12 }],
			enginesPerGpu: small.enginesPerGpu ?? 1,
		},
		models: names.map((name) => toModel(name, small)),
		profiles: names.flatMap((name) => toProfiles(name, gpuCount, small)),
		queries,
		demand: demandOf(queries),
		truth: toTruth(small.queries),
		aggregator:
			aggregator === null
				? null
				: { model: modelId(aggregator.model), tensorParallel: aggregator.tensorParallel },
		aggregatorPrompt: { baseTokens: 10, perAnswerTokens: 2 },
		lengths: toLengths(small, names, aggregator?.model ?? null),
		calibrationQuestions: 20,
		planOptions: {
			maxModelsPerWorker: 2,
			replicationCap: 'paper-pin',
			relativeGap: 0.001,
			maxNodes: 10_000,
			timeLimitSeconds: 20,
			chargedSolveSeconds: 0,
			chargedRehearsalSecondsPerQuery: 0,
			sweepShares: [0.25, 0.5, 1],
			modelOrder: [],
			...small.planOptions,
		},
		engineMode: 'stepwise',
		scheduler: small.scheduler ?? 'round-robin',
		gate: small.gate ?? 'never',
		gateOptions: { budgetPoints: 0.1, confidence: 0.9, auditShare: 0, cuts: true },
		calibration: { source: 'none', queries: () => [] },
		sampleSeconds: 1,
		questions: small.questions ?? null,
		live: { ...SMALL_LIVE, ...small.live },
		resolved: {},
		inputs: [],
		tokensPerByte: null,
	};
}

/** The mix that an experiment's slot table would state: that of the queries themselves. Null in a batch. */
export function demandOf(queries: readonly Query[]): Setup['demand'] {
	if (queries.every(({ arrivalUs }) => arrivalUs === 0)) return null;
	const calls = queries.flatMap(({ task, slots }) => slots.map((model) => ({ model, task })));
	const kinds = new Map(calls.map((call) => [`${call.model}/${call.task}`, call]));
	return {
		queriesPerSecond: null,
		callsPerQuery: [...kinds.values()].map(({ model, task }) => {
			const own = calls.filter((call) => call.model === model && call.task === task);
			return { model, task, calls: own.length / queries.length };
		}),
	};
}

const toQuery = (query: SmallQuery, index: number): Query => ({
	id: queryId(`q${index}`),
	task: 'test',
	arrivalUs: query.arrivalUs ?? 0,
	slots: query.calls.map((call) => modelId(call.model)),
	slotPromptTokens: query.calls.map((call) => call.promptTokens ?? 20),
});

const toModel = (name: string, small: SmallSetup): Model => ({
	id: modelId(name),
	checkpoint: `test/${name}`,
	modelClass: small.reasoning?.includes(name) ? 'reasoning' : 'instruct',
	weightBytes: 16e9,
	kvBytesPerToken: 1e5,
	contextLimitTokens: small.engine?.maxModelLen ?? SMALL_ENGINE.maxModelLen,
	outputLimitTokens: 2048,
	attentionHeads: 32,
});

function toProfiles(name: string, gpuCount: number, small: SmallSetup): ReplicaProfile[] {
	return [1, 2, 4, 8]
		.filter((tensorParallel) => tensorParallel <= gpuCount)
		.map((tensorParallel) => ({
			model: modelId(name),
			gpuType: 'test-gpu',
			tensorParallel,
			engine: { ...SMALL_ENGINE, ...small.engine },
			step: { ...FLAT_STEP, ...small.step },
			loadUs: Math.round((small.loadSeconds ?? 2) * 1e6),
			stopUs: 0,
			sleep: {
				1: { sleepUs: 500_000, wakeUs: 500_000 },
				2: { sleepUs: 200_000, wakeUs: 1_200_000 },
			},
			gpuBytesPerGpu: small.gpuBytesPerGpu ?? 0.9 * GPU_BYTES,
			sleepingGpuBytesPerGpu: SMALL_SLEEPING_GPU_BYTES,
			sleepingHostBytes: 16e9,
		}));
}

function toTruth(queries: readonly SmallQuery[]): Truth {
	const calls = new Map<string, CallTruth>();
	queries.forEach((query, index) => {
		query.calls.forEach((call, slotIndex) => {
			calls.set(expertCallId(queryId(`q${index}`), slotIndex), {
				outputTokens: call.outputTokens,
				answerTokens: Math.min(10, call.outputTokens),
				answer: call.answer === undefined ? 'A' : call.answer,
				truncated: call.outputTokens >= 2048,
			});
		});
	});
	return {
		call(id) {
			const truth = calls.get(id);
			if (truth === undefined) throw new Error(`no call ${id}`);
			return truth;
		},
		query(id) {
			const query = queries[Number(id.slice(1))];
			if (query === undefined) throw new Error(`no query ${id}`);
			return {
				correctAnswer: query.correct ?? 'A',
				aggregatorOutputTokens: query.aggregatorOutputTokens ?? 5,
				aggregatorAnswer: () => (query.aggregatorAnswer === undefined ? 'A' : query.aggregatorAnswer),
			};
		},
	};
}

function toLengths(small: SmallSetup, names: readonly string[], aggregator: string | null): LengthForecast[] {
	const constant = (tokens: number): LengthDistribution => ({
		body: { family: 'constant', tokens },
		shiftTokens: 0,
		capTokens: 2048,
		runawayShare: 0,
		scale: 1,
	});
	const calls = small.queries.flatMap((query) => query.calls);
	const forecasts = names.flatMap((name): LengthForecast[] => {
		const own = calls.filter((call) => call.model === name);
		if (own.length === 0) return [];
		const meanOf = (pick: (call: SmallCall) => number): number =>
			Math.max(1, Math.round(own.reduce((sum, call) => sum + pick(call), 0) / own.length));
		return [
			{
				model: modelId(name),
				task: 'test',
				role: 'expert',
				distribution: constant(meanOf((call) => call.outputTokens)),
				meanPromptTokens: meanOf((call) => call.promptTokens ?? 20),
			},
		];
	});
	if (aggregator !== null)
		forecasts.push({
			model: modelId(aggregator),
			task: 'test',
			role: 'aggregator',
			distribution: constant(5),
			meanPromptTokens: 40,
		});
	return forecasts;
}
