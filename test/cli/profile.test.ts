import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineOf } from '../../sim/cli/nvidia-machine.ts';
import { loadExperiment, readMeasuredProfile } from '../../traces/index.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Steps of eight milliseconds: long against what a busy machine does to a timer. */
const EXPERIMENT = `
format: 1
name: slow-toy
cluster: { gpuType: toy, gpuCount: 1, hostRamBytes: 1000000000 }
gpuTypes: { toy: { memoryBytes: 100000000 } }
engine:
  profile: vllm-v1
  config: { maxNumSeqs: 4, maxNumBatchedTokens: 512, maxModelLen: 400, blockSize: 16, numGpuBlocks: 200, asyncScheduling: false }
  hostUs: 0
  hostPerSequenceUs: 0
  loadFixedSeconds: 0.5
  reserveBytesPerGpu: 0
models:
  toy:
    checkpoint: none
    modelClass: instruct
    weightBytes: 1000000
    kvBytesPerToken: 100
    contextLimitTokens: 400
    outputLimitTokens: 100
    attentionHeads: 2
    tokenizer: bytes
    stepCost: { baseUs: 8000, perTokenOverKneeUs: 100, kneeTokens: 0, perDecodeSequenceUs: 400, perContextTokenUs: 0 }
pool: [toy]
workload: { task: mmlu_pro, queries: 2, slotsPerQuery: 1, slots: { toy: 2 }, lengths: { toy: { body: { family: constant, tokens: 20 }, capTokens: 90 } } }
aggregator: null
`;

const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };

describe('mosaic profile', () => {
	it('measures an emulator and finds what it was told, in a profile that experiments take', async () => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'toy.yaml'), EXPERIMENT);
		const questions = ['a', 'b', 'c'].map((id) =>
			JSON.stringify({ id, task: 'sums', question: 'What is 2 + 3?', kind: 'number', answer: 5 }),
		);
		writeFileSync(path.join(cwd, 'questions.jsonl'), `${questions.join('\n')}\n`);
		const words = ['profile', 'toy.yaml', '--backend', 'emulator', '--starts', '2', '--out', 'out'];
		const { code, stdout, stderr } = await mosaic([...words, '--questions', 'questions.jsonl'], { cwd, env });
		expect(stderr).toContain('measuring toy on gpu0, backend emulator');
		expect(code).toBe(0);
		expect(stdout).toContain('sleep level 1    asleep in');

		const profile = readMeasuredProfile(path.join(cwd, 'out/profile.json'));
		expect(profile).toMatchObject({
			model: { id: 'toy', tokenizer: 'bytes', tokensPerByte: 1 },
			gpu: { type: 'toy', memoryBytes: 100_000_000 },
			engine: { name: 'mosaic emulator', config: { blockSize: 16, numGpuBlocks: 200, maxModelLen: 400 } },
			times: { load: { samples: 2 }, stop: { samples: 2 }, sleep1: { sleep: { samples: 3 } } },
		});
		// Only ever later than told: by what a busy machine adds.
		const alone = profile.step.baseUs + profile.step.perDecodeSequenceUs;
		expect(alone).toBeGreaterThan(8000);
		expect(alone).toBeLessThan(11_000);
		expect(profile.times.load.seconds).toBeGreaterThan(0.5);
		expect(Object.keys(profile.lengths)).toEqual(['sums']);
		expect(profile.lengths.sums?.expert?.samples).toBe(3);

		writeFileSync(
			path.join(cwd, 'with-profile.yaml'),
			EXPERIMENT.replace(/models:[\s\S]*?pool:/, 'profiles: [out/profile.json]\npool:'),
		);
		const setup = loadExperiment(path.join(cwd, 'with-profile.yaml'));
		expect(setup.profiles.map(({ step }) => step.baseUs)).toEqual([profile.step.baseUs]);
	});

	it('is stopped by Ctrl-C and leaves no server', async () => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'toy.yaml'), EXPERIMENT);
		const controller = new AbortController();
		const { code, stderr } = await mosaic(['profile', 'toy.yaml', '--backend', 'emulator', '--out', 'out'], {
			cwd,
			env,
			signal: controller.signal,
			onStderr: (text) => {
				if (text.includes('measuring')) controller.abort();
			},
		});
		expect(stderr).toContain('everything is stopped');
		expect(code).toBe(130);
		expect(JSON.parse(readFileSync(path.join(cwd, 'out/status.json'), 'utf8')).state).toBe('interrupted');
	});

	it.each([
		[['profile'], /expected a model folder in --model, or an experiment, got neither/],
		[['profile', '--backend', 'emulator'], /expected an experiment, got neither/],
		[['profile', '--model', 'nothing'], /nothing: expected a model folder with a config.json/],
		[
			['profile', '--model', 'broken', '--device', 'cpu'],
			/broken\/config.json: hidden_size: expected a whole/,
		],
		[['profile', 'tiny', '--backend', 'endpoint'], /backend/],
		[['profile', 'toy.yaml', '--backend', 'emulator', '--model', 'toi'], /--model: expected toy, got 'toi'/],
		[
			['profile', 'toy.yaml', '--backend', 'emulator', '--tensor-parallel', '4'],
			/--tensor-parallel: expected 1 for toy, got '4'/,
		],
		[
			['profile', 'toy.yaml', '--backend', 'emulator', '--gpu', '3'],
			/--gpu: expected 1 of toy from that one on, got 0/,
		],
		[
			['profile', 'toy.yaml', '--backend', 'emulator', '--questions', 'none.jsonl'],
			/none.jsonl: expected a question file/,
		],
	])('%j is a mistake that leaves nothing behind', async (words, message) => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'toy.yaml'), EXPERIMENT);
		mkdirSync(path.join(cwd, 'broken'));
		writeFileSync(path.join(cwd, 'broken/config.json'), '{}');
		const { code, stderr } = await mosaic([...words, '--out', 'out'], { cwd, env });
		expect(stderr.trimEnd().split('\n')).toHaveLength(1);
		expect(stderr).toMatch(message);
		expect(code).toBe(2);
		expect(readdirSync(cwd).sort()).toEqual(['broken', 'toy.yaml']);
	});

	it('reads the GPUs of a machine from its driver', () => {
		expect(machineOf('NVIDIA H200, 143771\nNVIDIA H200, 143771\n', undefined)).toEqual({
			device: 'gpu',
			gpuType: 'H200',
			memoryBytes: 143_771 * 2 ** 20,
			gpuCount: 2,
		});
		expect(machineOf('NVIDIA A100-SXM4-80GB, 81920\n', 'A100-SXM-80GB')?.gpuType).toBe('A100-SXM-80GB');
		expect(machineOf('No devices were found\n', undefined)).toBeUndefined();
	});
});
