import { describe, expect, it } from 'vitest';
import { createGate } from '../../../sim/aggregate/index.ts';
import { createProblem } from '../../../sim/core/problem.ts';
import { randomStream } from '../../../sim/core/random.ts';
import { normalCdf, normalQuantile } from '../../../sim/domain/distribution.ts';
import { present } from '../../../sim/domain/errors.ts';
import type { ModelId } from '../../../sim/domain/ids.ts';
import type { EngineConfig } from '../../../sim/domain/model.ts';
import {
	findProfile,
	type ObservedCall,
	type ObservedLengths,
	type OpenCall,
	type ReplicaView,
	type View,
} from '../../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../../sim/domain/units.ts';
import type { Call, CallRole } from '../../../sim/domain/work.ts';
import { planningForecaster } from '../../../sim/run/simulate.ts';
import { type Estimate, expect as expectations } from '../../../solver/adaptive/estimates.ts';
import { Outlook } from '../../../solver/adaptive/outlook.ts';
import { parseSwitches } from '../../../solver/adaptive/switches.ts';
import { TUNING } from '../../../solver/adaptive/tuning.ts';
import { vacate } from '../../../solver/adaptive/vacate.ts';
import { loadExperiment } from '../../../traces/index.ts';

const setup = loadExperiment('medmcqa', { seed: 0, sets: [] });
const gate = createGate('never');
const problem = createProblem(setup, gate, planningForecaster(setup, gate));
const expected = expectations(problem, parseSwitches('adaptive'), TUNING);

const GPU_TYPE = present(setup.cluster.gpus[0], 'GPU').type;

const outlookOn = (view: Partial<View>): Outlook =>
	new Outlook(
		{
			replicas: [],
			cluster: setup.cluster,
			profile: (model: ModelId) => findProfile(problem.profiles, model, GPU_TYPE, 1),
			...view,
		} as unknown as View,
		expected,
	);

describe('lengths seen so far', () => {
	const expert = present(
		expected.estimates.find(({ role }) => role === 'expert'),
		'expert',
	);
	const aggregator = present(
		expected.estimates.find(({ role }) => role === 'aggregator'),
		'aggregator',
	);

	/**
	 * Queries of two experts and an aggregator, all lengths `factor` times as long as profiled and as like each other as the policy takes them to be. Of the aggregator's
	 * calls began those whose experts say that they are long.
	 */
	const seen = (factor: number, queries: number): readonly ObservedLengths[] => {
		const random = randomStream(3, `seen/${factor}`);
		const draw = () => normalQuantile(random());
		const experts: ObservedCall[] = [];
		const aggregations: ObservedCall[] = [];
		for (let i = 0; i < queries; i++) {
			const shared = Math.sqrt(TUNING.likeness) * draw();
			const scores = [0, 1, 2].map(() => shared + Math.sqrt(1 - TUNING.likeness) * draw());
			const tokensOf = ({ lengths }: Estimate, score: number): number =>
				Math.round(factor * (lengths[Math.floor(normalCdf(score) * lengths.length)] ?? 1));
			const beside = scores
				.slice(0, 2)
				.map((score) => ({ model: expert.model, tokens: tokensOf(expert, score) }));
			for (const { tokens } of beside)
				experts.push({
					hasFinished: true,
					tokens,
					beside: beside.filter((other) => other.tokens !== tokens),
				});
			if ((scores[0] ?? 0) + (scores[1] ?? 0) > 1)
				aggregations.push({ hasFinished: true, tokens: tokensOf(aggregator, scores[2] ?? 0), beside });
		}
		return [
			{ model: expert.model, role: 'expert', calls: experts },
			{ model: aggregator.model, role: 'aggregator', calls: aggregations },
		];
	};

	const stretch = (name: string, factor: number): number => {
		const after = expectations({ ...problem, observed: seen(factor, 3000) }, parseSwitches(name), TUNING);
		const found = after.estimates.find(({ role }) => role === 'aggregator');
		const sum = (lengths: readonly number[]) => lengths.reduce((a, b) => a + b, 0);
		return sum(present(found, 'aggregator').lengths) / sum(aggregator.lengths);
	};

	it.each([0.6, 1, 1.4])('are told from a choice of the longest by their queries: %f times', (factor) => {
		expect(stretch('adaptive', factor) / factor).toBeGreaterThan(0.9);
		expect(stretch('adaptive', factor) / factor).toBeLessThan(1.1);
	});

	it('seem longer where queries have no say', () => {
		expect(stretch('adaptive:all-predict', 1)).toBeGreaterThan(1.3);
	});
});

/** Calls of a session of which the last ones, that run nearly alone, are a small part. */
const CALLS = 3000;

