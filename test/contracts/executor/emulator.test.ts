import { SMALL_LIVE, smallSetup } from '../../support/setup-builder.ts';
import { describeExecutor } from './executor-contract.ts';
import { openLive } from './live-world.ts';
import { CONTRACT_ENGINE, CONTRACT_QUERIES } from './workload.ts';

describeExecutor('the live executor on emulators', {
	open: (replicaRestarts) =>
		openLive({
			backend: 'emulator',
			// Two thousand steps of 10 ms take a second.
			speed: 20,
			setup: smallSetup({
				queries: CONTRACT_QUERIES,
				aggregator: null,
				engine: CONTRACT_ENGINE,
				live: {
					firstPort: 19_100 + (process.pid % 500) * 20,
					retries: { ...SMALL_LIVE.retries, replicaRestarts },
				},
			}),
		}),
	sleepRefusal: null,
	timeoutMs: 60_000,
});
