import { expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { summarize } from '../../sim/report/summary.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';

/** Under `never` everything is aggregated, so what aggregating everything would give is what the run gives, whatever limit cuts outputs. */
it.each([
	[0, 40_960, 1],
	[1, 900, 1],
	[2, 900, 1],
	[3, 300, 1],
	[4, 40_960, 40],
])(
	'aggregating everything is the run itself under gate never (seed %i, context %i, aggregator x %i)',
	async (seed, context, scale) => {
		const sets = [`engine.config.maxModelLen=${context}`, `aggregator.lengthScale=${scale}`];
		const records: RunRecord[] = [];
		await simulate(
			loadExperiment('tiny', { seed, sets }),
			createScheduler('round-robin', { clockSeconds: () => 0 }),
			createGate('never'),
			{ version: 'test', onRecord: (record) => records.push(record) },
		);
		const { accuracy } = summarize(records);
		expect(accuracy.value).toBe(accuracy.aggregateAllValue);
		for (const record of records)
			if (record.type === 'query-settled') expect(record.correct).toBe(record.aggregateAllCorrect);
	},
);
