import { describeExecutor } from './executor-contract.ts';
import { openSimulated } from './simulated-world.ts';

describeExecutor('the simulated executor', {
	open: async (replicaRestarts) => openSimulated(replicaRestarts),
	sleepRefusal: null,
	timeoutMs: 10_000,
});
