/** Random but legal setups, small enough for hundreds of runs, made of domain types alone. */
import fc from 'fast-check';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { gpuId, hostId, type ModelId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { EngineConfig, Gpu, Model, ReplicaProfile, StepCost } from '../../sim/domain/model.ts';
import type { AggregatorSpec, PlanOptions } from '../../sim/domain/scheduler.ts';
import type { LengthForecast, Setup } from '../../sim/domain/setup.ts';
import type { Truth } from '../../sim/domain/truth.ts';
import type { Query } from '../../sim/domain/work.ts';

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
}

export const setupShapes: fc.Arbitrary<SetupShape> = fc.record({
	seed: fc.nat(1_000_000),
	gpus: fc.integer({ min: 1, max: 4 }),
	models: fc.integer({ min: 1, max: 4 }),
	queries: fc.integer({ min: 1, max: 12 }),
	slots: fc.integer({ min: 1, max: 4 }),
	aggregator: fc.boolean(),
	gate: fc.constantFrom('never', 'unanimous', 'majority'),
	arrivals: fc.boolean(),
});

const GPU_TYPE = 'random-gpu';
const GPU_BYTES = 80e9;
const PLAN_OPTIONS: PlanOptions = {
	maxModelsPerWorker: 2,
	replicationCap: 'formula',
	relativeGap: 0.01,
	maxNodes: 1000,
	timeLimitSeconds: 10,
	chargedSolveSeconds: 0,
	sweepShares: [0.5, 1],
	modelOrder: [],
};

export function randomSetup(shape: SetupShape): Setup {
	const random = randomStream(shape.seed, 'setup');
	const gpus: Gpu[] = Array.from({ length: shape.gpus }, (_, i) => ({
		id: gpuId(`gpu${i}`),
		type: GPU_TYPE,
		memoryBytes: GPU_BYTES,
		host: hostId(`host${i % 2}`),
	}));
	const models = Array.from({ length: shape.models }, (_, i) => randomModel(`model${i}`, random));
	const ids = models.map(({ id }) => id);
	return {
		name: 'random',
		seed: shape.seed,
		cluster: { gpus, hosts: [0, 1].map((i) => ({ id: hostId(`host${i}`), ramBytes: 4e12 })) },
		models,
		profiles: models.flatMap((model) => randomProfiles(model, shape.gpus, random)),
		queries: randomQueries(shape, ids, random),
		truth: randomTruth(shape.seed),
		aggregator: shape.aggregator ? randomAggregator(ids, shape.gpus, random) : null,
		aggregatorPrompt: { baseTokens: whole(random, 1, 20), perAnswerTokens: whole(random, 0, 4) },
		lengths: ids.flatMap((model) => forecasts(model)),
		calibrationQuestions: 4,
		planOptions: PLAN_OPTIONS,
		engineMode: 'stepwise',
		scheduler: 'random',
		gate: shape.gate,
		sampleSeconds: 0.001 + random(),
		resolved: {},
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
		weightBytes: 1e9,
		kvBytesPerToken: 1e5,
		contextLimitTokens: 4096,
		outputLimitTokens: whole(random, 1, 120),
		attentionHeads: 32,
	};
}

function randomProfiles(model: Model, gpuCount: number, random: RandomStream): ReplicaProfile[] {
	const fitting = [1, 2, 4].filter((tensorParallel) => tensorParallel <= gpuCount);
	return fitting.map((tensorParallel) => ({
		model: model.id,
		gpuType: GPU_TYPE,
		tensorParallel,
		engine: randomEngine(random),
		step: randomStep(random, tensorParallel),
		loadUs: whole(random, 1, 5_000_000),
		stopUs: random() < 0.3 ? 0 : whole(random, 1, 500_000),
		sleepUs: whole(random, 1, 500_000),
		wakeUs: whole(random, 1, 1_000_000),
		// From several replicas a GPU to one that nearly fills it.
		gpuBytesPerGpu: Math.round(GPU_BYTES * (0.2 + 0.75 * random())),
		sleepingHostBytes: 1e9,
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
