import { describe, expect, it } from 'vitest';
import { UsageError } from '../../sim/domain/errors.ts';
import { hostId, modelId } from '../../sim/domain/ids.ts';
import type { Plan, PlannedSession } from '../../sim/domain/plan.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';
import { createGreedy } from '../../solver/greedy.ts';
import { createScheduler, defaultSchedulerNames, knowsLengths, schedulerNames } from '../../solver/index.ts';
import { experimentJsonSchema } from '../../traces/index.ts';
import { type FakeExpert, fakeProblem } from '../support/fake-problem.ts';

const deps = { clockSeconds: () => 0, trueOutputTokens: () => 100 };

/** They decide as they go; their plans name no sessions. */
const DYNAMIC: ReadonlySet<string> = new Set(['adaptive', 'lookahead', 'oracle']);
const planners = schedulerNames.filter((name) => !DYNAMIC.has(name));

const expert = (
	name: string,
	calls: number,
	secondsPerCall = 1,
	more: Partial<FakeExpert> = {},
): FakeExpert => ({
	name,
	calls,
	secondsPerCall,
	...more,
});

async function sessionsOf(scheduler: string, problem: Problem): Promise<readonly string[]> {
	const plan = await createScheduler(scheduler, deps).plan(problem);
	return plan.sessions.map(describeSession);
}

/** `g0+g1 model x calls @phase` */
const describeSession = ({ gpus, model, calls, phase }: PlannedSession): string =>
	`${gpus.join('+')} ${model} x${calls ?? 'rest'} @${phase}`;

/** The paper's default pool in the order in which its queue first names the models. */
const pool = ['Gemma', 'QwenR1', 'Qwen', 'LlamaR1', 'Exaone', 'GLM'].map((name) => expert(name, 10));

describe('createScheduler', () => {
	it('knows the policies, in the order of tables', () => {
		const usual = ['round-robin', 'data-parallel', 'sequential', 'greedy', 'ilp', 'ilp-curves', 'adaptive'];
		expect(schedulerNames).toEqual([...usual, 'lookahead', 'oracle', 'worst']);
		expect(defaultSchedulerNames).toEqual(usual);
		for (const name of schedulerNames) expect(createScheduler(name, deps).name).toBe(name);
	});

	it('gives switches to those that have some', () => {
		expect(createScheduler('oracle:all-cuts', deps)).toMatchObject({
			name: 'oracle:all-cuts',
			knowsLengths: true,
			takesCuts: false,
		});
		const refused = expect.objectContaining({ code: 'E_UNKNOWN_SWITCH' });
		for (const name of ['worst:all', 'lookahead:all-cuts', 'oracle:all-luck'])
			expect(() => createScheduler(name, deps)).toThrow(refused);
	});

	it('tells the lengths to nobody but the oracle, which needs them', async () => {
		expect(schedulerNames.filter(knowsLengths)).toEqual(['oracle']);
		const blind = createScheduler('oracle', { clockSeconds: () => 0 });
		const problem = fakeProblem({ experts: [expert('a', 1)] });
		await expect(blind.plan(problem)).rejects.toThrow(expect.objectContaining({ code: 'E_LENGTHS_UNKNOWN' }));
	});

	it.each(['fifo', 'constructor', ''])("refuses '%s' and names those there are", (name) => {
		const refused = expect.objectContaining({
			code: 'E_UNKNOWN_SCHEDULER',
			message: `unknown scheduler '${name}', expected one of: ${schedulerNames.join(', ')}`,
		});
		expect(() => createScheduler(name, deps)).toThrow(refused);
	});
});