describe('work of a model', () => {
	it.each(expected.estimates.map(({ model, role }): [ModelId, CallRole] => [model, role]))(
		'%s as %s is about what the engine model takes for many calls',
		(model, role) => {
			const profile = present(findProfile(problem.profiles, model, GPU_TYPE, 1), 'profile');
			const seconds = secondsFromUs(CALLS * outlookOn({}).callUs(profile, role));
			const session = { model, gpuType: GPU_TYPE, tensorParallel: 1, role, calls: CALLS };
			const taken = problem.forecaster.session(session).seconds;
			expect(seconds / taken).toBeGreaterThan(0.7);
			expect(seconds / taken).toBeLessThan(1);
		},
	);

	it('holds the aggregations that queries with their experts will need', () => {
		const { model } = present(setup.aggregator, 'aggregator');
		const profile = present(findProfile(problem.profiles, model, GPU_TYPE, 1), 'profile');
		const horizonUs = (openQueries: number, aggregated: number): number => {
			const calls = { length: aggregated } as readonly Call[];
			const pending = (of: ModelId, role: CallRole): readonly Call[] =>
				of === model && role === 'aggregator' ? calls : [];
			return 1e6 * outlookOn({ openQueries, pending }).horizonSeconds * setup.cluster.gpus.length;
		};
		const callUs = outlookOn({}).callUs(profile, 'aggregator');
		expect(horizonUs(1000, 0)).toBeCloseTo(1000 * callUs);
		// Those that are ready are not counted twice.
		expect(horizonUs(1000, 400)).toBeCloseTo(1000 * callUs);
		expect(horizonUs(0, 0)).toBe(0);
	});
});

describe('load of a replica', () => {
	it('holds calls back that find no room in their engine, in order of dispatch', () => {
		const model = present(setup.models[0], 'model').id;
		const profile = present(findProfile(problem.profiles, model, GPU_TYPE, 1), 'profile');
		const replica = { id: 'r', model, gpus: ['gpu0'], tokenUs: 10_000 } as unknown as ReplicaView;
		const dispatched = (
			count: number,
			promptTokens: number,
			engine: Partial<EngineConfig>,
		): readonly number[] => {
			const openOn = (): readonly OpenCall[] =>
				Array.from({ length: count }, (_, index) => ({
					call: { id: `c${index}`, model, role: 'expert', promptTokens } as unknown as Call,
					dispatchedUs: 0,
					carriedTokens: index,
				}));
			const small = { ...profile, engine: { ...profile.engine, ...engine } };
			const outlook = outlookOn({ nowUs: 1e6, openOn, answersOf: () => 0, profile: () => small });
			return outlook.load(replica).running.map(({ tokens }) => tokens);
		};
		// 100 tokens a second beside those that they brought along.
		expect(dispatched(4, 50, {})).toEqual([100, 101, 102, 103]);
		expect(dispatched(4, 50, { maxNumSeqs: 2 })).toEqual([100, 101, 2, 3]);
		// Each holds 150 of 320: the third one is let in by halves, the others wait.
		expect(dispatched(5, 50, { blockSize: 16, numGpuBlocks: 21 })).toEqual([100, 101, 102, 3, 4]);
	});
});

describe('emptying a replica', () => {
	const model = present(setup.models[0], 'model').id;
	const profile = present(findProfile(problem.profiles, model, GPU_TYPE, 1), 'profile');
	const small = { ...profile, engine: { ...profile.engine, blockSize: 16, numGpuBlocks: 21 } };
	const replica = (id: string, openCalls: number) =>
		({ id, model, gpus: [id], state: 'awake', openCalls, tokenUs: 10_000 }) as unknown as ReplicaView;

	/** Moves off a replica with two calls of 100 positions; the other one has 320, and so many such calls. */
	const moved = (others: number): readonly unknown[] | null => {
		const counts: Readonly<Record<string, number>> = { leaver: 2, other: others };
		const openOn = (id: string): readonly OpenCall[] =>
			Array.from({ length: counts[id] ?? 0 }, (_, index) => ({
				call: { id: `${id}-${index}`, model, role: 'expert', promptTokens: 100 } as unknown as Call,
				dispatchedUs: 0,
				carriedTokens: 0,
			}));
		const [leaver, other] = [replica('leaver', 2), replica('other', others)];
		const view = { replicas: [leaver, other], openOn, nowUs: 0, answersOf: () => 0, profile: () => small };
		return vacate(outlookOn(view as unknown as View), leaver, new Set(), new Set());
	};

	it('moves its calls where they find memory, and leaves them where they are when they would wait', () => {
		expect(moved(1)).toEqual([
			{ type: 'migrate', call: 'leaver-0', replica: 'other' },
			{ type: 'migrate', call: 'leaver-1', replica: 'other' },
		]);
		expect(moved(2)).toBeNull();
	});
});
