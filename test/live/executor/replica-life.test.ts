import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startClock } from '../../../live/clock.ts';
import { lastLines } from '../../../live/process/log-tail.ts';
import { groupIsAlive } from '../../../live/process/proc-table.ts';
import { FakeVllm } from '../../support/fake-vllm.ts';
import { SMALL_LIVE } from '../../support/setup-builder.ts';
import { callOf, closeStands, R0, Stand, type StandOptions, startOf } from './stand.ts';

let server: FakeVllm;
let stand: Stand;

beforeEach(async () => {
	server = await FakeVllm.listen();
});

afterEach(async () => {
	await closeStands();
	await server.close();
});

const use = (options: StandOptions = {}): Stand => {
	stand = new Stand({ servers: { r0: server, r1: server }, ...options });
	return stand;
};

const retries = (replicaRestarts: number): StandOptions => ({
	settings: { retries: { ...SMALL_LIVE.retries, replicaRestarts } },
});

const kinds = (): readonly string[] => stand.rest().map(({ kind }) => kind);

describe('a start', () => {
	it('is over when the server is well, and not before', async () => {
		server.health = 503;
		use().executor.start(startOf('r0'));
		await server.seen('GET /health');
		await stand.clock.timerOf(0.2);
		expect(stand.rest()).toEqual([]);
		server.health = 200;
		stand.clock.advance(0.2);
		expect(await stand.expect('replica-awake')).toEqual({
			kind: 'replica-awake',
			timeUs: 200_000,
			replica: 'r0',
		});
	});

	it('happens after the order returned', () => {
		use().executor.start(startOf('r0'));
		expect(stand.happenings).toEqual([]);
	});

	it('that takes too long fails, on a server that is not ours', async () => {
		server.health = 503;
		use(retries(0)).executor.start(startOf('r0'));
		await stand.clock.timerOf(0.2);
		// One that is said to run already is not waited for as long as one that loads.
		stand.clock.advance(61);
		expect(await stand.expect('replica-failed')).toMatchObject({
			reason: 'was not ready after 60 s (/health says that the engine is dead)',
		});
	});

	it('waits for its turn on the GPU', async () => {
		server.health = 503;
		const other = await FakeVllm.listen();
		use({ servers: { r0: server, r1: other, r2: other } });
		stand.executor.start(startOf('r0', ['gpu0', 'gpu1']));
		stand.executor.start(startOf('r1', ['gpu1']));
		stand.executor.start(startOf('r2', ['gpu2']));
		expect(await stand.expect('replica-awake')).toMatchObject({ replica: 'r2' });
		await stand.clock.timerOf(0.2);
		server.health = 200;
		stand.clock.advance(0.2);
		expect(await stand.expect('replica-awake')).toMatchObject({ replica: 'r0' });
		expect(await stand.expect('replica-awake')).toMatchObject({ replica: 'r1' });
		await other.close();
	});

	it.each([
		['another model', { models: ['other'] }, "serves 'other', not 'm'"],
		[
			'another context',
			{ maxModelLen: 2048 },
			'has a context (max_model_len) of 2048, its profile says 4096',
		],
		[
			'other blocks',
			{ metrics: 'vllm:cache_config_info{block_size="128",num_gpu_blocks="1001"} 1.0' },
			'has a block size of 128, its profile says 16',
		],
		[
			'another number of blocks',
			{ metrics: 'vllm:cache_config_info{block_size="16",num_gpu_blocks="900"} 1.0' },
			'has a number of KV blocks of 900, its profile says 1001',
		],
		[
			'a prefix cache',
			{ metrics: 'vllm:cache_config_info{enable_prefix_caching="True"} 1.0' },
			'has prefix caching on, its profile says off',
		],
	])("of a server with %s is the user's mistake", async (_, options, words) => {
		const wrong = await FakeVllm.listen(options);
		use({ servers: { r0: wrong } }).executor.start(startOf('r0'));
		expect((await stand.expect('replica-failed')).reason).toBe(
			`replica r0: the server at ${wrong.url} ${words}`,
		);
		expect(stand.mistakes.map(({ message }) => message)).toEqual([expect.stringContaining(words)]);
		await wrong.close();
	});

	it('of a server with a few blocks more is fine', async () => {
		const metrics = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="1010"} 1.0';
		const roomy = await FakeVllm.listen({ metrics });
		await use({ servers: { r0: roomy } }).up();
		await roomy.close();
	});
});

