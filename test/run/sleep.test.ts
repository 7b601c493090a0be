import { expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { gpuId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, Scheduler, View } from '../../sim/domain/scheduler.ts';
import { gpuTimes } from '../../sim/report/gpu-time.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { smallSetup } from '../support/setup-builder.ts';

const REPLICA = replicaId('r');

/** One replica that sleeps whenever it has nothing to do, at the levels given in turn; the last time it stops in its sleep. */
function napper(levels: readonly (1 | 2)[]): Scheduler {
	let naps = 0;
	return {
		...createScheduler('round-robin', { clockSeconds: () => 0 }),
		name: 'napper',
		decide: (view: View): Action[] => {
			const [only] = view.replicas;
			const pending = view.pending(modelId('a'), 'expert');
			const settle = view.acceptable.map((query): Action => ({ type: 'settle', query }));
			if (only === undefined)
				return [{ type: 'start', replica: REPLICA, model: modelId('a'), gpus: [gpuId('gpu0')] }];
			if (only.state === 'awake' && pending.length > 0)
				return pending.map((call) => ({ type: 'dispatch', call: call.id, replica: REPLICA }));
			if (only.state === 'awake' && only.openCalls === 0)
				return [...settle, { type: 'sleep', replica: REPLICA, level: levels[naps++] ?? 1 }];
			if (!only.state.startsWith('asleep')) return settle;
			if (pending.length > 0) return [...settle, { type: 'wake', replica: REPLICA }];
			return view.allArrived ? [...settle, { type: 'stop', replica: REPLICA }] : settle;
		},
	};
}

it('takes each level its own time, and the GPU with it', async () => {
	const records: RunRecord[] = [];
	// Loads of 2 s and calls of 0.1 s; level 1 takes 0.5 and 0.5 s, level 2 takes 0.2 and 1.2 s; stopping takes none.
	const setup = smallSetup({
		gpus: 1,
		aggregator: null,
		queries: [0, 5_000_000, 10_000_000].map((arrivalUs) => ({
			calls: [{ model: 'a', outputTokens: 10 }],
			arrivalUs,
		})),
	});
	await simulate(setup, napper([1, 2, 1]), createGate('never'), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	const changes = records.flatMap((record) =>
		record.type === 'replica-changed' ? [`${record.timeUs} ${record.state}`] : [],
	);
	expect(changes).toEqual([
		'0 loading',
		'2000000 awake',
		'2100000 falling-asleep',
		'2600000 asleep-1',
		'5000000 waking',
		'5500000 awake',
		'5600000 falling-asleep',
		'5800000 asleep-2',
		'10000000 waking',
		'11200000 awake',
		'11300000 falling-asleep',
		'11800000 asleep-1',
		'11800000 stopping',
		'11800000 stopped',
	]);
	const [gpu] = gpuTimes(records);
	expect(gpu).toMatchObject({ wallUs: 11_800_000, busyUs: 300_000 });
	expect(gpu?.idleUs).toMatchObject({
		loading: 2_000_000,
		switching: 500_000 + 500_000 + 200_000 + 1_200_000 + 500_000,
	});
});
