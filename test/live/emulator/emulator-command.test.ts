import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeArguments } from '../../../sim/cli/arguments.ts';
import { standAloneConfig } from '../../../sim/cli/commands/emulator-config.ts';
import type { Io } from '../../../sim/cli/io.ts';
import { mosaic } from '../../cli/support.ts';

const cwd = path.resolve(__dirname);
const io = { clockSeconds: () => 0, cwd, env: {} } as unknown as Io;

describe('mosaic emulator', () => {
	it('serves a model of an experiment on its first GPUs, with its lengths', () => {
		const values = { model: 'toy-reason', 'tensor-parallel': '2', port: '8123', speed: '2.5', seed: '7' };
		const config = standAloneConfig('tiny', makeArguments([], values), io);
		expect(config).toMatchObject({
			servedModel: 'toy-reason',
			profile: { model: 'toy-reason', tensorParallel: 2 },
			gpus: [{ gpu: 'gpu0' }, { gpu: 'gpu1' }],
			host: '127.0.0.1',
			port: 8123,
			speed: 2.5,
			seed: 7,
			gpuMemoryFolder: null,
			apiKeyVariable: null,
			endsWithStdin: false,
			lengths: { capTokens: 600 },
		});
	});

	it.each([
		[['tiny'], 'option --model: expected one of toy-reason, toy-short, toy-chatty, got nothing'],
		[['tiny', '--model', 'toy-shor'], "got 'toy-shor' (did you mean 'toy-short'?)"],
		[
			['tiny', '--model', 'toy-short', '--tensor-parallel', '3'],
			"option --tensor-parallel: expected one of 1, 2 for toy-short, got '3'",
		],
		[
			['tiny', '--model', 'toy-short', '--port', '70000'],
			"option --port: expected a port from 0 to 65535, got '70000'",
		],
		[['tiny', '--model', 'toy-short', '--speed', '0'], "option --speed: expected a number above 0, got '0'"],
		[
			['tiny', '--model', 'toy-short', '--api-key-variable', 'NOT_SET'],
			'environment variable NOT_SET, got nothing',
		],
		[[], 'expected an experiment or --config FILE, got neither'],
		[['tiny', '--config', 'x.json'], 'expected an experiment or --config FILE, got both'],
		[['--config', 'none.json'], "none.json: expected an emulator's configuration as JSON"],
		[['nowhere'], 'nowhere'],
	])('%j is a mistake, said in one line', async (words, message) => {
		const { code, stderr, stdout } = await mosaic(['emulator', ...words], { cwd });
		expect(stderr).toContain(message);
		expect(stderr.trim().split('\n')).toHaveLength(1);
		expect([code, stdout]).toEqual([2, '']);
	});
});
