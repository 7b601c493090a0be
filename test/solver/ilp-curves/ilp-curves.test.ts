import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../sim/core/random.ts';
import { modelId } from '../../../sim/domain/ids.ts';
import type { Plan } from '../../../sim/domain/plan.ts';
import type { Problem } from '../../../sim/domain/scheduler.ts';
import { openHighs, type SolverThread } from '../../../solver/ilp/highs.ts';
import { createMipSolver } from '../../../solver/ilp/highs-solve.ts';
import { failedSolve } from '../../../solver/ilp/mip.ts';
import { createIlpCurves } from '../../../solver/ilp-curves.ts';
import { createScheduler } from '../../../solver/index.ts';
import { planCase } from '../../bench/plan-cases.ts';
import { curveProblem, tinyCurveProblem } from './curve-problem.ts';
import { exhaustiveSeconds } from './exhaustive.ts';

const clockSeconds = (): number => 0;
/** In this thread: no need to wait for another to start. */
const here = (): SolverThread => ({ solve: createMipSolver(), close: async () => undefined });
const planned = (problem: Problem): Promise<Plan> => createIlpCurves({ clockSeconds }, here).plan(problem);

const withOptions = (problem: Problem, options: Partial<Problem['options']>): Problem => ({
	...problem,
	options: { ...problem.options, ...options },
});

describe('ilp-curves on cases small enough to try everything', () => {
	it('is within its gap of the optimum, and its bound is not above it', async () => {
		let splits = 0;
		for (let seed = 0; seed < 40; seed++) {
			const problem = tinyCurveProblem(randomStream(seed, 'tiny curves'));
			const plan = await planned(problem);
			const optimum = exhaustiveSeconds(problem, plan);
			const { objectiveSeconds, boundSeconds, gap, status } = plan.evidence;
			expect({ seed, isSound: (boundSeconds as number) <= optimum + 1e-9 }).toEqual({ seed, isSound: true });
			expect(objectiveSeconds).toBeGreaterThanOrEqual(optimum - 1e-9);
			expect(gap).toBeCloseTo(1 - (boundSeconds as number) / objectiveSeconds, 9);
			// Divisible calls can be a call per session shorter, which is not little when there are nine.
			if (status === 'optimal') expect(objectiveSeconds).toBeLessThanOrEqual(optimum * 1.0102);
			splits += Number(plan.sessions.length > problem.expertCalls.length);
		}
		expect(splits).toBeGreaterThan(10);
	}, 60_000);

	it('finds the optimum nearly always, proven or not', async () => {
		const ratios: number[] = [];
		for (let seed = 100; seed < 120; seed++) {
			const problem = tinyCurveProblem(randomStream(seed, 'tiny curves'));
			const plan = await planned(problem);
			ratios.push(plan.evidence.objectiveSeconds / exhaustiveSeconds(problem, plan));
		}
		expect(ratios.filter((ratio) => ratio < 1.01).length).toBeGreaterThan(17);
		expect(Math.max(...ratios)).toBeLessThan(1.05);
	}, 60_000);
});

describe('ilp-curves on real sizes', () => {
	it.each([
		{ workers: 4, experts: 6, relativeGap: 0.01, mixed: false },
		{ workers: 4, experts: 6, relativeGap: 0.01, mixed: true },
		{ workers: 16, experts: 16, relativeGap: 0.03, mixed: false },
		{ workers: 16, experts: 16, relativeGap: 0.03, mixed: true },
		{ workers: 64, experts: 16, relativeGap: 0.01, mixed: false },
	])(
		'proves $relativeGap on $workers workers, mixed types: $mixed',
		async ({ relativeGap, ...size }) => {
			const problem = planCase(size, 1, { relativeGap, timeLimitSeconds: 60 });
			const { evidence } = await planned(problem);
			expect(evidence.gap).toBeLessThanOrEqual(relativeGap);
			expect(evidence).toMatchObject({ status: 'optimal', fallback: null, reproducible: true });
		},
		60_000,
	);

	it('is no longer than greedy by its own costs, and mostly shorter', async () => {
		for (const seed of [2, 4, 14]) {
			const plan = await planned(planCase({ workers: 4, experts: 6, mixed: false }, seed));
			expect(plan.evidence.objectiveSeconds).toBeLessThan(plan.details.greedySeconds as number);
		}
	});

	it('still bounds a plan with more seats than can be listed', async () => {
		const size = { workers: 4, experts: 16, mixed: false };
		const problem = planCase(size, 0, { maxModelsPerWorker: 6, timeLimitSeconds: 60 });
		const { evidence, details } = await planned(problem);
		expect(details.solver).toMatchObject({ patterns: 0 });
		expect(evidence.gap).toBeLessThan(0.1);
	}, 60_000);

	it('gives the same plan each time', async () => {
		const problem = planCase({ workers: 16, experts: 16, mixed: true }, 3, { relativeGap: 0.03 });
		expect(await planned(problem)).toEqual(await planned(problem));
	}, 60_000);
});

