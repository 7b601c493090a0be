import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { Fail } from './fail.ts';

/** Every model with a share of its own must be one that runs. */
export function checkMemoryShares({ engine, pool, aggregator }: Experiment, fail: Fail): void {
	const known = [...pool, ...(aggregator === null ? [] : [aggregator.model])];
	for (const id of Object.keys(engine.gpuMemoryShareByModel)) {
		if (known.includes(id)) continue;
		throw fail(
			['engine', 'gpuMemoryShareByModel', id],
			'E_UNKNOWN_MODEL',
			`a model of the pool or the aggregator (${[...new Set(known)].join(', ')})`,
			`'${id}'${didYouMean(id, known)}`,
		);
	}
}
