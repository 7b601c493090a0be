import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Arguments } from '../../sim/cli/arguments.ts';
import type { Command } from '../../sim/cli/command-table.ts';
import { commands } from '../../sim/cli/command-table.ts';
import { Interrupted } from '../../sim/cli/exit.ts';
import type { Io } from '../../sim/cli/io.ts';
import { PolicyError, UsageError } from '../../sim/domain/errors.ts';
import { type CommandResult, mosaic } from './support.ts';

/** The program's own commands with another body: what is tested here is the shell around them. */
function shell(words: readonly string[], body: (args: Arguments, io: Io) => unknown): Promise<CommandResult> {
	const faked: readonly Command[] = commands.map((command) => ({
		...command,
		load: async () => async (args, io) => {
			await body(args, io);
			return 0;
		},
	}));
	return mosaic(words, { cwd: '.', commands: faked });
}

/** A mistake is exit 2, one line on stderr, and nothing on stdout. */
async function mistake(
	words: readonly string[],
	body: (args: Arguments, io: Io) => unknown,
): Promise<string> {
	const result = await shell(words, body);
	expect(result).toMatchObject({ code: 2, stdout: '' });
	expect(result.stderr).toMatch(/^mosaic: [^\n]+\n$/);
	return result.stderr.slice('mosaic: '.length, -1);
}

const never = (): void => {
	throw new Error('the command must not be called');
};

describe('the command line', () => {
	it('prints help with every command and exits 0', async () => {
		const { code, stdout, stderr } = await shell(['--help'], never);
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		for (const name of [
			'simulate',
			'compare',
			'plan',
			'report',
			'reproduce',
			'list',
			'schema',
			'engine',
			'notebook',
		]) {
			expect(stdout).toMatch(new RegExp(`^  mosaic ${name}\\b`, 'm'));
		}
	});

	it('prints the help of a command, and of one that has two words', async () => {
		expect((await shell(['simulate', '--help'], never)).stdout).toContain('--gate');
		expect((await shell(['engine', 'replay', '--help'], never)).stdout).toContain('--mode');
	});

	it('prints the version of package.json', async () => {
		const { version } = JSON.parse(readFileSync(path.join(__dirname, '../../package.json'), 'utf8'));
		expect(await shell(['--version'], never)).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
	});

	it('hands every value over as it was typed', async () => {
		let seen: unknown;
		const words = [
			'--json',
			'compare',
			'1e3',
			'007',
			'--set',
			'a.b=1=2',
			'--seeds',
			'5',
			'--set',
			'c=',
			'--gates',
			'never, majority',
		];
		await shell(words, (args) => {
			seen = {
				words: args.words,
				targets: args.texts('target'),
				sets: args.sets(),
				seeds: args.whole('seeds', 1),
				seed: args.whole('seed', 0),
				gates: args.names('gates'),
				json: args.flag('json'),
				quiet: args.flag('quiet'),
			};
		});
		expect(seen).toEqual({
			words,
			targets: ['1e3', '007'],
			sets: ['a.b=1=2', 'c='],
			seeds: 5,
			seed: undefined,
			gates: ['never', 'majority'],
			json: true,
			quiet: false,
		});
	});

	it.each([
		[['simlate', 'tiny'], "unknown command 'simlate' (did you mean 'simulate'?); see mosaic --help"],
		[
			['--seed', '1', 'simlate', 'tiny'],
			"unknown command 'simlate' (did you mean 'simulate'?); see mosaic --help",
		],
		[['engine', 'repaly', 'x'], "unknown command 'repaly' (did you mean 'replay'?); see mosaic --help"],
		[['xyzzy'], "unknown command 'xyzzy'; see mosaic --help"],
		[
			['simulate', 'tiny', '--sheduler', 'ilp'],
			"unknown option --sheduler (did you mean '--scheduler'?); see mosaic simulate --help",
		],
		[
			['simulate', 'tiny', '--sedd=1'],
			"unknown option --sedd (did you mean '--seed'?); see mosaic simulate --help",
		],
		[
			['simulate', 'tiny', '--no-json'],
			"unknown option --no-json (did you mean '--json'?); see mosaic simulate --help",
		],
		[['simulate', 'tiny', '-z'], 'unknown option -z; see mosaic simulate --help'],
		[
			['simulate', 'tiny', 'mmlu-pro'],
			"unexpected argument 'mmlu-pro'; expected mosaic simulate <experiment>",
		],
		[['simulate', 'tiny', '--', 'mmlu-pro'], "unexpected argument 'mmlu-pro'"],
		[['list', 'all'], "unexpected argument 'all'; expected mosaic list"],
		[['simulate'], 'expected mosaic simulate <experiment>, got no experiment'],
		[['compare', '--seeds', '3'], 'expected mosaic compare <target..>, got no target'],
		[['engine', 'replay'], 'expected mosaic engine replay <file..>, got no file'],
		[['simulate', 'tiny', '--seed'], 'option --seed: expected a value, got none'],
		[['engine'], 'no command given; expected one of: engine replay'],
	])('answers %j with one line', async (words, line) => {
		expect(await mistake(words, never)).toBe(line);
	});

	it('says which commands there are when none is given', async () => {
		expect(await mistake([], never)).toMatch(/^no command given; expected one of: simulate, compare, /);
	});
});

