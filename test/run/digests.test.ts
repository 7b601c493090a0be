import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/gates.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { solveMip } from '../../solver/ilp/highs-solve.ts';
import { createIlp } from '../../solver/ilp.ts';
import { createScheduler } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';

const deps = { clockSeconds: () => 0 };

/**
 * What a seed produces is a promise. A change of these digests is a change of results for everybody: the commit that makes it says why.
 */
it.each([
	['tiny', 'round-robin', 'never', '24c604857023375e'],
	['tiny', 'data-parallel', 'majority', 'ac47ca8774770588'],
	['tiny', 'ilp', 'unanimous', '298dc61719ff5a50'],
	['gpqa', 'greedy', 'majority', 'eeb60037bf44c165'],
	['mmlu-pro', 'sequential', 'majority', '1a893816cb048387'],
])('%s, %s, gate %s, seed 7 gives the same log as ever', async (experiment, scheduler, gate, digest) => {
	const hash = createHash('sha256');
	const sets = experiment === 'mmlu-pro' ? ['workload.keepQueries=200'] : [];
	await simulate(
		loadExperiment(experiment, { seed: 7, sets }),
		scheduler === 'ilp' ? createIlp(deps, solveMip) : createScheduler(scheduler, deps),
		createGate(gate),
		{ version: 'pinned', onRecord: (record) => hash.update(`${JSON.stringify(record)}\n`) },
	);
	expect(hash.digest('hex').slice(0, 16)).toBe(digest);
});
