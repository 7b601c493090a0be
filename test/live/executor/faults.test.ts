/** Everything that can be ordered to go wrong with an emulator, and what the executor makes of it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ExecutorEvent } from '../../../sim/core/executor.ts';
import { modelId, replicaId } from '../../../sim/domain/ids.ts';
import type { EmulatorFault, LiveSettings } from '../../../sim/domain/live.ts';
import type { ExecutorWorld } from '../../contracts/executor/executor-contract.ts';
import { openLive } from '../../contracts/executor/live-world.ts';
import { contractCall, replicaStart } from '../../contracts/executor/workload.ts';
import { SMALL_LIVE, type SmallQuery, smallSetup } from '../../support/setup-builder.ts';

const R = replicaId('r');
const QUERY: SmallQuery = { calls: [0, 1].map(() => ({ model: 'm', outputTokens: 12, answer: 'C' })) };

let world: ExecutorWorld;

afterEach(() => world.close());

/** A world whose emulators have this fault, and one replica that was told to start. */
async function withFault(fault: EmulatorFault, live: Partial<LiveSettings> = {}): Promise<void> {
	world = await openLive({
		backend: 'emulator',
		speed: 1,
		setup: smallSetup({
			queries: [QUERY],
			aggregator: null,
			loadSeconds: 0.1,
			live: {
				firstPort: 30_100 + (process.pid % 500) * 20,
				retries: { callAttempts: 3, backoffSeconds: 0.01, replicaRestarts: 1 },
				emulator: { faults: { [modelId('m')]: [fault] } },
				...live,
			},
		}),
	});
	world.executor.start(replicaStart(world.setup, R, 0));
}

const dispatch = (slot: number): void =>
	world.executor.dispatch(contractCall(world.setup, QUERY, slot, [QUERY]), R);

/** Everything up to the first event of this kind. */
async function until(kind: ExecutorEvent['kind']): Promise<readonly ExecutorEvent[]> {
	const events: ExecutorEvent[] = [];
	while (events.at(-1)?.kind !== kind) events.push(await world.event());
	return events;
}

const FINISHED = { outcome: { kind: 'finished', outputTokens: 12, finishReason: 'stop', answer: 'C' } };

describe('a start', () => {
	it('that is slow is waited for', async () => {
		await withFault({ kind: 'slow-start', seconds: 1 });
		const [awake] = await until('replica-awake');
		expect(awake?.timeUs).toBeGreaterThan(1.1e6);
	});

	it.each([
		['failing-start', 'failing-start'],
		['out-of-memory-at-load', 'CUDA out of memory'],
	] as const)(
		'that ends in %s is tried again, and given up with the words of the server',
		async (kind, words) => {
			await withFault({ kind });
			expect(await until('replica-failed')).toMatchObject([
				{ kind: 'replica-restarting', reason: expect.stringContaining(words) },
				{ kind: 'replica-failed', reason: expect.stringContaining(words) },
			]);
		},
	);
});

describe('a call', () => {
	it.each([
		['that is never answered', { kind: 'hang', atRequest: 1 }],
		['that meets an error', { kind: 'status', atRequest: 1, status: 500 }],
		['whose stream breaks', { kind: 'broken-stream', atRequest: 1, afterTokens: 3 }],
		['whose connection is dropped', { kind: 'dropped-connection', atRequest: 1, afterTokens: 3 }],
	] as const)('%s is sent again', async (_, fault) => {
		const timeouts = { ...SMALL_LIVE.timeouts, firstTokenSeconds: 0.5 };
		await withFault(fault, { timeouts });
		await until('replica-awake');
		dispatch(0);
		expect(await until('call-ended')).toMatchObject([{ kind: 'engine-active', active: true }, FINISHED]);
	});

	it('that is refused is not', async () => {
		await withFault({ kind: 'status', atRequest: 1, status: 400 });
		await until('replica-awake');
		dispatch(0);
		expect((await until('call-ended')).at(-1)).toMatchObject({
			outcome: { kind: 'failed', reason: expect.stringMatching(/^HTTP 400/) },
		});
	});

	it('survives the death of its engine', async () => {
		await withFault({ kind: 'engine-death', atRequest: 2 });
		await until('replica-awake');
		dispatch(0);
		await until('engine-active');
		expect((await until('engine-active'))[0]).toMatchObject(FINISHED);
		dispatch(1);
		const kinds = (await until('call-ended')).map(({ kind }) => kind);
		expect(kinds).toEqual([
			...['engine-active', 'engine-active', 'replica-restarting', 'replica-awake'],
			...['engine-active', 'call-ended'],
		]);
	});
});

describe('a stop', () => {
	it('that is ignored is enforced', async () => {
		const timeouts = { ...SMALL_LIVE.timeouts, stopSeconds: 0.3 };
		await withFault({ kind: 'ignored-sigterm' }, { timeouts });
		await until('replica-awake');
		world.executor.stop(R);
		expect(await until('replica-stopped')).toHaveLength(1);
	});
});
