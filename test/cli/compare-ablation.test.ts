import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ADAPTIVE_SWITCHES } from '../../solver/adaptive/switches.ts';
import { type CommandResult, mosaic } from './support.ts';
import { sharedFolder } from './temporary-folder.ts';

const cwd = sharedFolder();
const words = ['compare', 'tiny', '--ablation', '--seeds', '1', '--seed', '4'];
const VARIANTS = [
	'adaptive',
	...ADAPTIVE_SWITCHES.map((name) => `adaptive:all-${name}`),
	...ADAPTIVE_SWITCHES.map((name) => `adaptive:none+${name}`),
	'adaptive:none',
];

describe('mosaic compare --ablation', () => {
	let compared: CommandResult;
	beforeAll(async () => {
		compared = await mosaic([...words, '--json', '--out', 'abl'], { cwd });
	}, 300_000);

	it('runs adaptive with everything, without each idea, with each alone and with none', () => {
		const { format, baseline, gate, seeds, rows } = JSON.parse(compared.stdout);
		expect({ code: compared.code, format, baseline, gate, seeds }).toEqual({
			code: 0,
			format: 1,
			baseline: 'adaptive/majority',
			gate: 'majority',
			seeds: [4],
		});
		expect(rows.map(({ scheduler }: { scheduler: string }) => scheduler)).toEqual(VARIANTS);
		expect(rows[0]).toMatchObject({ kind: 'all', idea: null, changePercent: { mean: 0 } });
		expect(rows[1]).toMatchObject({ kind: 'off', idea: 'early', cancelledCalls: { mean: 0 } });
		expect(rows.at(-1)).toMatchObject({ kind: 'none', changeFromNonePercent: { mean: 0 } });
		expect(readFileSync(path.join(cwd, 'abl/summary.json'), 'utf8')).toBe(compared.stdout);
	});

	it('names folders as every file system takes them, and writes two of the runs in full', () => {
		const cells = readdirSync(path.join(cwd, 'abl/runs'));
		expect(cells).toHaveLength(VARIANTS.length);
		expect(cells.filter((cell) => /[<>:"|?*\\]/.test(cell))).toEqual([]);
		const isWhole = (cell: string): boolean =>
			existsSync(path.join(cwd, 'abl/runs', cell, 'seed4/events.jsonl'));
		expect(cells.filter(isWhole)).toEqual(['adaptive--majority', 'adaptive_none--majority']);
		expect(readFileSync(path.join(cwd, 'abl/README.md'), 'utf8')).toContain(
			'The runs of seed 4 with adaptive and adaptive:none are whole run folders',
		);
	});
});

it('a single run of a variant has a folder of a name that every file system takes', async () => {
	const run = ['simulate', 'tiny', '--scheduler', 'adaptive:all-cuts', '--quiet'];
	await mosaic(run, { cwd });
	expect(readdirSync(path.join(cwd, 'runs'))).toEqual(['tiny-adaptive_all-cuts-majority-seed0']);
});

it.each([
	[['--schedulers', 'greedy,ilp'], /^mosaic: option --schedulers: expected without --ablation, .*\n$/],
	[['--baseline', 'greedy'], /^mosaic: option --baseline: expected without --ablation, .*\n$/],
	[
		['--gates', 'never,majority'],
		/^mosaic: option --gates: expected one gate with --ablation, got 2 \(.*\)\n$/,
	],
])('%s beside it is a mistake', async (more, message) => {
	const { code, stdout, stderr } = await mosaic([...words, ...more, '--out', 'wrong'], { cwd });
	expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
	expect(existsSync(path.join(cwd, 'wrong'))).toBe(false);
});
