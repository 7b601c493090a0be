/** Random but legal setups, small enough for hundreds of runs, made of domain types alone. */
import fc from 'fast-check';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { gpuId, hostId, type ModelId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { EngineConfig, Gpu, Model, ReplicaProfile, StepCost } from '../../sim/domain/model.ts';
import type { AggregatorSpec, PlanOptions } from '../../sim/domain/scheduler.ts';
import type { LengthForecast, Setup } from '../../sim/domain/setup.ts';
import type { Truth } from '../../sim/domain/truth.ts';
import type { Query } from '../../sim/domain/work.ts';
import { demandOf, SMALL_LIVE } from './setup-builder.ts';

/** What fast-check varies and shrinks; the seed decides everything else. */
export interface SetupShape {
	readonly seed: number;
	readonly gpus: number;
	readonly models: number;
	readonly queries: number;
	readonly slots: number;
	readonly aggregator: boolean;
	readonly gate: string;
	/** false: all queries at time 0. */
	readonly arrivals: boolean;
	/** Given: so many engines may share a GPU, speeds of some GPUs are measured, memory suits it and host RAM is short. Default: one. */
	readonly enginesPerGpu?: number;
}

export const setupShapes: fc.Arbitrary<SetupShape> = fc.record({
	seed: fc.nat(1_000_000),
	gpus: fc.integer({ min: 1, max: 4 }),
	models: fc.integer({ min: 1, max: 4 }),
	queries: fc.integer({ min: 1, max: 12 }),
	slots: fc.integer({ min: 1, max: 4 }),
	aggregator: fc.boolean(),
	gate: fc.constantFrom('never', 'unanimous', 'majority', 'pair'),
	arrivals: fc.boolean(),
});

export const sharingShapes: fc.Arbitrary<SetupShape> = fc
	.tuple(setupShapes, fc.integer({ min: 1, max: 4 }))
	.map(([shape, enginesPerGpu]) => ({ ...shape, enginesPerGpu }));

const GPU_TYPE = 'random-gpu';
const GPU_BYTES = 80e9;
const WEIGHT_BYTES = 1e9;
const PLAN_OPTIONS: PlanOptions = {
	maxModelsPerWorker: 2,
	replicationCap: 'formula',
	relativeGap: 0.01,
	maxNodes: 1000,
	timeLimitSeconds: 10,
	chargedSolveSeconds: 0,
	chargedRehearsalSecondsPerQuery: 0,
	sweepShares: [0.5, 1],
	modelOrder: [],
};

export function randomSetup(shape: SetupShape): Setup {
	const random = randomStream(shape.seed, 'setup');
	const sharing = shape.enginesPerGpu === undefined ? null : randomStream(shape.seed, 'sharing');
	const gpus: Gpu[] = Array.from({ length: shape.gpus }, (_, i) => ({
		id: gpuId(`gpu${i}`),
		type: GPU_TYPE,
		memoryBytes: GPU_BYTES,
		host: hostId(`host${i % 2}`),
		...(sharing !== null && sharing() < 0.5 ? { sharedSpeeds: randomSpeeds(sharing) } : {}),
	}));
	const ramBytes = (): number => (sharing === null ? 4e12 : whole(sharing, 0, 3) * WEIGHT_BYTES);
	const models = Array.from({ length: shape.models }, (_, i) => randomModel(`model${i}`, random));
	const ids = models.map(({ id }) => id);
	const profiles = models.flatMap((model) => randomProfiles(model, shape, random));
	const queries = randomQueries(shape, ids, random);
	return {
		name: 'random',
		seed: shape.seed,
		cluster: {
			gpus,
			hosts: [0, 1].map((i) => ({ id: hostId(`host${i}`), ramBytes: ramBytes() })),
			enginesPerGpu: shape.enginesPerGpu ?? 1,
		},
		models,
		profiles,
		queries,
		demand: demandOf(queries),
		truth: randomTruth(shape.seed),
		aggregator: shape.aggregator ? randomAggregator(ids, shape.gpus, random) : null,
		aggregatorPrompt: { baseTokens: whole(random, 1, 20), perAnswerTokens: whole(random, 0, 4) },
		lengths: ids.flatMap((model) => forecasts(model)),
		calibrationQuestions: 4,
		planOptions: PLAN_OPTIONS,
		engineMode: 'stepwise',
		scheduler: 'random',
		gate: shape.gate,
		gateOptions: { budgetPoints: 0.1, confidence: 0.9, auditShare: 0, cuts: true },
		calibration: { source: 'none', queries: () => [] },
		sampleSeconds: 0.001 + random(),
		questions: null,
		live: SMALL_LIVE,
		resolved: {},
		inputs: [],
		tokensPerByte: null,
	};
}

/** The same with every other GPU of a second type, on which steps take another time. */
export function withTwoTypes(setup: Setup, factor: number): Setup {
	const { cluster, profiles } = setup;
	const other = 'other-gpu';
	return {
		...setup,
		cluster: {
			...cluster,
			gpus: cluster.gpus.map((gpu, i) => (i % 2 === 0 ? gpu : { ...gpu, type: other })),
		},
		profiles: [
			...profiles,
			...profiles.map((profile) => ({
				...profile,
				gpuType: other,
				step: { ...profile.step, baseUs: factor * profile.step.baseUs },
			})),
		],
	};
}

/** Whole number from low to high, both included. */
export const whole = (random: RandomStream, low: number, high: number): number =>
	low + Math.floor(random() * (high - low + 1));

function randomModel(name: string, random: RandomStream): Model {
	return {
		id: modelId(name),
		checkpoint: `random/${name}`,
		modelClass: random() < 0.5 ? 'instruct' : 'reasoning',
		weightBytes: WEIGHT_BYTES,
		kvBytesPerToken: 1e5,
		contextLimitTokens: 4096,
		outputLimitTokens: whole(random, 1, 120),
		attentionHeads: 32,
	};
}

/** Never faster together than alone, sometimes faster than equal shares. */
function randomSpeeds(random: RandomStream): number[] {
	const speeds = [1];
	for (let engines = whole(random, 1, 3); engines > 1; engines--)
		speeds.push((speeds.at(-1) ?? 1) * (0.3 + 0.7 * random()));
	return speeds;
}

function randomProfiles(model: Model, shape: SetupShape, random: RandomStream): ReplicaProfile[] {
	const fitting = [1, 2, 4].filter((tensorParallel) => tensorParallel <= shape.gpus);
	const deep = randomStream(shape.seed, `deep sleep/${model.id}`);
	const part = (shape.enginesPerGpu ?? 1) > 1 ? 0.6 : 1;
	return fitting.map((tensorParallel) => ({
		model: model.id,
		gpuType: GPU_TYPE,
		tensorParallel,
		engine: randomEngine(random),
		step: randomStep(random, tensorParallel),
		loadUs: whole(random, 1, 5_000_000),
		stopUs: random() < 0.3 ? 0 : whole(random, 1, 500_000),
		sleep: {
			1: { sleepUs: whole(random, 1, 500_000), wakeUs: whole(random, 1, 1_000_000) },
			2: deep() < 0.2 ? null : { sleepUs: whole(deep, 1, 500_000), wakeUs: whole(deep, 1, 3_000_000) },
		},
		// From several replicas a GPU to one that nearly fills it.
		gpuBytesPerGpu: Math.round(part * GPU_BYTES * (0.2 + 0.75 * random())),
		sleepingGpuBytesPerGpu: 1.5 * 1024 ** 3,
		sleepingHostBytes: WEIGHT_BYTES,
	}));
}

/** Few blocks, so that preemption is common; short contexts, so that outputs are cut and prompts refused now and then. */
function randomEngine(random: RandomStream): EngineConfig {
	const blockSize = whole(random, 1, 4) * 4;
	const numGpuBlocks = whole(random, 12, 60);
	return {
		blockSize,
		numGpuBlocks,
		maxNumSeqs: whole(random, 1, 8),
		maxNumBatchedTokens: whole(random, 8, 256),
		maxModelLen: Math.max(16, Math.floor((numGpuBlocks - 1) * blockSize * (0.4 + 0.6 * random()))),
		longPrefillTokenThreshold: 0,
		policy: 'fcfs',
		asyncScheduling: random() < 0.5,
		watermark: random() < 0.5 ? 0 : 0.01,
		reserveFullIsl: random() < 0.5,
		prefixCaching: random() < 0.5,
	};
}

const randomStep = (random: RandomStream, tensorParallel: number): StepCost => ({
	hostUs: 500 * random(),
	hostPerSequenceUs: 20 * random(),
	baseUs: 1000 + 20_000 * random(),
	perTokenOverKneeUs: 10 * random(),
	kneeTokens: whole(random, 0, 100),
	perDecodeSequenceUs: 10 * random(),
	perContextTokenUs: random(),
	perPrefillTokenSquaredUs: 0.01 * random(),
	allReduceUs: tensorParallel === 1 ? 0 : 300 * random(),
});

function randomQueries(shape: SetupShape, models: readonly ModelId[], random: RandomStream): Query[] {
	let arrivalUs = 0;
	return Array.from({ length: shape.queries }, (_, index) => {
		// Several may arrive in one instant.
		if (shape.arrivals && random() < 0.7) arrivalUs += whole(random, 0, 2_000_000);
		const promptTokens = whole(random, 1, 60);
		return {
			id: queryId(`q${index}`),
			task: 'task',
			arrivalUs,
			slots: Array.from(
				{ length: shape.slots },
				() => models[whole(random, 0, models.length - 1)] as ModelId,
			),
			slotPromptTokens: Array.from({ length: shape.slots }, () => promptTokens),
		};
	});
}

function randomAggregator(
	models: readonly ModelId[],
	gpuCount: number,
	random: RandomStream,
): AggregatorSpec {
	return {
		model: models[whole(random, 0, models.length - 1)] as ModelId,
		tensorParallel: gpuCount >= 2 && random() < 0.5 ? 2 : 1,
	};
}

function randomTruth(seed: number): Truth {
	const letter = (random: RandomStream): string => 'ABC'.charAt(whole(random, 0, 2));
	return {
		call(id) {
			const random = randomStream(seed, `call/${id}`);
			const outputTokens = whole(random, 1, 150);
			return {
				outputTokens,
				answerTokens: whole(random, 0, outputTokens),
				answer: random() < 0.1 ? null : letter(random),
				truncated: false,
			};
		},
		query(id) {
			const random = randomStream(seed, `query/${id}`);
			return {
				correctAnswer: letter(random),
				aggregatorOutputTokens: whole(random, 1, 100),
				aggregatorAnswer: (answers) => answers.find((answer) => answer !== null) ?? null,
			};
		},
	};
}

const forecasts = (model: ModelId): LengthForecast[] =>
	(['expert', 'aggregator'] as const).map((role) => ({
		model,
		task: 'task',
		role,
		distribution: {
			body: { family: 'constant', tokens: 50 },
			shiftTokens: 0,
			capTokens: 150,
			runawayShare: 0,
			scale: 1,
		},
		meanPromptTokens: 30,
	}));
