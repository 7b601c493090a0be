/** Planning problems with a forecaster whose sessions follow a stated rule, so that a test knows what a plan should say. */
import { gpuId, hostId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { Model, ModelClass, ReplicaProfile } from '../../sim/domain/model.ts';
import type { AggregatorSpec, Forecaster, PlanOptions, Problem } from '../../sim/domain/scheduler.ts';
import { FLAT_STEP, SMALL_ENGINE } from './setup-builder.ts';

export interface FakeExpert {
	readonly name: string;
	/** Prompt slots; may be 0. */
	readonly calls: number;
	readonly modelClass?: ModelClass;
	readonly loadSeconds?: number;
	readonly secondsPerCall: number;
	/** Part of a session that does not depend on the number of calls. Default 0. */
	readonly fixedSeconds?: number;
	/** Memory on each GPU. Default 60e9. */
	readonly gpuBytes?: number;
}

export interface FakeProblem {
	readonly experts: readonly FakeExpert[];
	/** GPU types in cluster order; default four of `A`. */
	readonly gpuTypes?: readonly string[];
	/** Speed of a type relative to 1. */
	readonly speed?: Readonly<Record<string, number>>;
	/** Bytes of a type; default 80e9. */
	readonly memory?: Readonly<Record<string, number>>;
	readonly aggregator?: AggregatorSpec | null;
	readonly options?: Partial<PlanOptions>;
	readonly tensorParallel?: readonly number[];
}

export const FAKE_OPTIONS: PlanOptions = {
	maxModelsPerWorker: 2,
	replicationCap: 'paper-pin',
	relativeGap: 0,
	maxNodes: 1_000_000,
	timeLimitSeconds: 60,
	chargedSolveSeconds: 1,
	chargedRehearsalSecondsPerQuery: 0,
	sweepShares: [0.25, 0.5, 1],
	modelOrder: [],
};

const DEFAULT_BYTES = 60e9;

export function fakeProblem(fake: FakeProblem): Problem {
	const types = fake.gpuTypes ?? ['A', 'A', 'A', 'A'];
	const host = hostId('h0');
	const byName = new Map(fake.experts.map((expert) => [expert.name, expert]));
	const names = [...byName.keys()];
	if (fake.aggregator && !byName.has(fake.aggregator.model)) names.push(fake.aggregator.model);
	return {
		observed: [],
		gate: { aggregatedShare: 1, foreseenShare: () => 0, cutTokens: () => Number.POSITIVE_INFINITY },
		cluster: {
			gpus: types.map((type, i) => ({
				id: gpuId(`g${i}`),
				type,
				memoryBytes: fake.memory?.[type] ?? 80e9,
				host,
			})),
			hosts: [{ id: host, ramBytes: 1e12 }],
			enginesPerGpu: 1,
		},
		models: names.map((name): Model => fakeModel(name, byName.get(name)?.modelClass ?? 'instruct')),
		profiles: names.flatMap((name) =>
			[...new Set(types)].flatMap((type) =>
				(fake.tensorParallel ?? [1, 2, 4]).map((tensorParallel) =>
					fakeProfile(name, type, tensorParallel, byName.get(name)),
				),
			),
		),
		queries: [{ id: queryId('q0'), task: 't', arrivalUs: 0, slots: [], slotPromptTokens: [] }],
		expertCalls: fake.experts.map(({ name, calls }) => ({
			model: modelId(name),
			task: 't',
			role: 'expert',
			count: calls,
		})),
		future: null,
		aggregator: fake.aggregator ?? null,
		forecaster: fakeForecaster(byName, fake.speed ?? {}),
		options: { ...FAKE_OPTIONS, ...fake.options },
	};
}

const fakeModel = (name: string, modelClass: ModelClass): Model => ({
	id: modelId(name),
	checkpoint: name,
	modelClass,
	weightBytes: 16e9,
	kvBytesPerToken: 131_072,
	contextLimitTokens: 32_768,
	outputLimitTokens: 32_768,
	attentionHeads: 32,
});

const fakeProfile = (
	name: string,
	gpuType: string,
	tensorParallel: number,
	expert: FakeExpert | undefined,
): ReplicaProfile => ({
	model: modelId(name),
	gpuType,
	tensorParallel,
	engine: SMALL_ENGINE,
	step: FLAT_STEP,
	loadUs: Math.round((expert?.loadSeconds ?? 40) * 1e6),
	stopUs: 1,
	sleep: { 1: { sleepUs: 1, wakeUs: 1 }, 2: { sleepUs: 1, wakeUs: 1 } },
	gpuBytesPerGpu: (expert?.gpuBytes ?? DEFAULT_BYTES) / tensorParallel,
	sleepingGpuBytesPerGpu: 1e9,
	sleepingHostBytes: 16e9,
});

/** Every call has 100 output tokens, so that the regression is exact: T = fixed + secondsPerCall N, divided by speed and GPUs. */
function fakeForecaster(
	experts: ReadonlyMap<string, FakeExpert>,
	speed: Readonly<Record<string, number>>,
): Forecaster {
	return {
		outputTokens: () => ({ mean: 100, max: 100 }),
		promptTokens: (_model, _task, role) => (role === 'expert' ? 100 : 300),
		distribution: () => ({
			body: { family: 'constant', tokens: 100 },
			shiftTokens: 0,
			capTokens: 100,
			runawayShare: 0,
			scale: 1,
		}),
		session: ({ model, gpuType, tensorParallel, calls }) => {
			const expert = experts.get(model);
			const seconds = (expert?.fixedSeconds ?? 0) + (expert?.secondsPerCall ?? 1) * calls;
			return {
				seconds: seconds / (speed[gpuType] ?? 1) / tensorParallel,
				meanOutputTokens: 100,
				maxOutputTokens: 100,
			};
		},
	};
}
