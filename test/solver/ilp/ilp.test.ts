import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../sim/domain/plan.ts';
import { solveMip } from '../../../solver/ilp/highs-solve.ts';
import { failedSolve, type MipRequest, type MipResult } from '../../../solver/ilp/mip.ts';
import { createIlp } from '../../../solver/ilp.ts';
import { type FakeExpert, type FakeProblem, fakeProblem } from '../../support/fake-problem.ts';

const clockSeconds = (): number => 0;
const ilp = createIlp({ clockSeconds }, solveMip);

/**
 * The paper's default pool with slots of its Table 3 and generation seconds that make round-robin take its published worker times with
 * loads of 40 s (w0 430, w1 2620, w2 165, w3 2546); how w0 and w1 divide between their two models is assumed.
 */
const GENERATION = {
	Gemma: { mmlu: 1632, gpqa: 4, seconds: 250, reasoning: false },
	QwenR1: { mmlu: 1428, gpqa: 158, seconds: 2440, reasoning: true },
	Qwen: { mmlu: 956, gpqa: 0, seconds: 125, reasoning: false },
	LlamaR1: { mmlu: 1070, gpqa: 429, seconds: 2506, reasoning: true },
	Exaone: { mmlu: 547, gpqa: 3, seconds: 100, reasoning: false },
	GLM: { mmlu: 667, gpqa: 0, seconds: 100, reasoning: false },
} as const;

const poolOf = (workload: 'mmlu' | 'gpqa'): FakeExpert[] =>
	Object.entries(GENERATION).map(([name, { seconds, reasoning, mmlu, ...counts }]) => ({
		name,
		calls: { mmlu, ...counts }[workload],
		modelClass: reasoning ? 'reasoning' : 'instruct',
		secondsPerCall: seconds / mmlu,
	}));

const capsOf = (plan: Plan): Record<string, number> =>
	Object.fromEntries(
		(plan.details.caps as { model: string; cap: number }[]).map(({ model, cap }) => [model, cap]),
	);

const replicasOf = (plan: Plan, model: string): number =>
	plan.sessions.filter((session) => session.model === model).length;

describe('the ILP on numbers like those of the paper', () => {
	it('comes to the same optimum on MMLU-Pro with either replication rule, as K = 2 leaves two seats only', async () => {
		const plans = await Promise.all(
			(['formula', 'paper-pin'] as const).map((replicationCap) =>
				ilp.plan(fakeProblem({ experts: poolOf('mmlu'), options: { replicationCap } })),
			),
		);
		const [formula, pinned] = plans as [Plan, Plan];
		// The rules do differ: 250 / 40 and 125 / 40 allow what the pin forbids.
		expect(capsOf(formula)).toEqual({ Gemma: 4, QwenR1: 4, Qwen: 3, LlamaR1: 4, Exaone: 2, GLM: 2 });
		expect(capsOf(pinned)).toEqual({ Gemma: 1, QwenR1: 4, Qwen: 1, LlamaR1: 4, Exaone: 1, GLM: 1 });
		expect(formula.evidence.objectiveSeconds).toBeCloseTo(pinned.evidence.objectiveSeconds, 4);
		for (const plan of plans) {
			expect(plan.evidence.status).toBe('optimal');
			expect(
				['LlamaR1', 'QwenR1', 'Gemma', 'Qwen', 'Exaone', 'GLM'].map((model) => replicasOf(plan, model)),
			).toEqual([2, 2, 1, 1, 1, 1]);
		}
	});

	it('changes it where seats are left over, so the rule is not idle', async () => {
		const costs = await Promise.all(
			(['formula', 'paper-pin'] as const).map(async (replicationCap) => {
				const options = { replicationCap, maxModelsPerWorker: 3 };
				const experts = poolOf('mmlu').filter(({ modelClass }) => modelClass === 'instruct');
				const plan = await ilp.plan(fakeProblem({ experts, options }));
				return plan.evidence.objectiveSeconds;
			}),
		);
		expect(costs[0]).toBeLessThan((costs[1] ?? 0) - 1);
	});

	it('puts LlamaR1 on three workers for GPQA, beside light partners', async () => {
		const plan = await ilp.plan(fakeProblem({ experts: poolOf('gpqa') }));
		expect(replicasOf(plan, 'LlamaR1')).toBe(3);
		expect(replicasOf(plan, 'Qwen') + replicasOf(plan, 'GLM')).toBe(0);
	});

	it('shortens round-robin about as the paper says', async () => {
		const plan = await ilp.plan(fakeProblem({ experts: poolOf('mmlu') }));
		// (5521 s of generation + 8 loads of 40 s) / 4 = 1460 s, had the light ones been divisible.
		expect(plan.evidence.objectiveSeconds).toBeGreaterThan(1460);
		expect(plan.evidence.objectiveSeconds).toBeLessThan(1480);
	});
});

