import { describe, expect, it } from 'vitest';
import { type RandomStream, randomStream } from '../../../sim/core/random.ts';
import { makespanSeconds, placeGreedily } from '../../../solver/greedy-placement.ts';
import { checkPlan, type PlanCosts } from '../../../solver/ilp/check-plan.ts';
import { placementBoundSeconds } from '../../../solver/ilp/formulate.ts';
import { solveMip } from '../../../solver/ilp/highs-solve.ts';
import { canSeat, createInstance, linearSeconds } from '../../../solver/ilp/instance.ts';
import { createIlp } from '../../../solver/ilp.ts';
import { createScheduler } from '../../../solver/index.ts';
import { exhaustiveOptimumSeconds } from '../../support/exhaustive-placement.ts';
import { type FakeProblem, fakeProblem } from '../../support/fake-problem.ts';

const CASES = 100;
const clockSeconds = (): number => 0;

/** Two or three workers, sometimes of two types, two to four models, a few calls each, tight and loose K and caps. */
function tinyProblem(random: RandomStream): FakeProblem {
	const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
	const gpuTypes = Array.from({ length: whole(2, 3) }, () => (random() < 0.7 ? 'A' : 'B'));
	const experts = Array.from({ length: whole(2, 4) }, (_, m) => ({
		name: `m${m}`,
		calls: whole(0, 5),
		modelClass: random() < 0.5 ? ('reasoning' as const) : ('instruct' as const),
		loadSeconds: whole(1, 12),
		secondsPerCall: whole(1, 30) / 4,
		// Some models fit the larger type only.
		gpuBytes: random() < 0.15 && gpuTypes.includes('B') ? 100e9 : 60e9,
	}));
	return {
		gpuTypes,
		speed: { B: 1.5 + random() },
		memory: { A: 80e9, B: 141e9 },
		experts,
		options: {
			maxModelsPerWorker: whole(1, 3),
			replicationCap: random() < 0.5 ? 'formula' : 'paper-pin',
		},
	};
}

/** Problems with a placement; the others are refused, and for good reason. */
function tinyProblems(): { readonly seed: number; readonly fake: FakeProblem }[] {
	return Array.from({ length: CASES }, (_, seed) => ({
		seed,
		fake: tinyProblem(randomStream(seed, 'tiny')),
	}));
}

const solvable = tinyProblems().flatMap(({ seed, fake }) => {
	const problem = fakeProblem(fake);
	const roomy = fakeProblem({ ...fake, options: { ...fake.options, maxModelsPerWorker: 99 } });
	const { experts, workers } = createInstance(roomy);
	const seats = workers.map(() => problem.options.maxModelsPerWorker);
	if (experts.length === 0 || !canSeat(experts, seats)) return [];
	return [{ seed, problem, instance: createInstance(problem) }];
});

describe('tiny placement problems', () => {
	it('are mostly solvable, and some of them tight', () => {
		expect(solvable.length).toBeGreaterThan(CASES / 2);
		const tight = solvable.filter(
			({ instance }) => instance.experts.length === instance.workers.length * instance.maxModelsPerWorker,
		);
		expect(tight.length).toBeGreaterThan(5);
		expect(solvable.some(({ instance }) => instance.experts.some(({ cap }) => cap > 1))).toBe(true);
		expect(solvable.some(({ instance }) => instance.experts.some(({ costs }) => costs.includes(null)))).toBe(
			true,
		);
	});

	it('are solved by the ILP to what exhaustive search finds, with a bound that proves it', async () => {
		const ilp = createIlp({ clockSeconds }, solveMip);
		for (const { seed, problem, instance } of solvable) {
			const optimum = exhaustiveOptimumSeconds(instance);
			const { evidence } = await ilp.plan(problem);
			expect({ seed, objective: evidence.objectiveSeconds }).toEqual({
				seed,
				objective: expect.closeTo(optimum, 5),
			});
			expect({ seed, bound: evidence.boundSeconds }).toEqual({ seed, bound: expect.closeTo(optimum, 4) });
			expect(evidence.status).toBe('optimal');
		}
	});

	it('have no bound above their optimum and no heuristic below it', async () => {
		for (const { problem, instance } of solvable) {
			const optimum = exhaustiveOptimumSeconds(instance);
			expect(placementBoundSeconds(instance)).toBeLessThanOrEqual(optimum + 1e-9);
			const greedy = placeGreedily(instance, linearSeconds);
			expect(makespanSeconds(instance, greedy, linearSeconds)).toBeGreaterThanOrEqual(optimum - 1e-9);
			const costs = instance.experts.flatMap((expert) => expert.costs.filter((cost) => cost !== null));
			const plan = await createScheduler('greedy', { clockSeconds }).plan(problem);
			const check = checkPlan(problem, plan, { costs } satisfies PlanCosts);
			expect(check.faults).toEqual([]);
			expect(check.objectiveSeconds).toBeGreaterThanOrEqual(optimum - 1e-9);
		}
	});

	it('are solved by greedy within 5 % of the optimum on average: a fair rival', () => {
		const ratios = solvable.map(({ instance }) => {
			const greedy = makespanSeconds(instance, placeGreedily(instance, linearSeconds), linearSeconds);
			return greedy / exhaustiveOptimumSeconds(instance);
		});
		const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
		expect(mean).toBeLessThan(1.05);
	});
});