describe('a stop', () => {
	it('ends an awake replica', async () => {
		await use().up();
		stand.executor.stop(R0);
		await stand.expect('replica-stopped');
		expect(stand.executor.snapshot()).toEqual([]);
	});

	it('overtakes a load: what loads is never awake', async () => {
		server.health = 503;
		use().executor.start(startOf('r0'));
		await server.seen('GET /health');
		stand.executor.stop(R0);
		await stand.expect('replica-stopped');
		server.health = 200;
		stand.clock.advance(10);
		expect(stand.rest()).toEqual([]);
	});
});

describe('sleep', () => {
	it('and wake are done when the server says so', async () => {
		await use().up();
		stand.executor.sleep(R0, 2);
		expect(await stand.expect('replica-asleep')).toMatchObject({ level: 2 });
		expect(stand.executor.snapshot()).toMatchObject([{ state: 'asleep-2' }]);
		stand.executor.wake(R0);
		await stand.expect('replica-awake');
		expect(server.log.filter((line) => line.startsWith('POST'))).toEqual([
			'POST /sleep?level=2&mode=wait',
			'POST /wake_up?tags=weights',
			'POST /collective_rpc',
			'POST /wake_up?tags=kv_cache',
			'POST /reset_prefix_cache',
		]);
	});

	it('that the server refuses fails the replica', async () => {
		await use().up();
		server.sleepStatus = 500;
		stand.executor.sleep(R0, 1);
		expect((await stand.expect('replica-failed')).reason).toBe(
			'did not fall asleep: HTTP 500 InternalServerError: no sleep mode',
		);
	});

	it('is not even asked of a server that only seems to sleep', async () => {
		await use({ sleepRefusal: 'no sleep mode here' }).up();
		stand.executor.sleep(R0, 1);
		expect((await stand.expect('replica-failed')).reason).toBe('did not fall asleep: no sleep mode here');
		expect(server.log.filter((line) => line.startsWith('POST'))).toEqual([]);
	});

	it('a wake that fails starts the server again', async () => {
		await use().up();
		stand.executor.sleep(R0, 1);
		await stand.expect('replica-asleep');
		server.sleepStatus = 500;
		stand.executor.wake(R0);
		expect((await stand.expect('replica-restarting')).reason).toContain('did not wake: HTTP 500');
		await stand.expect('replica-awake');
	});

	it('a stop overtakes a wake', async () => {
		await use().up();
		stand.executor.sleep(R0, 1);
		await stand.expect('replica-asleep');
		server.sleepWait = new Promise(() => undefined);
		stand.executor.wake(R0);
		await server.seen('POST /wake_up');
		stand.executor.stop(R0);
		await stand.expect('replica-stopped');
		expect(stand.rest()).toEqual([]);
	});
});