describe('the evidence of an ILP plan', () => {
	const problem = fakeProblem({
		experts: poolOf('mmlu'),
		options: { relativeGap: 0.01, chargedSolveSeconds: 2.5 },
	});
	const withSolver = (solve: (request: MipRequest) => Promise<MipResult>): Promise<Plan> =>
		createIlp({ clockSeconds }, solve).plan(problem);

	it('says what was proven, and charges the configured time', async () => {
		const { evidence, details } = await ilp.plan(problem);
		expect(evidence).toMatchObject({
			status: 'optimal',
			fallback: null,
			reproducible: true,
			solveSeconds: 2.5,
		});
		expect(evidence.gap).toBeLessThanOrEqual(0.01);
		expect(evidence.boundSeconds).toBeLessThanOrEqual(1475.19);
		expect(evidence.boundSeconds).toBeGreaterThanOrEqual(evidence.objectiveSeconds * 0.99 - 1e-6);
		expect(details).toMatchObject({ solver: { name: 'HiGHS', stoppedBy: 'gap' } });
	});

	it('keeps the measured time in the details alone', async () => {
		let now = 0;
		const plan = await createIlp({ clockSeconds: () => now++ }, solveMip).plan(problem);
		expect(plan.details.measuredSolveSeconds).toBe(1);
		expect(plan.evidence).toEqual((await ilp.plan(problem)).evidence);
	});

	it('says that greedy stepped in when the solver broke', async () => {
		const { evidence, sessions } = await withSolver(async () => failedSolve('out of memory'));
		expect(evidence).toMatchObject({
			status: 'heuristic',
			fallback: 'greedy',
			reproducible: false,
			stoppedBy: 'failed',
		});
		expect(evidence.boundSeconds).toBeLessThan(evidence.objectiveSeconds);
		expect(sessions).toHaveLength(8);
	});

	it('says so too when a limit came before anything better than greedy', async () => {
		const { evidence } = await withSolver(async ({ start }) => ({
			stoppedBy: 'nodes',
			values: start,
			bound: 1000,
			nodes: 1,
			message: '',
		}));
		expect(evidence).toMatchObject({ status: 'heuristic', fallback: 'greedy', reproducible: true });
		// Node limits are the same everywhere, and what reproduces has the log that it had.
		expect(evidence).not.toHaveProperty('stoppedBy');
		expect(evidence.boundSeconds).toBeGreaterThan(1000);
	});

	it('is feasible with its gap when a limit came after something better', async () => {
		const { evidence } = await withSolver(async (request) => {
			const optimal = await solveMip({ ...request, limits: { ...request.limits, relativeGap: 0 } });
			return { ...optimal, stoppedBy: 'time', bound: 1400 };
		});
		expect(evidence).toMatchObject({
			status: 'feasible',
			fallback: null,
			reproducible: false,
			stoppedBy: 'time',
		});
		expect(evidence.gap).toBeGreaterThan(0.001);
	});

	it('does not carry out what the solver has not loaded', async () => {
		const { evidence } = await withSolver(async (request) => {
			const result = await solveMip(request);
			// All binaries 0, all calls kept: what a solver does that uses up its tolerance.
			const values = (result.values as Float64Array).map((value) => (Math.abs(value - 1) < 1e-6 ? 0 : value));
			return { ...result, values };
		});
		expect(evidence).toMatchObject({ status: 'heuristic', fallback: 'greedy' });
	});

	it('is caught when the solver serves too few calls', async () => {
		const solving = withSolver(async (request) => {
			const result = await solveMip(request);
			const values = (result.values as Float64Array).map((value, column) =>
				value > 500 && column > 0 ? value - 1 : value,
			);
			return { ...result, values };
		});
		await expect(solving).rejects.toThrow(/equation 5: \d+ of \d+ calls of \w+ are planned/);
	});
});

describe('GPUs of several types', () => {
	it('use costs of their own', async () => {
		const fake: FakeProblem = {
			gpuTypes: ['A', 'B'],
			speed: { B: 3 },
			experts: [{ name: 'long', calls: 400, secondsPerCall: 1, loadSeconds: 10, modelClass: 'reasoning' }],
		};
		const { sessions, evidence } = await ilp.plan(fakeProblem(fake));
		// 10 + x = 10 + (400 - x) / 3 at x = 100.
		expect(sessions.map(({ gpus, calls }) => `${gpus[0]} ${calls}`)).toEqual(['g0 100', 'g1 300']);
		expect(evidence.objectiveSeconds).toBeCloseTo(110, 6);
	});
});
