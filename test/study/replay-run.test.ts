import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { replayError, replaySetup } from '../../sim/study/replay-run.ts';
import { movingPolicy, movingSetup } from '../support/moving-policy.ts';

const setup = movingSetup();

async function run(of: Setup): Promise<readonly RunRecord[]> {
	const records: RunRecord[] = [];
	const onRecord = (record: RunRecord): unknown => records.push(record);
	await simulate(of, movingPolicy, createGate('majority'), { version: 'test', onRecord });
	return records;
}

/** The world as the run saw it, told to somebody who drew everything else: what was never seen is a short 'Z'. */
function otherDraws(of: Setup): Setup {
	return {
		...of,
		truth: {
			call: (id) => ({ ...of.truth.call(id), outputTokens: 3, answer: 'Z' }),
			query: (id) => ({ ...of.truth.query(id), aggregatorOutputTokens: 3, aggregatorAnswer: () => 'Z' }),
		},
	};
}

describe('a run that moved, cut and cancelled calls', () => {
	it('is simulated again to the microsecond when what it did not see is as it was', async () => {
		const records = await run(setup);
		const error = replayError('run', records, await run(replaySetup(setup, records)));
		expect(error).toMatchObject({
			makespanErrorPercent: 0,
			ttftMeanErrorPercent: 0,
			tpotMeanErrorPercent: 0,
			latencyP95ErrorPercent: 0,
		});
		const { measured, simulated } = error.decided;
		expect(simulated).toEqual(measured);
		for (const count of Object.values(measured)) expect(count).toBeGreaterThan(0);
		// Those that moved are in no mean.
		expect(error.calls).toBeGreaterThan(0);
		expect(error.calls).toBeLessThan(error.finishedInBoth);
	});

	it('knows what it saw, and of what it did not see only that it was longer', async () => {
		const records = await run(setup);
		const { truth } = replaySetup(otherDraws(setup), records);
		const cuts = new Map(
			records.flatMap((record) =>
				record.type === 'call-dispatched' ? [[record.call, record.cutTokens ?? null] as const] : [],
			),
		);
		let [whole, cut, cancelled] = [0, 0, 0];
		for (const record of records) {
			if (record.type !== 'call-finished' && record.type !== 'call-cancelled') continue;
			const { call, query, role, outputTokens } = record;
			const aggregator = truth.query(query);
			const { tokens, answer } =
				role === 'expert'
					? { tokens: truth.call(call).outputTokens, answer: truth.call(call).answer }
					: { tokens: aggregator.aggregatorOutputTokens, answer: aggregator.aggregatorAnswer([]) };
			if (record.type === 'call-cancelled') {
				cancelled++;
				expect([tokens > outputTokens, answer]).toEqual([true, 'Z']);
			} else if (outputTokens === cuts.get(call)) {
				cut++;
				expect([tokens >= outputTokens, answer]).toEqual([true, 'Z']);
			} else {
				whole++;
				expect([tokens, answer]).toEqual([outputTokens, record.answer]);
			}
		}
		for (const count of [whole, cut, cancelled]) expect(count).toBeGreaterThan(0);
	});
});