describe('an engine that dies', () => {
	it('comes up again under its id, and its calls are sent again at no cost to them', async () => {
		await use().up();
		stand.executor.dispatch(callOf('a'), R0);
		stand.executor.dispatch(callOf('b'), R0);
		await stand.expect('engine-active');
		const asked = [await server.next(), await server.next()];
		server.health = 503;
		for (const each of asked) each.drop();
		expect(await stand.expect('engine-active')).toMatchObject({ active: false });
		expect((await stand.expect('replica-restarting')).reason).toBe('the engine is dead (/health says 503)');
		await stand.clock.timerOf(0.2);
		server.health = 200;
		stand.clock.advance(0.2);
		await stand.expect('replica-awake');
		expect(await stand.expect('engine-active')).toMatchObject({ active: true });
		for (const _ of asked) (await server.next()).finish();
		const ended = [await stand.expect('call-ended'), await stand.expect('call-ended')];
		expect(ended.map(({ outcome }) => outcome.kind)).toEqual(['finished', 'finished']);
	});

	it('too often gives its calls back and fails', async () => {
		await use(retries(1)).up();
		stand.executor.dispatch(callOf('a'), R0);
		await stand.expect('engine-active');
		server.health = 503;
		(await server.next()).drop();
		await stand.expect('engine-active');
		await stand.expect('replica-restarting');
		await stand.clock.timerOf(0.2);
		server.health = 200;
		stand.clock.advance(0.2);
		await stand.expect('replica-awake');
		await stand.expect('engine-active');
		const again = await server.next();
		again.say('two words');
		server.health = 503;
		await seenRunning();
		again.drop();
		const reason = 'the engine is dead (/health says 503) (restarted 1 times before)';
		expect(await stand.expect('call-returned')).toMatchObject({ call: 'a', reason, outputTokens: 2 });
		expect(await stand.expect('engine-active')).toMatchObject({ active: false });
		expect(await stand.expect('replica-failed')).toMatchObject({ reason });
		stand.executor.dispatch(callOf('late'), R0);
		expect(await stand.expect('call-returned')).toMatchObject({ call: 'late' });
	});

	it('by hanging is found out by two time-outs in a row', async () => {
		await use().up();
		stand.executor.dispatch(callOf('a'), R0);
		stand.executor.dispatch(callOf('b'), R0);
		await stand.expect('engine-active');
		await Promise.all([server.next(), server.next()]);
		stand.clock.advance(3600);
		await stand.expect('engine-active');
		expect((await stand.expect('replica-restarting')).reason).toBe('the engine hangs: no token in 3600 s');
		await stand.expect('replica-awake');
	});

	it('while it sleeps is not brought back: its memory may be in use', async () => {
		const real = new Stand({
			clock: startClock(1),
			command: (_, port) => [tinyServer, String(port), 'm'],
		});
		stand = real;
		await real.up();
		real.executor.sleep(R0, 1);
		await real.expect('replica-asleep');
		process.kill(pidOf(real), 'SIGKILL');
		expect((await real.expect('replica-failed')).reason).toBe('the server was ended by SIGKILL');
	});
});

describe('an order that crosses a misfortune on its way', () => {
	/** Kills the server of r0 and gives an order between its death and the news of it. */
	async function crossed(order: () => void, replicaRestarts: number): Promise<void> {
		stand = new Stand({
			...retries(replicaRestarts),
			clock: startClock(1),
			command: (_, port) => [tinyServer, String(port), 'm'],
		});
		await stand.up();
		stand.onRecord = ({ kind }) => {
			if (kind === 'exited') queueMicrotask(() => queueMicrotask(order));
		};
		process.kill(pidOf(stand), 'SIGKILL');
	}

	it('does not put a server to sleep that is being started again', async () => {
		await crossed(() => stand.executor.sleep(R0, 1), 1);
		await stand.expect('replica-restarting');
		await stand.expect('replica-awake');
	});

	it('does stop it', async () => {
		await crossed(() => stand.executor.stop(R0), 1);
		await stand.expect('replica-restarting');
		await stand.expect('replica-stopped');
	});

	it('does not stop a replica that has failed', async () => {
		await crossed(() => stand.executor.stop(R0), 0);
		await stand.expect('replica-failed');
		await stand.executor.close();
		expect(stand.rest()).toEqual([]);
	});

	it('gives back a call that was for a replica that has failed', async () => {
		await crossed(() => stand.executor.dispatch(callOf('a'), R0), 0);
		await stand.expect('replica-failed');
		expect(await stand.expect('call-returned')).toMatchObject({ call: 'a', outputTokens: 0 });
	});
});

