import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { createProblem } from '../../sim/core/problem.ts';
import { PolicyError, UsageError } from '../../sim/domain/errors.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Rehearse, Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { planningForecaster, simulate } from '../../sim/run/simulate.ts';
import { createAdaptive } from '../../solver/adaptive.ts';
import { createGreedy } from '../../solver/greedy.ts';
import { createLookahead } from '../../solver/lookahead.ts';
import { withCuts } from '../../solver/with-cuts.ts';
import { createWorst } from '../../solver/worst.ts';
import { loadExperiment } from '../../traces/index.ts';
import { fakeProblem } from '../support/fake-problem.ts';

const tiny = (seed = 0): Setup => loadExperiment('tiny', { seed, sets: [] });

const problemOf = (setup: Setup) => {
	const gate = createGate(setup.gate);
	return createProblem(setup, gate, planningForecaster(setup, gate));
};

async function run(setup: Setup, scheduler: Scheduler): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createGate(setup.gate), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

/** Problem of one call whose rehearsals say what they are told to. */
function rehearsing(seconds: Readonly<Record<string, readonly number[]>>, asked: string[] = []) {
	const rehearse: Rehearse = async ({ name }, _, sample) => {
		asked.push(`${name} ${sample}`);
		const said = seconds[name]?.[sample];
		if (said === undefined) throw new PolicyError(name, 'stood still');
		return { seconds: said, latencySeconds: 1000 - said };
	};
	const problem = fakeProblem({
		experts: [{ name: 'a', calls: 1, secondsPerCall: 1 }],
		options: { chargedRehearsalSecondsPerQuery: 3 },
	});
	return { ...problem, forecaster: { ...problem.forecaster, rehearse } };
}

const candidate = (name: string, solveSeconds = 0): Scheduler => {
	const greedy = createGreedy();
	return {
		...greedy,
		name,
		plan: async (problem) => {
			const plan = await greedy.plan(problem);
			return { ...plan, scheduler: name, evidence: { ...plan.evidence, solveSeconds } };
		},
	};
};

describe('lookahead chooses', () => {
	it('the best mean over common samples; what is far behind is tried once', async () => {
		const asked: string[] = [];
		const seconds = { a: [100, 120], b: [104, 110], c: [150, 1] };
		const plan = await createLookahead(['a', 'b', 'c'].map((name) => candidate(name))).plan(
			rehearsing(seconds, asked),
		);
		expect(asked).toEqual(['a 0', 'b 0', 'c 0', 'a 1', 'b 1']);
		expect(plan.details).toMatchObject({ candidate: 'b', rehearsals: 5 });
		expect(plan.evidence.objectiveSeconds).toBe(107);
	});

	it('and charges every rehearsal of every query, and what the candidates charge', async () => {
		const candidates = [candidate('a', 0.25), candidate('b', 0.5)];
		const problem = rehearsing({ a: [100], b: [200] });
		const { evidence } = await createLookahead(candidates).plan(problem);
		expect(problem.queries).toHaveLength(1);
		expect(evidence.solveSeconds).toBe(2 * 3 + 0.75);
	});

	it('by latency where queries come over time', async () => {
		const problem = rehearsing({ a: [100, 100], b: [101, 101] });
		const future = { count: 1, perSecond: 1, expertCalls: [] };
		const candidates = [candidate('a'), candidate('b')];
		const { details, evidence } = await createLookahead(candidates).plan({ ...problem, future });
		expect(details.candidate).toBe('b');
		expect(evidence.objectiveSeconds).toBe(101);
	});

	it('without those that cannot plan or leave work undone, and says why', async () => {
		const refusing: Scheduler = {
			...candidate('refusing'),
			plan: async () => {
				throw new UsageError('E_TEST', 'no room');
			},
		};
		const { details } = await createLookahead([refusing, candidate('stuck'), candidate('a')]).plan(
			rehearsing({ a: [100] }),
		);
		expect(details).toMatchObject({
			candidate: 'a',
			candidates: [
				{ name: 'a', seconds: [100], refused: null },
				{ name: 'refusing', seconds: [], refused: 'no room' },
				{ name: 'stuck', refused: expect.stringContaining('stood still') },
			],
		});
		const none = createLookahead([refusing]).plan(rehearsing({}));
		await expect(none).rejects.toThrow('no room');
	});

	it('the first one where nothing can be rehearsed', async () => {
		const candidates = [candidate('a'), candidate('b')];
		const problem = fakeProblem({ experts: [{ name: 'a', calls: 1, secondsPerCall: 1 }] });
		const { evidence, details } = await createLookahead(candidates).plan(problem);
		expect(evidence).toMatchObject({ fallback: 'a', solveSeconds: 0 });
		expect(details).toMatchObject({ candidate: 'a', rehearsals: 0 });
	});
});

describe('lookahead does', () => {
	it('exactly as its choice does, after the planning time', async () => {
		const setup = tiny();
		const own = await run(setup, createLookahead([createAdaptive(), createWorst()]));
		const [plan] = own.flatMap((record) => (record.type === 'plan-made' ? [record.plan] : []));
		const solveUs = (plan?.evidence.solveSeconds ?? 0) * 1e6;
		expect(solveUs).toBe(2 * 12 * setup.planOptions.chargedRehearsalSecondsPerQuery * 1e6);
		const later = (records: readonly RunRecord[], us: number) =>
			records.flatMap((record) =>
				record.type === 'call-dispatched' || record.type === 'query-settled'
					? [{ ...record, timeUs: record.timeUs + us }]
					: [],
			);
		expect(later(own, 0)).toEqual(later(await run(setup, createAdaptive()), solveUs));
	});

	it('not plan by the truth: only what was drawn before counts', async () => {
		const setup = tiny(3);
		const other: Setup = {
			...setup,
			truth: {
				call: (id) => ({ ...setup.truth.call(id), outputTokens: 600, answer: 'A' }),
				query: (id) => ({ ...setup.truth.query(id), aggregatorOutputTokens: 600 }),
			},
		};
		const plans = await Promise.all([setup, other].map((each) => createLookahead().plan(problemOf(each))));
		expect(plans[0]).toEqual(plans[1]);
		expect(plans[0]?.details.rehearsals).toBeGreaterThan(5);
	});

	it('say what it tried, and gain what a bad candidate costs', async () => {
		const plan = await createLookahead([createWorst(), createGreedy()]).plan(problemOf(tiny()));
		const trials = plan.details.candidates as {
			readonly name: string;
			readonly seconds: readonly number[];
		}[];
		expect(plan.details.candidate).toBe('greedy');
		expect(trials.map(({ name }) => name)).toEqual(['worst', 'greedy']);
		expect(trials[0]?.seconds[0]).toBeGreaterThan(1.5 * (trials[1]?.seconds[0] ?? 0));
		expect(plan.sessions.length).toBeGreaterThan(0);
	});
});

it('a policy that knows no cuts cuts, where it is told to', async () => {
	const setup = tiny();
	const gate = { ...createGate(setup.gate), cutTokens: () => 40 };
	const records: RunRecord[] = [];
	await simulate(setup, withCuts(createGreedy()), gate, {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	const sent = records.filter((record) => record.type === 'call-dispatched');
	expect(sent.length).toBeGreaterThan(30);
	expect(sent.every(({ cutTokens }) => cutTokens === 40)).toBe(true);
});
