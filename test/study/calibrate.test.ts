import { describe, expect, it } from 'vitest';
import { randomStream } from '../../sim/core/random.ts';
import { createStepwiseEngine } from '../../sim/engine/index.ts';
import { calibrate } from '../../sim/study/calibrate.ts';
import { nonNegativeLeastSquares } from '../../solver/ilp/least-squares.ts';
import { readEngineRuns } from '../../traces/import/engine-run.ts';
import { readShared } from '../support/read-shared.ts';
import { recordServer, type SentCall, type ServerOptions } from '../support/recorded-server.ts';
import { itShared } from '../support/shared.ts';

const COST = {
	hostUs: 1500,
	hostPerSequenceUs: 100,
	baseUs: 12_000,
	perTokenOverKneeUs: 700,
	kneeTokens: 8,
	perDecodeSequenceUs: 200,
	perContextTokenUs: 2,
	perPrefillTokenSquaredUs: 0.4,
	allReduceUs: 0,
};
const FRONT_END_DELAY_US = 5000;

/** `count` equal calls at once, as the grid runs of the recordings. */
const burst = (count: number, promptTokens: number): SentCall[] =>
	Array.from({ length: count }, (_, i) => ({
		sentS: 0,
		prompt: [[`g${i}`, 0, promptTokens]],
		outputTokens: 24,
	}));

const GRID = [1, 2, 4, 8, 12].flatMap((count) => [16, 100, 300].map((prompt) => ({ count, prompt })));

/** Calls that keep coming, of many lengths, some with a shared beginning. */
function stream(seed: string): SentCall[] {
	const random = randomStream(7, seed);
	return Array.from({ length: 40 }, (_, i) => ({
		sentS: i * 0.05 * (1 + random()),
		prompt: [
			['shared', 0, i % 2 === 0 ? 40 : 0],
			[`own${i}`, 0, 1 + Math.floor(150 * random())],
		],
		outputTokens: 1 + Math.floor(80 * random()),
	}));
}

function record(options: Partial<ServerOptions> = {}) {
	const server = { cost: COST, frontEndDelayUs: FRONT_END_DELAY_US, ...options };
	const lines = [
		...GRID.map(({ count, prompt }) =>
			recordServer({ ...server, name: `made-grid-b${count}-p${prompt}` }, burst(count, prompt)),
		),
		recordServer({ ...server, name: 'made-poisson' }, stream('ample')),
		recordServer({ ...server, name: 'made-tight', config: { numGpuBlocks: 40 } }, stream('tight')),
	];
	return readEngineRuns(lines.map(({ line }) => JSON.stringify(line)).join('\n'), 'made.jsonl');
}

const run = (runs = record()) => calibrate(runs, createStepwiseEngine, nonNegativeLeastSquares);

describe('a server of exactly the modelled cost', () => {
	const { runs, fit, makespan } = run();

	it('gives its coefficients back', () => {
		const [server] = fit.servers;
		expect(server?.server).toBe('made-up, made up');
		for (const [name, value] of Object.entries(COST))
			expect(server?.cost[name as keyof typeof COST], name).toBeCloseTo(value, 1);
		expect(server?.frontEndDelayUs).toBe(FRONT_END_DELAY_US);
		expect(server?.stepErrorPercent.max).toBeLessThan(1e-3);
	});

	it('is predicted without error in the runs that were not fitted, preemptions and all', () => {
		expect(runs.map(({ name }) => name)).toEqual(['made-poisson', 'made-tight']);
		for (const each of runs) {
			for (const key of ['makespan', 'ttftMean', 'tpotMean', 'latencyP95'] as const)
				expect(Math.abs(each[`${key}ErrorPercent`]), `${each.name} ${key}`).toBeLessThan(0.1);
			expect(each.preemptions.simulated).toBe(each.preemptions.measured);
			// How two requests resumed in one step share what the cache held is not in a log, so their squares are a guess.
			expect(Math.abs(each.stepErrors?.all.errorPercent ?? Number.NaN)).toBeLessThan(0.01);
		}
		expect(runs[1]?.preemptions.measured).toBeGreaterThan(3);
		expect(runs[1]?.stepErrors?.recomputing.steps).toBeGreaterThan(0);
		expect(makespan?.worstAbsoluteErrorPercent).toBeLessThan(0.1);
	});

	it('shows no floor', () => {
		const floor = fit.servers[0]?.floor;
		expect(floor?.equalSteps.withinRunPercent).toBeLessThan(3);
		for (const { errorPercent } of floor?.ownFit ?? []) expect(Math.abs(errorPercent)).toBeLessThan(0.01);
	});
});

it('is not drawn low by steps that other work made slow', () => {
	const random = randomStream(1, 'noise');
	// One step in five takes twice as long: the mean factor is 1.2.
	const { fit } = run(record({ noise: () => (random() < 0.2 ? 2 : 1) }));
	expect(Math.abs(fit.servers[0]?.totalErrorPercent ?? Number.NaN)).toBeLessThan(1.5);
	expect(fit.servers[0]?.floor.equalSteps.withinRunPercent).toBeGreaterThan(25);
});

it('keeps servers apart', () => {
	const other = { ...COST, baseUs: 40_000 };
	const slow = record({ cost: other }).map((each) => ({ ...each, server: 'slow' }));
	const { fit, runs } = run([...record(), ...slow]);
	expect(fit.servers.map(({ server, cost }) => [server, Math.round(cost.baseUs)])).toEqual([
		['made-up, made up', 12_000],
		['slow', 40_000],
	]);
	expect(runs).toHaveLength(4);
	for (const each of runs) expect(Math.abs(each.makespanErrorPercent)).toBeLessThan(0.1);
});

it('asks for a run to fit on, and replays a run whose log it cannot read', () => {
	const [poisson, tight] = record().slice(-2);
	if (poisson === undefined || tight === undefined) throw new Error('no runs');
	expect(() => run([poisson, tight])).toThrow(/made\.jsonl:16: name: expected at least one run .* 'grid'/);
	const broken = { ...tight, steps: tight.steps.slice(0, -1) };
	const { runs, fit } = run([...record().slice(0, -1), broken]);
	expect(runs.map(({ stepErrors }) => stepErrors === null)).toEqual([false, true]);
	expect(fit.servers[0]?.unread).toEqual([
		{ name: 'made-tight', reason: expect.stringMatching(/made\.jsonl:17: iterations\[\d+\]: expected/) },
	]);
});

itShared('golden/engine-cpu-small8.jsonl.gz', 'predicts the recorded CPU server', (file) => {
	const { runs, makespan, fit } = run(readEngineRuns(readShared(file), file));
	expect(runs).toHaveLength(8);
	expect(fit.servers[0]).toMatchObject({ steps: 803, unread: [] });
	// 4.0 and 9.2 when this was written, beside 14 % between runs on equal steps.
	expect(makespan?.medianAbsoluteErrorPercent).toBeLessThan(4.5);
	expect(makespan?.worstAbsoluteErrorPercent).toBeLessThan(10);
	for (const { preemptions } of runs)
		expect(Math.abs(preemptions.simulated - preemptions.measured)).toBeLessThanOrEqual(2);
});
