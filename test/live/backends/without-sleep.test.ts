import { expect, it } from 'vitest';
import { createBackend } from '../../../live/backends/index.ts';
import { withoutSleep } from '../../../live/backends/without-sleep.ts';
import { replicaId } from '../../../sim/domain/ids.ts';
import type { BackendName } from '../../../sim/domain/live.ts';
import type { Scheduler } from '../../../sim/domain/scheduler.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { emptyPlan } from '../../support/empty-plan.ts';
import { SMALL_LIVE, smallSetup } from '../../support/setup-builder.ts';
import { drive } from '../run/drive.ts';

const on = (name: BackendName, device: 'cpu' | 'gpu'): Setup => {
	const setup = smallSetup({
		queries: [{ calls: [{ model: 'm', outputTokens: 5, answer: 'A' }] }],
		aggregator: null,
		live: { vllm: { ...SMALL_LIVE.vllm, device } },
	});
	return withoutSleep(setup, createBackend(name, setup, { environment: {}, speed: 1, logFolder: '' }));
};

it.each([
	['emulator', 'gpu', true],
	['vllm', 'gpu', true],
	['vllm', 'cpu', false],
	['endpoint', 'gpu', false],
] as const)('servers of %s on a %s can sleep: %s', (name, device, can) => {
	for (const { sleep } of on(name, device).profiles)
		expect([sleep[1] !== null, sleep[2] !== null]).toEqual([can, can]);
});

/** Orders one sleep, and then nothing that would help if the replica did sleep. */
const sleepy: Scheduler = {
	name: 'sleepy',
	plan: async () => emptyPlan('sleepy'),
	decide({ replicas, cluster, acceptable, pending }) {
		const replica = replicaId('r0');
		const model = 'm' as never;
		const [first] = replicas;
		if (first === undefined)
			return [{ type: 'start', replica, model, gpus: cluster.gpus.slice(0, 1).map(({ id }) => id) }];
		if (first.state !== 'awake' || first.openCalls > 0) return [];
		const calls = pending(model, 'expert');
		return [
			...(calls.length > 0 ? [{ type: 'sleep', replica, level: 1 } as const] : []),
			...calls.map(({ id }) => ({ type: 'dispatch', call: id, replica }) as const),
			...acceptable.map((query) => ({ type: 'settle', query }) as const),
		];
	},
};

it('a sleep that is ordered there is refused, and the replica goes on', async () => {
	const { outcome, records } = await drive({ setup: on('vllm', 'cpu'), scheduler: sleepy });
	expect(outcome.status).toBe('complete');
	expect(records).toContainEqual(
		expect.objectContaining({ type: 'sleep-refused', reason: 'its engine cannot sleep at level 1' }),
	);
});
