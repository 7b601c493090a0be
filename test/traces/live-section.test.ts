import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../sim/domain/errors.ts';
import type { LiveSettings } from '../../sim/domain/live.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { loadExperiment } from '../../traces/index.ts';
import { plain } from './sample.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-live-'));
afterAll(() => rmSync(folder, { recursive: true }));

const head = `format: 1
name: served
cluster: { gpuType: A100-SXM-80GB, gpuCount: 1 }
pool: [Gemma, Qwen]
workload: { task: mmlu_pro, queries: 2, slots: { Gemma: 3, Qwen: 3 } }
aggregator: { model: QwenR1 }
`;

function load(live: string, sets: readonly string[] = []): Setup {
	const file = path.join(folder, 'e.yaml');
	writeFileSync(file, `${head}${live}`);
	return loadExperiment(file, { sets });
}

function messageOf(live: string): string {
	try {
		load(live);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		expect(error.message).not.toContain('\n');
		return error.message.replace(`${folder}${path.sep}`, '');
	}
	throw new Error('expected a UsageError');
}

describe('the live section', () => {
	it('has a default for everything', () => {
		expect(load('').live).toEqual({
			host: '127.0.0.1',
			firstPort: 8100,
			timeouts: { startSeconds: 900, firstTokenSeconds: 3600, silenceSeconds: 600, stopSeconds: 20 },
			retries: { callAttempts: 3, backoffSeconds: 1, replicaRestarts: 2 },
			lengths: 'simulated',
			answers: 'simulated',
			requests: { api: 'chat', temperature: 0.7 },
			vllm: { python: 'python3', models: {}, device: 'gpu', extraArguments: [], environment: {} },
			endpoints: [],
			emulator: { faults: {} },
		} satisfies LiveSettings);
	});

	it('means real lengths and answers with a question file, unless it says otherwise', () => {
		const quiz = (...sets: readonly string[]) => loadExperiment('quiz', { sets }).live;
		expect(quiz()).toMatchObject({ lengths: 'real', answers: 'real' });
		expect(quiz('live.lengths=simulated')).toMatchObject({ lengths: 'simulated', answers: 'real' });
		expect(quiz('live.answers=simulated')).toMatchObject({ lengths: 'real', answers: 'simulated' });
	});

	it('takes every field', () => {
		const { live } = load(`live:
  host: 0.0.0.0
  firstPort: 9000
  timeouts: { startSeconds: 60, firstTokenSeconds: 30, silenceSeconds: 10, stopSeconds: 5 }
  retries: { callAttempts: 1, backoffSeconds: 0, replicaRestarts: 0 }
  lengths: simulated
  requests: { api: completions, temperature: 0 }
  vllm:
    python: /opt/vllm/bin/python
    models: { Gemma: google/gemma, QwenR1: ./checkpoints/r1 }
    device: cpu
    extraArguments: [--enforce-eager]
    environment: { VLLM_TARGET_DEVICE: cpu }
  endpoints:
    - { url: 'http://10.0.0.7:8000/', model: Gemma }
    - { url: 'https://host/proxy', model: QwenR1, tensorParallel: 2, servedModel: r1, apiKeyVariable: R1_KEY }
  emulator:
    faults:
      Qwen: [{ kind: slow-start, seconds: 2.5 }, { kind: status, atRequest: 3, status: 503 }]
`);
		expect(live).toMatchObject({
			host: '0.0.0.0',
			firstPort: 9000,
			timeouts: { startSeconds: 60 },
			retries: { callAttempts: 1, backoffSeconds: 0, replicaRestarts: 0 },
			requests: { api: 'completions', temperature: 0 },
			vllm: {
				python: '/opt/vllm/bin/python',
				// Relative to the experiment file; a hub name is no path.
				models: { Gemma: 'google/gemma', QwenR1: path.resolve(folder, 'checkpoints/r1') },
				device: 'cpu',
				extraArguments: ['--enforce-eager'],
				environment: { VLLM_TARGET_DEVICE: 'cpu' },
			},
			emulator: {
				faults: {
					Qwen: [
						{ kind: 'slow-start', seconds: 2.5 },
						{ kind: 'status', atRequest: 3, status: 503 },
					],
				},
			},
		});
		expect(live.endpoints).toEqual([
			{ url: 'http://10.0.0.7:8000', model: 'Gemma', tensorParallel: 1 },
			{
				url: 'https://host/proxy',
				model: 'QwenR1',
				tensorParallel: 2,
				servedModel: 'r1',
				apiKeyVariable: 'R1_KEY',
			},
		]);
	});

	it('a --set means paths from where the program runs', () => {
		const { live } = load('', ['live.vllm.python=./venv/bin/python']);
		expect(live.vllm.python).toBe(path.resolve('venv/bin/python'));
	});

	it('changes nothing else', () => {
		const without = (setup: Setup): string => plain({ ...setup, live: load('').live, resolved: {} });
		const changed = load(
			'live: { firstPort: 9000, retries: { callAttempts: 9 }, emulator: { faults: { Gemma: [{ kind: failing-start }] } } }\n',
		);
		expect(without(changed)).toBe(without(load('')));
	});

	it.each([
		[
			'live: { hosts: x }',
			"e.yaml:7:9 live.hosts: expected one of host, firstPort, timeouts, retries, lengths, answers, requests, vllm, endpoints, emulator, got 'hosts' (did you mean 'host'?)",
		],
		['live: { firstPort: 70000 }', 'e.yaml:7:9 live.firstPort: expected at most 65535, got 70000'],
		[
			'live: { retries: { callAttempts: 0 } }',
			'e.yaml:7:20 live.retries.callAttempts: expected at least 1, got 0',
		],
		[
			'live: { timeouts: { stopSeconds: 0 } }',
			'e.yaml:7:21 live.timeouts.stopSeconds: expected more than 0, got 0',
		],
		[
			'live: { lengths: real }',
			"e.yaml:7:9 live.lengths: expected simulated, or a question file in workload.questions, got 'real'",
		],
		[
			'live: { answers: real }',
			"e.yaml:7:9 live.answers: expected simulated, or a question file in workload.questions, got 'real'",
		],
		[
			'live: { vllm: { models: { Gema: x } } }',
			"e.yaml:7:27 live.vllm.models.Gema: expected a model of this experiment (Gemma, Qwen, QwenR1), got 'Gema' (did you mean 'Gemma'?)",
		],
		[
			'live: { emulator: { faults: { GLM: [] } } }',
			"e.yaml:7:31 live.emulator.faults.GLM: expected a model of this experiment (Gemma, Qwen, QwenR1), got 'GLM'",
		],
		[
			'live: { emulator: { faults: { Gemma: [{ kind: hangs }] } } }',
			'live.emulator.faults.Gemma.0.kind: expected one of slow-start,',
		],
		[
			'live: { emulator: { faults: { Gemma: [{ kind: status, atRequest: 1, status: 200 }] } } }',
			'live.emulator.faults.Gemma.0.status: expected at least 400, got 200',
		],
		[
			'live: { emulator: { faults: { Gemma: [{ kind: hang }] } } }',
			'live.emulator.faults.Gemma.0.atRequest: expected a finite number, got nothing',
		],
		[
			"live: { endpoints: [{ url: 'http://a:1', model: LlamaR1 }] }",
			"e.yaml:7:42 live.endpoints.0.model: expected a model of this experiment (Gemma, Qwen, QwenR1), got 'LlamaR1'",
		],
		[
			"live: { endpoints: [{ url: 'a:1', model: Gemma }] }",
			'live.endpoints.0.url: expected a URL of http or https, got one of a',
		],
		[
			"live: { endpoints: [{ url: 'nowhere', model: Gemma }] }",
			'live.endpoints.0.url: expected a URL such as http://10.0.0.7:8000, got text that is none',
		],
		[
			"live: { endpoints: [{ url: 'http://a:1/v1/', model: Gemma }] }",
			'live.endpoints.0.url: expected a URL without /v1, got one with it',
		],
		[
			"live: { endpoints: [{ url: 'http://a:1/?x=1', model: Gemma }] }",
			'live.endpoints.0.url: expected a URL without query, got one with a query',
		],
	])('%s', (live, message) => {
		expect(messageOf(`${live}\n`)).toContain(message);
	});

	it.each([
		[
			"live: { endpoints: [{ url: 'http://me:s3cret@a:1', model: Gemma }] }",
			'live.endpoints.0.url: expected a URL without user and password',
		],
		[
			'live: { endpoints: [{ url: "http://a:1", model: Gemma, apiKeyVariable: sk-s3cret }] }',
			'live.endpoints.0.apiKeyVariable: expected the name of an environment variable in capitals',
		],
		[
			'live: { vllm: { extraArguments: [--api-key, s3cret] } }',
			'live.vllm.extraArguments.0: expected no --api-key',
		],
		[
			'live: { vllm: { extraArguments: [--api-key=s3cret] } }',
			'live.vllm.extraArguments.0: expected no --api-key',
		],
		[
			'live: { vllm: { environment: { VLLM_API_KEY: s3cret } } }',
			'live.vllm.environment.VLLM_API_KEY: expected no secret',
		],
		[
			'live: { vllm: { environment: { HF_TOKEN: s3cret } } }',
			'live.vllm.environment.HF_TOKEN: expected no secret',
		],
	])('a key that stands in the file is refused and not shown: %s', (live, message) => {
		const said = messageOf(`${live}\n`);
		expect(said).toContain(message);
		expect(said).not.toContain('s3cret');
	});
});
