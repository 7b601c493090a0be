import { describe, expect, it } from 'vitest';
import type { ReplicaProfile } from '../../../sim/domain/model.ts';
import type { Problem } from '../../../sim/domain/scheduler.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { fitExpertCost, fitRegression, sweepSessions } from '../../../solver/ilp/cost-model.ts';
import { fakeProblem } from '../../support/fake-problem.ts';

const problemOf = (calls: number, sweepShares: readonly number[], fixedSeconds = 0): Problem =>
	fakeProblem({ experts: [{ name: 'a', calls, secondsPerCall: 2, fixedSeconds }], options: { sweepShares } });
const profileOf = (problem: Problem): ReplicaProfile => problem.profiles[0] as ReplicaProfile;

describe('the sweep', () => {
	it('runs sessions at the shares asked for, each size once, at least one call', () => {
		const problem = problemOf(4, [1, 0.01, 0.1, 0.5, 0.5]);
		const sizes = sweepSessions(problem, profileOf(problem), 4).map(({ calls }) => calls);
		expect(sizes).toEqual([1, 2, 4]);
	});

	it('takes the whole when no share is named', () => {
		const problem = problemOf(40, []);
		expect(sweepSessions(problem, profileOf(problem), 40).map(({ calls }) => calls)).toEqual([40]);
	});
});

describe('the session cost model', () => {
	it('is exact where sessions follow its form, and divides by all calls', () => {
		const problem = problemOf(100, [0.25, 0.5, 1], 50);
		const cost = fitExpertCost(problem, profileOf(problem), 100);
		expect(cost.loadSeconds).toBe(40);
		expect(cost.sessionSeconds).toBeCloseTo(250, 6);
		expect(cost.secondsPerCall).toBeCloseTo(2.5, 8);
		expect(cost.regression.maxErrorPercent).toBeLessThan(1e-6);
	});

	it('uses the mean and the longest output of the calibration, not those of its own sweep', () => {
		const problem = problemOf(100, [0.25, 0.5, 1]);
		const forecaster = { ...problem.forecaster, outputTokens: () => ({ mean: 130, max: 900 }) };
		const cost = fitExpertCost({ ...problem, forecaster }, profileOf(problem), 100);
		// 2 s a call of 100 tokens is 0.02 s a token.
		expect(cost.sessionSeconds).toBeCloseTo(0.02 * 130 * 100, 6);
	});

	it('gives its error', () => {
		const points = [10, 20, 40].map((calls, i) => ({
			calls,
			meanOutputTokens: 100,
			maxOutputTokens: 100,
			seconds: [10, 20, 44][i] as number,
		}));
		const { rmsErrorPercent, maxErrorPercent, ...coefficients } = fitRegression(points);
		expect(Math.min(...Object.values(coefficients))).toBeGreaterThanOrEqual(0);
		expect(maxErrorPercent).toBeGreaterThan(1);
		expect(rmsErrorPercent).toBeGreaterThan(0);
		expect(rmsErrorPercent).toBeLessThan(maxErrorPercent);
	});

	it('fits sessions of the engine model, best where plans use it: at all calls', () => {
		const sweep = [100, 250, 500, 750, 1000].map(engineSession);
		const { rmsErrorPercent, ...fit } = fitRegression(sweep);
		expect(rmsErrorPercent).toBeLessThan(10);
		const all = sweep.at(-1) as (typeof sweep)[number];
		const tokens = all.calls * all.meanOutputTokens;
		const fitted = fit.alphaSeconds + fit.betaSeconds * tokens + fit.gammaSeconds * all.maxOutputTokens;
		expect(Math.abs(fitted / all.seconds - 1)).toBeLessThan(0.03);
		// The longest output is the same in all of them, so gamma and alpha cannot be told apart; together they are about its steps at
		// their fixed cost of 16 ms.
		const fixedSeconds = fit.alphaSeconds + fit.gammaSeconds * all.maxOutputTokens;
		expect(fixedSeconds).toBeGreaterThan(0.5 * 0.016 * all.maxOutputTokens);
		expect(fixedSeconds).toBeLessThan(2 * 0.016 * all.maxOutputTokens);
	});
});

/** A session with the coefficients of an 8B model on an A100 and lengths from 50 to 850 tokens. */
function engineSession(calls: number) {
	const config = {
		blockSize: 16,
		numGpuBlocks: 25_000,
		maxNumSeqs: 256,
		maxNumBatchedTokens: 2048,
		maxModelLen: 4096,
		longPrefillTokenThreshold: 0,
		policy: 'fcfs',
		asyncScheduling: false,
		watermark: 0,
		reserveFullIsl: true,
		prefixCaching: false,
	} as const;
	const engine = createEngine('stepwise', config, {
		hostUs: 3500,
		hostPerSequenceUs: 0,
		baseUs: 12_466,
		perTokenOverKneeUs: 50.6,
		kneeTokens: 84,
		perDecodeSequenceUs: 4.1,
		perContextTokenUs: 0.0845,
		perPrefillTokenSquaredUs: 0.0045,
		allReduceUs: 0,
	});
	const lengths = Array.from({ length: calls }, (_, i) => 50 + ((i * 7919) % 801));
	lengths.forEach((outputTokens, i) => {
		const request = {
			id: `r${i}`,
			promptTokens: 200,
			outputTokens,
			maxOutputTokens: 2000,
			endsByStop: true,
			priority: 0,
		};
		engine.submit(request, 0);
	});
	let endUs = 0;
	for (let nextUs = engine.nextUs(); nextUs !== Number.POSITIVE_INFINITY; nextUs = engine.nextUs()) {
		engine.advance(nextUs);
		endUs = nextUs;
	}
	return {
		calls,
		meanOutputTokens: lengths.reduce((sum, tokens) => sum + tokens, 0) / calls,
		maxOutputTokens: Math.max(...lengths),
		seconds: endUs / 1e6,
	};
}
