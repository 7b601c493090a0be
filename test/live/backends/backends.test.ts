import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { commandText } from '../../../live/backends/command-text.ts';
import { type BackendOptions, createBackend } from '../../../live/backends/index.ts';
import { localUrl } from '../../../live/backends/local-url.ts';
import type { ReplicaStart } from '../../../sim/core/executor.ts';
import { UsageError } from '../../../sim/domain/errors.ts';
import { gpuId, hostId, modelId, replicaId } from '../../../sim/domain/ids.ts';
import type { LiveSettings } from '../../../sim/domain/live.ts';
import { findProfileOn } from '../../../sim/domain/scheduler.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import { FakeVllm, type FakeVllmOptions } from '../../support/fake-vllm.ts';
import { SMALL_LIVE, smallSetup } from '../../support/setup-builder.ts';
import { temporaryFolder } from '../process/programs.ts';

const setupOf = (live: Partial<LiveSettings> = {}): Setup =>
	smallSetup({
		gpus: 4,
		queries: [{ calls: [{ model: 'm', outputTokens: 5 }] }],
		aggregator: { model: 'agg', tensorParallel: 2 },
		live,
	});

const options = (more: Partial<BackendOptions> = {}): BackendOptions => ({
	environment: process.env,
	speed: 1,
	logFolder: temporaryFolder(),
	...more,
});

function startOf(setup: Setup, model: string, gpus: readonly string[], replica = `s-${model}`): ReplicaStart {
	const there = setup.cluster.gpus.filter(({ id }) => gpus.includes(id));
	const profile = findProfileOn(setup.profiles, modelId(model), there);
	if (profile === undefined) throw new Error('no profile');
	return { replica: replicaId(replica), model: modelId(model), gpus: gpus.map(gpuId), profile };
}