describe('gauges', () => {
	it('are read while there is work', async () => {
		const metrics = [
			'vllm:num_requests_running{engine="0"} 2.0',
			'vllm:num_requests_waiting{engine="0"} 5.0',
			'vllm:kv_cache_usage_perc{engine="0"} 0.25',
			'vllm:num_preemptions_total{engine="0"} 3.0',
		].join('\n');
		const busy = await FakeVllm.listen({ metrics });
		await use({ servers: { r0: busy }, sampleUs: 10e6 }).up();
		stand.executor.dispatch(callOf('a'), R0);
		await stand.expect('engine-active');
		const asked = await busy.next();
		asked.say('one two three');
		await seenRunning();
		stand.clock.advance(10);
		expect(await stand.expect('engine-sample')).toEqual({
			kind: 'engine-sample',
			timeUs: 10e6,
			replica: 'r0',
			running: 2,
			waiting: 5,
			maxRunning: 8,
			usedBlocks: 250,
			totalBlocks: 1000,
			preemptions: 3,
		});
		expect(stand.executor.snapshot()).toEqual([
			{
				replica: 'r0',
				model: 'm',
				gpus: ['gpu0'],
				state: 'awake',
				runningCalls: 1,
				waitingCalls: 0,
				tokensPerSecond: 0.3,
			},
		]);
		asked.finish();
		await stand.expect('call-ended');
		await stand.expect('engine-active');
		stand.clock.advance(100);
		expect(stand.executor.snapshot()).toMatchObject([{ tokensPerSecond: 0 }]);
		expect(stand.rest()).toEqual([]);
		await busy.close();
	});
});

describe('a replica of a controller that is gone', () => {
	it.each(['loading', 'awake', 'waking'] as const)(
		'is brought up again with its calls: %s',
		async (state) => {
			const { executor } = use();
			executor.restore([
				{
					start: startOf('r0'),
					state,
					carried: new Map(),
					openCalls: [callOf('a')],
					cancelling: [callOf('b')],
				},
			]);
			expect(await stand.expect('call-ended')).toMatchObject({
				call: 'b',
				outcome: { kind: 'cancelled' },
				work: { outputTokens: 0 },
			});
			expect((await stand.expect('replica-restarting')).reason).toBe('the controller was restarted');
			await stand.expect('replica-awake');
			await stand.expect('engine-active');
			(await server.next()).finish();
			expect(await stand.expect('call-ended')).toMatchObject({ call: 'a', outcome: { kind: 'finished' } });
		},
	);

	it.each([
		['falling-asleep', ['replica-asleep']],
		['asleep-1', []],
		['asleep-2', []],
	] as const)('sleeps on, and is started when it wakes: %s', async (state, told) => {
		const { executor } = use();
		executor.restore([{ start: startOf('r0'), state, carried: new Map(), openCalls: [], cancelling: [] }]);
		for (const kind of told) expect(await stand.expect(kind)).toMatchObject({ level: 2 });
		expect(server.log).toEqual([]);
		executor.wake(R0);
		await stand.expect('replica-awake');
		expect(server.log).toContain('GET /health');
		expect(server.log).not.toContain('POST /wake_up');
	});

	it('is stopped when it was to stop', async () => {
		use().executor.restore([
			{ start: startOf('r0'), state: 'stopping', carried: new Map(), openCalls: [], cancelling: [] },
		]);
		await stand.expect('replica-stopped');
		expect(server.log).toEqual([]);
	});
});

describe('the end', () => {
	it('comes at once, whatever goes on, and nothing happens after it', async () => {
		const other = await FakeVllm.listen();
		use({ servers: { r0: server, r1: other, r2: other } });
		await stand.up('r0');
		stand.executor.dispatch(callOf('a'), R0);
		await stand.expect('engine-active');
		const asked = await server.next();
		other.health = 503;
		stand.executor.start(startOf('r1', ['gpu1']));
		stand.executor.start(startOf('r2', ['gpu1']));
		await other.seen('GET /health');
		const closed = stand.executor.close();
		expect(stand.executor.close()).toBe(closed);
		await closed;
		expect(await asked.closed).toBe(false);
		expect(kinds()).toEqual([]);
		stand.clock.advance(1e4);
		expect(kinds()).toEqual([]);
		await other.close();
	});
});