describe('values of options', () => {
	it.each(['-1', '1.5', 'NaN', 'Infinity', '1e3', '0x10', 'seven', ' 1', '9007199254740993'])(
		'refuses %j as a seed',
		async (text) => {
			expect(await mistake(['simulate', 'tiny', `--seed=${text}`], (args) => args.whole('seed', 0))).toBe(
				`option --seed: expected a whole number, 0 or more, got '${text}'`,
			);
		},
	);

	it('takes 0 as a seed but not as a count', async () => {
		expect((await shell(['simulate', 'tiny', '--seed', '0'], (args) => args.whole('seed', 0))).code).toBe(0);
		expect(await mistake(['compare', 'tiny', '--seeds', '0'], (args) => args.whole('seeds', 1))).toBe(
			"option --seeds: expected a whole number, 1 or more, got '0'",
		);
	});

	it('refuses a seed given twice', async () => {
		const words = ['simulate', 'tiny', '--seed', '1', '--seed', '2'];
		expect(await mistake(words, (args) => args.whole('seed', 0))).toBe(
			'option --seed: expected to be given once, got it 2 times',
		);
	});

	it.each([
		['novalue', "option --set: expected path=value, got 'novalue'"],
		['=1', "option --set: expected path=value, got '=1'"],
	])('refuses --set %s', async (text, line) => {
		expect(await mistake(['simulate', 'tiny', '--set', text], (args) => args.sets())).toBe(line);
	});

	it.each([
		['ilp,,greedy', "option --schedulers: expected names separated by commas, got 'ilp,,greedy'"],
		['ilp,ilp', "option --schedulers: expected each name once, got 'ilp' twice"],
	])('refuses --schedulers %s', async (text, line) => {
		expect(await mistake(['compare', 'tiny', '--schedulers', text], (args) => args.names('schedulers'))).toBe(
			line,
		);
	});
});

describe('what goes wrong inside a command', () => {
	it('is one line and exit 2 for a mistake of the user, however long the message', async () => {
		const line = await mistake(['list'], () => {
			throw new UsageError('E_X', 'first\n   second\n');
		});
		expect(line).toBe('first; second');
	});

	it('is one line and exit 1 for a device that is full', async () => {
		const { code, stderr } = await shell(['list'], () => {
			throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
		});
		expect({ code, stderr }).toEqual({
			code: 1,
			stderr: 'mosaic: a file could not be written: ENOSPC: no space left on device, write\n',
		});
	});

	it.runIf(existsSync('/dev/full'))('is such a line too where stdout is a full device', () => {
		const full = openSync('/dev/full', 'w');
		const words = ['-r', 'ts-node/register', 'sim/cli/main.ts', 'list'];
		const options = { cwd: path.join(__dirname, '../..'), encoding: 'utf8' } as const;
		const stdoutFull = spawnSync(process.execPath, words, { ...options, stdio: ['ignore', full, 'pipe'] });
		expect(stdoutFull).toMatchObject({
			status: 1,
			stderr: expect.stringMatching(/^mosaic: standard output could not be written: ENOSPC: [^\n]*\n$/),
		});
		// Chatter that cannot be written is no loss.
		const stderrFull = spawnSync(process.execPath, [...words, '--wrong'], {
			...options,
			stdio: ['ignore', 'pipe', full],
		});
		closeSync(full);
		expect(stderrFull).toMatchObject({ status: 2, stdout: '' });
	});

	it('is a stack and exit 1 for a bug', async () => {
		const { code, stderr, stdout } = await shell(['list', '--json'], () => {
			throw new Error('internal error: boom');
		});
		expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
		expect(stderr).toMatch(/^Error: internal error: boom\n {4}at .*program\.test\.ts/);
	});

	it('is a stack and exit 1 for a scheduler that breaks its contract', async () => {
		const { code, stderr } = await shell(['list'], () => {
			throw new PolicyError('worst', 'left work undone');
		});
		expect(code).toBe(1);
		expect(stderr).toMatch(/scheduler 'worst': left work undone\n {4}at /);
	});

	it('is one line and exit 130 when the user interrupts', async () => {
		const { code, stderr } = await shell(['list'], () => {
			throw new Interrupted('interrupted; what was done is in runs/x');
		});
		expect({ code, stderr }).toEqual({
			code: 130,
			stderr: 'mosaic: interrupted; what was done is in runs/x\n',
		});
	});
});
