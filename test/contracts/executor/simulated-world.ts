import type { ExecutorEvent } from '../../../sim/core/executor.ts';
import { present } from '../../../sim/domain/errors.ts';
import { createEngine } from '../../../sim/engine/index.ts';
import { EventQueue } from '../../../sim/run/event-queue.ts';
import type { Pending } from '../../../sim/run/pending.ts';
import { SimulatedExecutor } from '../../../sim/run/simulated-executor.ts';
import { TrueCalls } from '../../../sim/run/true-calls.ts';
import { smallSetup } from '../../support/setup-builder.ts';
import type { ExecutorWorld } from './executor-contract.ts';
import { CONTRACT_ENGINE, CONTRACT_QUERIES } from './workload.ts';

/** The simulated executor on its event queue, without controller and scheduler. */
export function openSimulated(replicaRestarts: 0 | 1): ExecutorWorld {
	const setup = smallSetup({ queries: CONTRACT_QUERIES, aggregator: null, engine: CONTRACT_ENGINE });
	const queue = new EventQueue<Pending>();
	const happened: ExecutorEvent[] = [];
	let nowUs = 0;
	const executor = new SimulatedExecutor({
		gpus: setup.cluster.gpus,
		createEngine: (config, step) => createEngine(setup.engineMode, config, step),
		sampleUs: 1e6,
		queue,
		nowUs: () => nowUs,
		trueCalls: new TrueCalls(
			setup.truth,
			({ query }) =>
				present(
					setup.queries.find(({ id }) => id === query),
					'query',
				).slots.length,
		),
	});

	/** @returns false when there is nothing more to come */
	const step = (): boolean => {
		const next = queue.pop();
		if (next === undefined) return false;
		nowUs = next.timeUs;
		happened.push(...eventsOf(executor, next.value).filter(({ kind }) => kind !== 'engine-sample'));
		return true;
	};
	return {
		setup,
		executor,
		async event() {
			while (happened.length === 0) if (!step()) throw new Error('nothing happens any more');
			return happened.shift() as ExecutorEvent;
		},
		/** A step is 10 ms long, and all that are seated have a token after a few. */
		async untilRunning() {
			const untilUs = nowUs + 200_000;
			while (queue.nextUs() <= untilUs) step();
			nowUs = untilUs;
		},
		kill: (replica) => executor.fail(replica, 'killed', replicaRestarts > 0),
		async close() {
			while (step());
			return happened;
		},
	};
}

function eventsOf(executor: SimulatedExecutor, pending: Pending): readonly ExecutorEvent[] {
	switch (pending.kind) {
		case 'happening': {
			const event = executor.happen(pending);
			return event === null ? [] : [event];
		}
		case 'engine':
			return executor.advance(pending.replica, pending.version);
		default:
			return [];
	}
}