describe('a process', () => {
	const real = (behaviour: string, options: StandOptions = {}): Stand => {
		stand = new Stand({
			clock: startClock(1),
			command: (_, port) => [tinyServer, String(port), 'm', behaviour],
			...options,
		});
		return stand;
	};

	it('is journalled before it exists, runs, and is gone after its stop', async () => {
		await real('well').up();
		const pid = pidOf(stand);
		expect(stand.records).toMatchObject([
			{
				kind: 'spawning',
				replica: 'r0',
				gpus: ['gpu0'],
				command: [process.execPath, tinyServer, expect.anything(), 'm', 'well'],
			},
			{ kind: 'spawned', replica: 'r0', pid },
		]);
		stand.executor.stop(R0);
		await stand.expect('replica-stopped');
		expect(groupIsAlive(pid)).toBe(false);
		expect(stand.records[2]).toEqual({ kind: 'exited', replica: 'r0', pid, how: 'was ended by SIGTERM' });
	});

	it('that dies is started again, with a log of its own, until the budget is spent', async () => {
		await real('well', retries(1)).up();
		stand.executor.dispatch(callOf('a'), R0);
		await stand.expect('engine-active');
		await stand.expect('engine-active');
		// Whether the broken connection or the exit is noticed first, the process is gone.
		await stand.expect('replica-restarting');
		await stand.expect('replica-awake');
		await stand.expect('engine-active');
		await stand.expect('call-returned');
		await stand.expect('engine-active');
		await stand.expect('replica-failed');
		expect(stand.records.filter(({ kind }) => kind === 'spawned')).toHaveLength(2);
		const log = path.join(stand.folder, 'r0-2.log');
		expect(stand.records.findLast(({ kind }) => kind === 'spawning')).toMatchObject({ logFile: log });
		expect(lastLines(log, 5)).toEqual(['RuntimeError: the engine broke']);
	});

	it('that ends while it starts says why', async () => {
		real('fails', retries(1)).executor.start(startOf('r0'));
		const reason = 'exited with code 1 while starting: ValueError: no memory left';
		expect((await stand.expect('replica-restarting')).reason).toBe(reason);
		expect((await stand.expect('replica-failed')).reason).toBe(`${reason} (restarted 1 times before)`);
	});

	it('that is not ready in time is ended', async () => {
		const settings = { ...retries(0).settings, timeouts: { ...SMALL_LIVE.timeouts, startSeconds: 0.3 } };
		real('hangs', { settings }).executor.start(startOf('r0'));
		expect((await stand.expect('replica-failed')).reason).toBe(
			'was not ready after 0.3 s (no connection (ECONNREFUSED))',
		);
		expect(groupIsAlive(pidOf(stand))).toBe(false);
	});

	it('on a port that another program answers at is started on another one', async () => {
		// As when two runs look for a free port at the same moment: the answer comes from the other one's server.
		real('well', { servers: { r0: server }, ...retries(0) });
		stand.executor.start(startOf('r0'));
		expect((await stand.expect('replica-failed')).reason).toMatch(/^port \d+ is taken by another program/);
		const ports = stand.records.flatMap((record) => (record.kind === 'spawning' ? [record.port] : []));
		expect(ports.length).toBeGreaterThan(3);
	});

	it('does not survive the end', async () => {
		await real('well').up();
		const pid = pidOf(stand);
		await stand.executor.close();
		expect(groupIsAlive(pid)).toBe(false);
	});

	it('of a controller that is gone is ended before anything is started', async () => {
		await real('well', { runId: `gone-${process.pid}`, ...retries(0) }).up();
		const pid = pidOf(stand);
		const heir = new Stand({
			clock: startClock(1),
			command: (_, port) => [tinyServer, String(port), 'm', 'well'],
			runId: `gone-${process.pid}`,
		});
		heir.executor.restore([
			{ start: startOf('r0'), state: 'awake', carried: new Map(), openCalls: [], cancelling: [] },
		]);
		await heir.expect('replica-restarting');
		await heir.expect('replica-awake');
		expect(groupIsAlive(pid)).toBe(false);
	});
});

const tinyServer = path.join(__dirname, 'fixtures/tiny-server.cjs');

function pidOf({ records }: Stand): number {
	const spawned = records.findLast((record) => record.kind === 'spawned');
	return spawned?.kind === 'spawned' ? spawned.pid : 0;
}

function seenRunning(): Promise<void> {
	return new Promise((resolve) => {
		const look = (): void => {
			if (stand.executor.snapshot().some(({ runningCalls }) => runningCalls > 0)) resolve();
			else setImmediate(look);
		};
		look();
	});
}