describe('every policy', () => {
	it.each(schedulerNames)('%s plans nothing for no calls', async (name) => {
		const problem = { ...fakeProblem({ experts: [expert('a', 0)] }), queries: [] };
		const plan = await createScheduler(name, deps).plan(problem);
		expect(plan.sessions).toEqual([]);
		expect(plan.evidence).toMatchObject({ status: 'none', objectiveSeconds: 0 });
	});

	it.each(schedulerNames)('%s leaves out models without calls', async (name) => {
		const sessions = await sessionsOf(name, fakeProblem({ experts: [expert('a', 3), expert('b', 0)] }));
		expect(sessions.filter((session) => session.includes(' b '))).toEqual([]);
	});

	it.each(planners)(
		'%s ends with the aggregator on the first GPUs, a phase after the experts',
		async (name) => {
			const aggregator = { model: modelId('agg'), tensorParallel: 2 };
			const plan = await createScheduler(name, deps).plan(fakeProblem({ experts: pool, aggregator }));
			const last = plan.sessions.at(-1);
			expect(last).toMatchObject({ gpus: ['g0', 'g1'], model: 'agg', role: 'aggregator', calls: null });
			const experts = plan.sessions.slice(0, -1);
			expect(last?.phase).toBe(1 + Math.max(...experts.map(({ phase }) => phase)));
		},
	);

	it.each(planners)('%s puts a model only where it fits', async (name) => {
		const problem = fakeProblem({
			gpuTypes: ['small', 'large', 'small'],
			memory: { small: 40e9, large: 80e9 },
			tensorParallel: [1],
			experts: [
				expert('big', 6, 2),
				expert('little', 6, 2, { gpuBytes: 30e9 }),
				expert('tiny', 1, 1, { gpuBytes: 9e9 }),
			],
			options: { maxModelsPerWorker: 3 },
		});
		const { sessions } = await createScheduler(name, deps).plan(problem);
		expect(sessions.filter(({ model }) => model === 'big').map(({ gpus }) => gpus)).toEqual([['g1']]);
		const served = sessions
			.filter(({ model }) => model === 'little')
			.reduce((sum, { calls }) => sum + (calls ?? 0), 0);
		expect(served).toBe(6);
	});

	it.each(schedulerNames)('%s says which model fits nowhere', async (name) => {
		const problem = fakeProblem({
			experts: [expert('huge', 1, 1, { gpuBytes: 900e9 })],
			tensorParallel: [1],
		});
		await expect(createScheduler(name, deps).plan(problem)).rejects.toThrow(
			expect.objectContaining({ code: 'E_MODEL_FITS_NO_GPU', message: expect.stringContaining("'huge'") }),
		);
	});

	it.each(planners)('%s says that the aggregator fits nowhere', async (name) => {
		const aggregator = { model: modelId('agg'), tensorParallel: 4 };
		const problem = fakeProblem({ experts: [expert('a', 1)], aggregator, gpuTypes: ['A', 'A', 'A'] });
		await expect(createScheduler(name, deps).plan(problem)).rejects.toThrow(UsageError);
	});
});

describe('round-robin', () => {
	it("deals the paper's pool as the paper did", async () => {
		expect(await sessionsOf('round-robin', fakeProblem({ experts: pool }))).toEqual([
			'g0 Gemma x10 @0',
			'g0 Exaone x10 @0',
			'g1 QwenR1 x10 @0',
			'g1 GLM x10 @0',
			'g2 Qwen x10 @0',
			'g3 LlamaR1 x10 @0',
		]);
	});

	it('deals named models first, in the order named', async () => {
		const modelOrder = ['LlamaR1', 'absent', 'Gemma'].map(modelId);
		const sessions = await sessionsOf('round-robin', fakeProblem({ experts: pool, options: { modelOrder } }));
		expect(sessions).toEqual([
			'g0 LlamaR1 x10 @0',
			'g0 Exaone x10 @0',
			'g1 Gemma x10 @0',
			'g1 GLM x10 @0',
			'g2 QwenR1 x10 @0',
			'g3 Qwen x10 @0',
		]);
	});

	it('adds up the calls of all tasks of a model', async () => {
		const problem = fakeProblem({ experts: [expert('a', 3)] });
		const expertCalls = [
			...problem.expertCalls,
			{ model: modelId('a'), task: 'other', role: 'expert' as const, count: 4 },
		];
		expect(await sessionsOf('round-robin', { ...problem, expertCalls })).toEqual(['g0 a x7 @0']);
	});

	it('promises the busiest worker, loads included', async () => {
		const experts = [expert('a', 10), expert('b', 100), expert('c', 20)];
		const plan = await createScheduler('round-robin', deps).plan(
			fakeProblem({ experts, gpuTypes: ['A', 'A'] }),
		);
		expect(plan.evidence.objectiveSeconds).toBe(140);
		expect(plan.evidence).toMatchObject({
			status: 'heuristic',
			boundSeconds: null,
			gap: null,
			solveSeconds: 0,
		});
	});
});

