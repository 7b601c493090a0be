import type { ModelId } from '../../sim/domain/ids.ts';
import type { BackendSetup } from './options.ts';

/** Models that a run will call, in the order of the experiment. */
export function usedModels({ models, queries, aggregator }: BackendSetup): readonly ModelId[] {
	const used = new Set(queries.flatMap(({ slots }) => slots));
	if (aggregator !== null) used.add(aggregator.model);
	return models.map(({ id }) => id).filter((id) => used.has(id));
}
