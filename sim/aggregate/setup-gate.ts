import type { Setup } from '../domain/setup.ts';
import type { Gate } from '../domain/work.ts';
import { workOf } from './call-work.ts';
import { createGate } from './gates.ts';

/**
 * The gate of an experiment.
 * @param takesCuts whether the scheduler of the run cuts calls where the gate says
 * @throws UsageError E_UNKNOWN_GATE
 */
export function createSetupGate(
	setup: Pick<
		Setup,
		| 'gate'
		| 'gateOptions'
		| 'calibration'
		| 'models'
		| 'aggregator'
		| 'profiles'
		| 'seed'
		| 'queries'
		| 'demand'
		| 'cluster'
	>,
	takesCuts: boolean,
): Gate {
	const { gate, gateOptions, calibration, models, aggregator, queries, demand, cluster, seed } = setup;
	return createGate(gate, {
		calibration,
		options: gateOptions,
		takesCuts,
		models,
		aggregator: aggregator?.model ?? null,
		work: workOf(setup),
		run: {
			queries: demand === null ? queries.length : 0,
			gpus: cluster.gpus.length,
		},
		seed,
	});
}