describe('data-parallel', () => {
	it('gives every GPU a part of every model, the remainder to the first, one model after another', async () => {
		expect(
			await sessionsOf('data-parallel', fakeProblem({ experts: [expert('a', 10), expert('b', 3)] })),
		).toEqual([
			'g0 a x3 @0',
			'g1 a x3 @0',
			'g2 a x2 @0',
			'g3 a x2 @0',
			'g0 b x1 @1',
			'g1 b x1 @1',
			'g2 b x1 @1',
		]);
	});

	it('promises the sum over models of its longest part', async () => {
		const experts = [expert('a', 10), expert('b', 3)];
		const plan = await createScheduler('data-parallel', deps).plan(fakeProblem({ experts }));
		expect(plan.evidence.objectiveSeconds).toBe(40 + 3 + 40 + 1);
	});
});

describe('sequential', () => {
	it('runs one model at a time over the largest power of two of GPUs', async () => {
		const gpuTypes = Array<string>(6).fill('A');
		const problem = fakeProblem({ experts: [expert('a', 10), expert('b', 3)], gpuTypes });
		expect(await sessionsOf('sequential', problem)).toEqual(['g0+g1+g2+g3 a x10 @0', 'g0+g1+g2+g3 b x3 @1']);
	});

	it('uses fewer GPUs where the heads do not divide', async () => {
		const problem = fakeProblem({ experts: [expert('a', 10)] });
		const models = problem.models.map((model) => ({ ...model, attentionHeads: 14 }));
		expect(await sessionsOf('sequential', { ...problem, models })).toEqual(['g0+g1 a x10 @0']);
	});

	it('uses fewer GPUs where wider engines were not profiled', async () => {
		const problem = fakeProblem({ experts: [expert('a', 10)], tensorParallel: [1, 2] });
		expect(await sessionsOf('sequential', problem)).toEqual(['g0+g1 a x10 @0']);
	});

	it('keeps a group to one type and, where it can, to one host', async () => {
		const problem = fakeProblem({ experts: [expert('a', 10)], gpuTypes: ['B', 'A', 'A'] });
		expect(await sessionsOf('sequential', problem)).toEqual(['g1+g2 a x10 @0']);
		const spread = fakeProblem({ experts: [expert('a', 10)], gpuTypes: ['A', 'A', 'A'] });
		const gpus = spread.cluster.gpus.map((gpu, i) => ({ ...gpu, host: hostId(i === 0 ? 'h1' : 'h0') }));
		const cluster = { ...spread.cluster, gpus };
		expect(await sessionsOf('sequential', { ...spread, cluster })).toEqual(['g1+g2 a x10 @0']);
	});
});