describe('what ilp-curves says when it cannot do all', () => {
	const hard = planCase({ workers: 16, experts: 16, mixed: true }, 0, { relativeGap: 0.001, maxNodes: 20 });

	it('is feasible with its gap when its nodes are used up', async () => {
		const { evidence } = await planned(hard);
		expect(evidence).toMatchObject({ status: 'feasible', fallback: null });
		expect(evidence.gap).toBeGreaterThan(0.001);
		expect(evidence.gap).toBeLessThan(0.1);
	}, 60_000);

	it('says that greedy stepped in when the clock ran out before anything better', async () => {
		let now = 0;
		const late = createIlpCurves({ clockSeconds: () => now++ }, here);
		const { evidence, details } = await late.plan(withOptions(hard, { timeLimitSeconds: 0.5 }));
		expect(evidence).toMatchObject({ status: 'heuristic', fallback: 'greedy', stoppedBy: 'time' });
		expect(evidence.reproducible).toBe(false);
		expect(evidence.objectiveSeconds).toBeCloseTo(details.greedySeconds as number, 6);
		expect(evidence.boundSeconds).toBeLessThan(evidence.objectiveSeconds);
	});

	it('lives without the solver', async () => {
		const broken = { solve: async () => failedSolve('out of memory'), close: async () => undefined };
		const size = { workers: 4, experts: 16, mixed: false };
		const problem = planCase(size, 0, { maxModelsPerWorker: 6, relativeGap: 1e-4 });
		const { evidence } = await createIlpCurves({ clockSeconds }, () => broken).plan(problem);
		expect(evidence.status).not.toBe('optimal');
		expect(evidence).toMatchObject({ reproducible: false, stoppedBy: 'failed' });
		expect(evidence.boundSeconds).toBeGreaterThan(0.3 * evidence.objectiveSeconds);
	});

	it('closes the solver thread, also when K is too small', async () => {
		let closed = 0;
		const counting = (): SolverThread => ({
			solve: async () => failedSolve('out of memory'),
			close: async () => void closed++,
		});
		const problem = planCase({ workers: 4, experts: 16, mixed: false }, 0, {
			maxModelsPerWorker: 6,
			relativeGap: 1e-4,
		});
		await createIlpCurves({ clockSeconds }, counting).plan(problem);
		expect(closed).toBe(1);
		const tooSmall = createIlpCurves({ clockSeconds }, counting).plan(
			withOptions(problem, { maxModelsPerWorker: 3 }),
		);
		await expect(tooSmall).rejects.toThrow(
			expect.objectContaining({
				code: 'E_TOO_FEW_SEATS',
				message: 'plan.maxModelsPerWorker: expected at least 4 to place 16 models on 4 GPUs, got 3',
			}),
		);
	});

	it('says which model fits nowhere', async () => {
		const problem = curveProblem(
			{ experts: [{ name: 'huge', calls: 1, secondsPerCall: 1, gpuBytes: 900e9 }], tensorParallel: [1] },
			{},
		);
		await expect(planned(problem)).rejects.toThrow(expect.objectContaining({ code: 'E_MODEL_FITS_NO_GPU' }));
	});
});

describe('real costs', () => {
	it('are no reason to split a session that is all tail', async () => {
		const experts = ['a', 'b'].map((name) => ({ name, calls: 100, secondsPerCall: 1, loadSeconds: 10 }));
		const fake = { gpuTypes: ['A', 'A'], experts, options: { relativeGap: 0.001 } };
		const flat = await planned(curveProblem(fake, { a: () => 300, b: () => 300 }));
		expect(flat.sessions.map(({ model, calls }) => `${model} ${calls}`).sort()).toEqual(['a 100', 'b 100']);
		expect(flat.evidence.objectiveSeconds).toBeCloseTo(310, 6);
		// The constant time per call of the paper's model sees no tail, and neither what splitting costs.
		const steep = await planned(curveProblem(fake, { a: () => 20, b: (calls) => 9 * calls }));
		expect(steep.sessions.filter(({ model }) => model === modelId('b'))).toHaveLength(2);
	});

	it('are registered as a scheduler that plans through its own thread', async () => {
		const problem = planCase({ workers: 4, experts: 6, mixed: false }, 0);
		const plan = await createScheduler('ilp-curves', { clockSeconds }).plan(problem);
		expect(plan.scheduler).toBe('ilp-curves');
		expect(plan.evidence.status).toBe('optimal');
	});

	it('leave no thread behind after an answer', async () => {
		const thread = openHighs();
		await thread.close();
		expect(await thread.solve({} as never)).toMatchObject({ stoppedBy: 'failed' });
	});
});