async function mistakeOf(checked: Promise<unknown>): Promise<string> {
	const error = await checked.then(
		() => null,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(UsageError);
	return (error as UsageError).message;
}

describe('a vLLM server', () => {
	const vllm = {
		...SMALL_LIVE.vllm,
		python: '/opt/vllm/bin/python',
		models: { [modelId('m')]: '/models/m' },
		extraArguments: ['--dtype', 'bfloat16'],
		environment: { VLLM_CACHE_ROOT: '/cache dir' },
	};

	it('on GPUs gets every setting of its profile, its GPUs, and nothing by default', () => {
		const setup = setupOf({ vllm });
		const command = createBackend('vllm', setup, options()).command(startOf(setup, 'm', ['gpu2']), 8103);
		expect(command).toEqual({
			executable: '/opt/vllm/bin/python',
			arguments: [
				...['-m', 'vllm.entrypoints.openai.api_server', '--model', '/models/m', '--served-model-name', 'm'],
				...['--host', '127.0.0.1', '--port', '8103', '--gpu-memory-utilization', '0.9'],
				...['--kv-cache-memory-bytes', '1601600000', '--num-gpu-blocks-override', '1001'],
				...['--max-model-len', '4096', '--max-num-seqs', '8', '--max-num-batched-tokens', '256'],
				...['--block-size', '16', '--long-prefill-token-threshold', '0', '--scheduling-policy', 'fcfs'],
				...['--watermark', '0', '--scheduler-reserve-full-isl', '--no-enable-prefix-caching'],
				...['--enable-chunked-prefill', '--no-async-scheduling', '--generation-config', 'vllm'],
				...['--enable-prompt-tokens-details', '--enable-per-request-metrics', '--shutdown-timeout', '0'],
				...['--enable-sleep-mode', '--dtype', 'bfloat16'],
			],
			environment: {
				VLLM_SERVER_DEV_MODE: '1',
				VLLM_HOST_IP: '127.0.0.1',
				VLLM_NO_USAGE_STATS: '1',
				HF_HUB_OFFLINE: '1',
				PYTHONHASHSEED: '0',
				CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
				CUDA_VISIBLE_DEVICES: '2',
				VLLM_CACHE_ROOT: '/cache dir',
			},
		});
		const text = commandText(command as NonNullable<typeof command>);
		expect(text).toContain("VLLM_CACHE_ROOT='/cache dir' /opt/vllm/bin/python -m vllm.entrypoints");
	});

	it('over several GPUs divides them by tensor parallelism, each with its share of the cache', () => {
		const setup = setupOf({ vllm });
		const command = createBackend('vllm', setup, options()).command(
			startOf(setup, 'agg', ['gpu1', 'gpu3']),
			1,
		);
		expect(command?.environment.CUDA_VISIBLE_DEVICES).toBe('1,3');
		const words = command?.arguments.join(' ');
		expect(words).toContain('--model test/agg --served-model-name agg');
		expect(words).toContain('--tensor-parallel-size 2');
		expect(words).toContain('--kv-cache-memory-bytes 800800000');
	});

	it('without GPUs stays on its core with all its processes, and is not asked to sleep', () => {
		const setup = setupOf({ vllm: { ...vllm, device: 'cpu' } });
		const backend = createBackend('vllm', setup, options());
		const command = backend.command(startOf(setup, 'm', ['gpu1']), 8101);
		expect(command?.executable).toBe('taskset');
		expect(command?.arguments.slice(0, 3)).toEqual(['-c', '1', '/opt/vllm/bin/python']);
		expect(command?.environment).toMatchObject({ VLLM_CPU_OMP_THREADS_BIND: '1', VLLM_TARGET_DEVICE: 'cpu' });
		expect(command?.arguments).not.toContain('--enable-sleep-mode');
		expect(command?.arguments).not.toContain('--gpu-memory-utilization');
		expect(backend.sleepRefusal).toBe('vLLM has no sleep mode on a CPU');
	});

	it('is reached at its port, with the key of the environment', () => {
		const setup = setupOf({ vllm, host: '0.0.0.0' });
		const environment = { VLLM_API_KEY: 'sk-1' };
		const start = startOf(setup, 'm', ['gpu0']);
		expect(createBackend('vllm', setup, options({ environment })).address(start, 8100)).toEqual({
			baseUrl: 'http://127.0.0.1:8100',
			servedModel: 'm',
			apiKey: 'sk-1',
		});
		expect(createBackend('vllm', setup, options({ environment: {} })).address(start, 8100).apiKey).toBeNull();
	});

	it.each([
		[
			{ python: 'no-such-python' },
			"live.vllm.python: expected the Python of an installation of vLLM, got 'no-such-python' (no such program)",
		],
		[
			{ python: process.execPath },
			`live.vllm.python: expected the Python of an installation of vLLM, got '${process.execPath}' (a program that fails)`,
		],
		[
			{ models: { [modelId('m')]: '/no/such/model' } },
			"live.vllm.models.m: expected a model folder with a config.json, got '/no/such/model'",
		],
	])('that cannot be is refused before anything is started: %o', async (wrong, message) => {
		const backend = createBackend('vllm', setupOf({ vllm: { ...vllm, models: {}, ...wrong } }), options());
		expect(await mistakeOf(backend.check())).toBe(message);
	});

	it('a Python without vLLM is told from one that is not there', async () => {
		const folder = temporaryFolder();
		const python = path.join(folder, 'python');
		writeFileSync(python, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
		const backend = createBackend('vllm', setupOf({ vllm: { ...vllm, models: {}, python } }), options());
		expect(await mistakeOf(backend.check())).toContain('(a Python without vLLM)');
		writeFileSync(python, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
		const model = path.join(folder, 'm');
		mkdirSync(model);
		writeFileSync(path.join(model, 'config.json'), '{}');
		const models = { [modelId('m')]: model };
		await createBackend('vllm', setupOf({ vllm: { ...vllm, models, python } }), options()).check();
	});

	it('on another host is the business of backend endpoint', async () => {
		const setup = setupOf({ vllm });
		const [first, ...others] = setup.cluster.gpus;
		const gpus = [{ ...(first as NonNullable<typeof first>), host: hostId('host1') }, ...others];
		const backend = createBackend('vllm', { ...setup, cluster: { ...setup.cluster, gpus } }, options());
		expect(await mistakeOf(backend.check())).toMatch(/^cluster: expected GPUs of one host, .*host1, host0/);
	});

	it('needs a core for each of its GPUs where there is none', async () => {
		const gpus = Array.from({ length: 600 }, (_, index) => ({
			...(setupOf().cluster.gpus[0] as Setup['cluster']['gpus'][number]),
			id: gpuId(`gpu${index}`),
		}));
		const setup = { ...setupOf({ vllm: { ...vllm, device: 'cpu' } }) };
		const backend = createBackend('vllm', { ...setup, cluster: { ...setup.cluster, gpus } }, options());
		expect(await mistakeOf(backend.check())).toMatch(/^live.vllm.device: expected a core for each GPU/);
	});

	it('runs in real time', () => {
		expect(() => createBackend('vllm', setupOf(), options({ speed: 2 }))).toThrow(
			'option --speed: expected 1 with backend vllm, got 2',
		);
	});
});

describe('an emulator', () => {
	it('is told everything in a file, at the moment of its start', async () => {
		const faults = { [modelId('m')]: [{ kind: 'failing-start' as const }] };
		const setup = setupOf({ emulator: { faults } });
		const { logFolder, ...rest } = options({ speed: 50 });
		const backend = createBackend('emulator', setup, { logFolder, ...rest });
		await backend.check();
		const start = startOf(setup, 'm', ['gpu1'], 's/1');
		const file = path.join(logFolder, 's%2F1.emulator.json');
		expect(backend.command(start, 8105)?.arguments.slice(-2)).toEqual(['--config', file]);
		expect(existsSync(file)).toBe(false);
		const beforeMs = Date.now();
		backend.prepare(start, 8105);
		const { spawnedAtMs, ...config } = JSON.parse(readFileSync(file, 'utf8')) as { spawnedAtMs: number };
		expect(spawnedAtMs).toBeGreaterThanOrEqual(beforeMs);
		expect(config).toMatchObject({
			servedModel: 'm',
			gpus: [{ gpu: 'gpu1', memoryBytes: 80e9 }],
			port: 8105,
			speed: 50,
			gpuMemoryFolder: path.join(logFolder, 'gpu-memory'),
			faults: [{ kind: 'failing-start' }],
			endsWithStdin: true,
		});
		expect(backend.address(start, 8105)).toEqual({
			baseUrl: 'http://127.0.0.1:8105',
			servedModel: 'm',
			apiKey: null,
		});
	});
});

describe('endpoints', () => {
	const servers: FakeVllm[] = [];

	afterEach(async () => {
		for (const server of servers.splice(0)) await server.close();
	});

	async function serve(options: FakeVllmOptions = {}): Promise<FakeVllm> {
		const server = await FakeVllm.listen({ models: ['m'], ...options });
		servers.push(server);
		return server;
	}

	const agg = async () => ({
		url: (await serve({ models: ['agg'] })).url,
		model: modelId('agg'),
		tensorParallel: 2,
	});

	it('are given to the replicas of their model in turn, and each keeps its own', () => {
		const endpoints = ['a', 'b'].map((name) => ({
			url: `http://${name}:8000`,
			model: modelId('m'),
			tensorParallel: 1,
		}));
		const setup = setupOf({ endpoints });
		const backend = createBackend('endpoint', setup, options());
		const urlOf = (replica: string): string =>
			backend.address(startOf(setup, 'm', ['gpu0'], replica), 1).baseUrl;
		expect(['r0', 'r1', 'r2', 'r0', 'r1'].map(urlOf)).toEqual([
			...['http://a:8000', 'http://b:8000', 'http://a:8000'],
			...['http://a:8000', 'http://b:8000'],
		]);
		expect(backend.command(startOf(setup, 'm', ['gpu0']), 1)).toBeNull();
		expect(() => backend.address(startOf(setup, 'agg', ['gpu0']), 1)).toThrow(
			'live.endpoints: expected a server for model agg with tensorParallel 1, got none',
		);
	});

	it('serve replicas on as many GPUs as they run on', () => {
		const endpoints = [1, 2].map((tensorParallel) => ({
			url: `http://on-${tensorParallel}:8000`,
			model: modelId('m'),
			tensorParallel,
		}));
		const setup = setupOf({ endpoints });
		const backend = createBackend('endpoint', setup, options());
		const one = startOf(setup, 'm', ['gpu0'], 'one');
		const both = { ...one, replica: replicaId('both'), gpus: [gpuId('gpu0'), gpuId('gpu1')] };
		expect(backend.address(one, 1).baseUrl).toBe('http://on-1:8000');
		expect(backend.address(both, 1).baseUrl).toBe('http://on-2:8000');
	});

	it('that are as the experiment says pass', async () => {
		const { url } = await serve({ models: ['real-name', 'lora'], apiKey: 'sk-1' });
		const m = {
			url,
			model: modelId('m'),
			tensorParallel: 1,
			servedModel: 'real-name',
			apiKeyVariable: 'KEY',
		};
		const unused = { url: 'http://127.0.0.1:1', model: modelId('unused'), tensorParallel: 1 };
		const setup = setupOf({ endpoints: [m, await agg(), unused] });
		const backend = createBackend('endpoint', setup, options({ environment: { KEY: 'sk-1' } }));
		await backend.check();
		expect(backend.address(startOf(setup, 'm', ['gpu0']), 1)).toEqual({
			baseUrl: url,
			servedModel: 'real-name',
			apiKey: 'sk-1',
		});
	});

	it.each([
		[
			'a model that nobody serves',
			{},
			{ model: modelId('other') },
			{},
			'live.endpoints: expected a server for model m, got none',
		],
		[
			'another model',
			{ models: ['x', 'y'] },
			{},
			{},
			"live.endpoints[0]: expected the server of m, but URL serves 'x', 'y', not 'm'",
		],
		[
			'a smaller context',
			{ maxModelLen: 1024 },
			{},
			{},
			'live.endpoints[0]: expected the server of m, but URL has a context (max_model_len) of 1024, its profile says 4096',
		],
		[
			'no key where one is wanted',
			{ apiKey: 'sk-1' },
			{},
			{},
			'live.endpoints[0]: expected a key that URL accepts, got no key (apiKeyVariable is not set)',
		],
		[
			'a wrong key',
			{ apiKey: 'sk-1' },
			{ apiKeyVariable: 'KEY' },
			{ KEY: 'sk-2' },
			'live.endpoints[0]: expected a key that URL accepts, got the key in KEY',
		],
		[
			'a key that is not set',
			{},
			{ apiKeyVariable: 'KEY' },
			{},
			'URL: expected its API key in the environment variable KEY, got nothing',
		],
	] as const)('%s: one line', async (_, server, endpoint, environment, message) => {
		const { url } = await serve(server);
		const endpoints = [{ url, model: modelId('m'), tensorParallel: 1, ...endpoint }, await agg()];
		const backend = createBackend('endpoint', setupOf({ endpoints }), options({ environment }));
		const said = await mistakeOf(backend.check());
		expect(said.replaceAll(url, 'URL')).toBe(message);
		expect(said).not.toContain('sk-');
	});

	it('nobody there, and a server that is not vLLM: one line', async () => {
		const gone = await FakeVllm.listen();
		const { url } = gone;
		await gone.close();
		const of = async (where: string): Promise<string> => {
			const endpoints = [{ url: where, model: modelId('m'), tensorParallel: 1 }, await agg()];
			return mistakeOf(createBackend('endpoint', setupOf({ endpoints }), options()).check());
		};
		expect(await of(url)).toBe(
			`live.endpoints[0]: expected a vLLM server at ${url}, got no connection (ECONNREFUSED)`,
		);
		const { url: other } = await serve();
		expect(await of(`${other}/elsewhere`)).toBe(
			`live.endpoints[0]: expected a vLLM server at ${other}/elsewhere, got a server that is none (HTTP 404: Not Found)`,
		);
	});
});

describe('a URL of this machine', () => {
	it.each([
		['127.0.0.1', 'http://127.0.0.1:80'],
		['0.0.0.0', 'http://127.0.0.1:80'],
		['::', 'http://[::1]:80'],
		['fd00::1', 'http://[fd00::1]:80'],
		['box', 'http://box:80'],
	])('for host %s', (host, url) => {
		expect(localUrl(host, 80)).toBe(url);
	});
});