describe('greedy', () => {
	it('places longest work first', async () => {
		const experts = [expert('a', 50), expert('b', 10), expert('c', 60), expert('d', 40)];
		const problem = fakeProblem({ experts, gpuTypes: ['A', 'A'] });
		// c 100 s, a 90, d 80, b 50: c and b, a and d. The shorter session of a worker goes first.
		expect(await sessionsOf('greedy', problem)).toEqual([
			'g0 b x10 @0',
			'g0 c x60 @0',
			'g1 d x40 @0',
			'g1 a x50 @0',
		]);
	});

	it('splits a long reasoning expert and levels the shares', async () => {
		const experts = [expert('long', 300, 1, { modelClass: 'reasoning' }), expert('light', 60)];
		const plan = await createScheduler('greedy', deps).plan(
			fakeProblem({ experts, gpuTypes: ['A', 'A'], options: { maxModelsPerWorker: 2 } }),
		);
		// (300 + 60 + 3 loads of 40) / 2 = 240 on either GPU.
		expect(plan.sessions.map(describeSession)).toEqual([
			'g0 light x60 @0',
			'g0 long x100 @0',
			'g1 long x200 @0',
		]);
		expect(plan.evidence.objectiveSeconds).toBe(240);
	});

	it('does not split what is pinned, nor beyond its cap', async () => {
		const pinned = fakeProblem({ experts: [expert('a', 300)], gpuTypes: ['A', 'A'] });
		expect(await sessionsOf('greedy', pinned)).toEqual(['g0 a x300 @0']);
		const replicationCap = 'formula' as const;
		const capped = fakeProblem({ experts: [expert('a', 90)], options: { replicationCap } });
		// floor(90 / 40) = 2
		expect(await sessionsOf('greedy', capped)).toHaveLength(2);
	});

	it('sees what the ILP does not: a part of a session with a long tail takes longer than its share', async () => {
		const experts = [
			expert('long', 100, 1, { modelClass: 'reasoning', fixedSeconds: 400 }),
			expert('light', 100, 2),
		];
		const problem = fakeProblem({ experts, gpuTypes: ['A', 'A'] });
		expect(await sessionsOf('greedy', problem)).toEqual(['g0 long x100 @0', 'g1 light x100 @0']);
		expect(await sessionsOf('ilp', problem)).toHaveLength(3);
	});

	it('is caught when it breaks its limits', async () => {
		const problem = fakeProblem({ experts: [expert('a', 4), expert('b', 4)], gpuTypes: ['A', 'A'] });
		const planning = (...rows: readonly (readonly number[])[]): Promise<Plan> =>
			createGreedy(() => rows).plan(problem);
		await expect(planning([4, 0], [0, 4])).resolves.toMatchObject({ scheduler: 'greedy' });
		await expect(planning([3, 0], [0, 4])).rejects.toThrow(
			'greedy plan breaks its limits: equation 5: 3 of 4 calls of a are planned',
		);
		await expect(planning([2, 2], [0, 4])).rejects.toThrow('a is loaded 2 times, allowed 1 to 1');
		const tight = { ...problem, options: { ...problem.options, maxModelsPerWorker: 1 } };
		const crowded = createGreedy(() => [
			[4, 0],
			[4, 0],
		]);
		await expect(crowded.plan(tight)).rejects.toThrow('equation 9: g0 loads 2 models, K is 1');
	});

	it('refuses a K that leaves models without a seat, and says what is needed', async () => {
		const experts = [expert('a', 1), expert('b', 1), expert('c', 1)];
		const problem = fakeProblem({ experts, gpuTypes: ['A'], options: { maxModelsPerWorker: 2 } });
		const refusing: string[] = [];
		for (const name of schedulerNames) {
			const why = await createScheduler(name, deps)
				.plan(problem)
				.then(
					() => null,
					(error: Error) => error.message,
				);
			if (why === null) continue;
			expect(why).toBe('plan.maxModelsPerWorker: expected at least 3 to place 3 models on 1 GPU, got 2');
			refusing.push(name);
		}
		// As the schema says of the field.
		const { properties } = experimentJsonSchema() as unknown as JsonFields;
		const said = /Kept by ([^;]*);/.exec(properties.plan?.properties.maxModelsPerWorker?.description ?? '');
		expect(refusing).toEqual(said?.[1]?.split(/, | and /));
	});
});

interface JsonFields {
	readonly properties: Readonly<
		Record<string, { readonly properties: Readonly<Record<string, { readonly description: string }>> }>
	>;
}
