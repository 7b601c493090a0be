import { describe, expect, it } from 'vitest';
import { stepGrid } from '../../live/measure/grid.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { fitClientTimes } from '../../sim/study/fit-client-times.ts';
import { costColumns } from '../../sim/study/fit-step-cost.ts';
import { nonNegativeLeastSquares } from '../../solver/ilp/least-squares.ts';
import { seenByClient } from '../support/grid-world.ts';
import { SMALL_ENGINE } from '../support/setup-builder.ts';

const ENGINE: EngineConfig = {
	...SMALL_ENGINE,
	maxNumSeqs: 32,
	maxNumBatchedTokens: 1024,
	maxModelLen: 8192,
};
const COST: StepCost = {
	hostUs: 0,
	hostPerSequenceUs: 0,
	baseUs: 6000,
	perTokenOverKneeUs: 50,
	kneeTokens: 8,
	perDecodeSequenceUs: 30,
	perContextTokenUs: 0.4,
	perPrefillTokenSquaredUs: 0.02,
	allReduceUs: 0,
};
const WAY_US = 4000;

const grid = (engine: EngineConfig, cost: StepCost) =>
	stepGrid(engine).map((run) => seenByClient(run, engine, cost, WAY_US));

describe('the step cost from what a client sees', () => {
	it('is the one that the engine has', () => {
		const { cost, frontEndDelayUs, stepErrorPercent } = fitClientTimes(
			grid(ENGINE, COST),
			ENGINE.maxNumBatchedTokens,
			nonNegativeLeastSquares,
		);
		expect(cost.kneeTokens).toBe(COST.kneeTokens);
		for (const name of ['baseUs', 'perTokenOverKneeUs', 'perContextTokenUs'] as const)
			expect(cost[name] / COST[name]).toBeCloseTo(1, 2);
		expect(cost.perPrefillTokenSquaredUs).toBeCloseTo(COST.perPrefillTokenSquaredUs, 3);
		expect(frontEndDelayUs / WAY_US).toBeCloseTo(1, 1);
		expect(stepErrorPercent.max).toBeLessThan(0.5);
	});

	it('holds the host time, which a client cannot tell from the rest', () => {
		const hosted = { ...COST, hostUs: 1500, hostPerSequenceUs: 70 };
		const { cost } = fitClientTimes(
			grid(ENGINE, hosted),
			ENGINE.maxNumBatchedTokens,
			nonNegativeLeastSquares,
		);
		expect(cost.hostUs).toBe(0);
		expect(cost.baseUs).toBeCloseTo(7500, -2);
		expect(cost.perDecodeSequenceUs + cost.perTokenOverKneeUs).toBeCloseTo(150, -1);
	});

	it.each([0.02, -0.02])('is not moved much by tokens that come %s of a step late', (share) => {
		const noisy = grid(ENGINE, COST).map((run, index) => ({
			...run,
			calls: run.calls.map((call) => ({
				...call,
				arrivals: call.arrivals.map(({ tokens, timeUs }) => ({
					tokens,
					timeUs: timeUs + Math.round(((tokens * 7 + index) % 3) * share * COST.baseUs),
				})),
			})),
		}));
		const { cost } = fitClientTimes(noisy, ENGINE.maxNumBatchedTokens, nonNegativeLeastSquares);
		for (const [tokens, decodes] of [
			[300, 0],
			[0, 1],
			[0, 16],
		] as const) {
			const load = {
				prefillTokens: tokens,
				prefillChunkSquares: tokens * tokens,
				decodeSequences: decodes,
				decodeContextTokens: 200 * decodes,
			};
			const us = (each: StepCost): number =>
				costColumns(load, each.kneeTokens).reduce(
					(sum, value, column) =>
						sum +
						value *
							([
								each.baseUs,
								each.perTokenOverKneeUs,
								each.perDecodeSequenceUs,
								each.perContextTokenUs,
								each.perPrefillTokenSquaredUs,
							][column] ?? 0),
					0,
				);
			expect(us(cost) / us(COST)).toBeGreaterThan(0.97);
			expect(us(cost) / us(COST)).toBeLessThan(1.03);
		}
	});

	it('takes calls whose chunks hold several tokens', () => {
		const coarse = grid(ENGINE, COST).map((run) => ({
			...run,
			calls: run.calls.map((call) => ({
				...call,
				arrivals: call.arrivals.filter(
					({ tokens }, index) => index === 0 || tokens % 3 === 0 || index === call.arrivals.length - 1,
				),
			})),
		}));
		const { cost } = fitClientTimes(coarse, ENGINE.maxNumBatchedTokens, nonNegativeLeastSquares);
		expect(cost.baseUs / COST.baseUs).toBeCloseTo(1, 2);
	});
});
