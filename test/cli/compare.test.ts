import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, mosaic } from './support.ts';
import { sharedFolder } from './temporary-folder.ts';

const cwd = sharedFolder();
const read = (...parts: string[]): string => readFileSync(path.join(cwd, ...parts), 'utf8');
const readJson = (...parts: string[]) => JSON.parse(read(...parts));
const words = [
	'compare',
	'tiny',
	'--schedulers',
	'round-robin,greedy',
	'--gates',
	'never',
	'--seeds',
	'2',
	'--seed',
	'3',
];
const CELLS = ['round-robin--never', 'greedy--never'] as const;

let compared: CommandResult;
beforeAll(async () => {
	compared = await mosaic([...words, '--out', 'cmp'], { cwd });
});

describe('schedulers on one experiment', () => {
	it('are printed as a table, with the way to the report', () => {
		const { code, stdout, stderr } = compared;
		expect({ code, stderr }).toEqual({
			code: 0,
			stderr: 'running tiny: 2 schedulers, gate never, seeds 3 to 4: 4 runs, into cmp\ndrawing the report\n',
		});
		expect(stdout).toMatch(/^tiny, seeds 3 to 4, gate never, baseline round-robin\/never\n/);
		expect(stdout).toMatch(/^greedy +\d/m);
		expect(stdout).toMatch(/\nrun folder: cmp\nreport: +cmp\/report\.html\n$/);
	});

	it('leave a folder with the runs, whole ones for the first seed', () => {
		expect(readdirSync(path.join(cwd, 'cmp')).sort()).toEqual(
			['README.md', 'charts', 'experiment.yaml', 'report.html', 'runs', 'status.json', 'summary.json'].sort(),
		);
		for (const cell of CELLS) {
			expect(readdirSync(path.join(cwd, 'cmp/runs', cell)).sort()).toEqual(['seed3', 'seed4']);
			expect(readdirSync(path.join(cwd, 'cmp/runs', cell, 'seed3'))).toContain('events.jsonl');
			expect(readdirSync(path.join(cwd, 'cmp/runs', cell, 'seed4')).sort()).toEqual([
				'plan.json',
				'summary.json',
			]);
			expect(readJson('cmp/runs', cell, 'seed3/status.json').state).toBe('complete');
		}
		expect(readJson('cmp/status.json')).toMatchObject({ kind: 'comparison', state: 'complete' });
	});

	it('say how to get the logs that were not kept, and that gives the run of the comparison', async () => {
		const [, line = ''] = /^ {4}mosaic (.*)$/m.exec(read('cmp/README.md')) ?? [];
		expect(line).toBe('simulate tiny --scheduler round-robin --gate never --seed 4');
		await mosaic([...line.split(' '), '--out', 'other-seed', '--quiet'], { cwd });
		expect(read('other-seed/summary.json')).toBe(read('cmp/runs/round-robin--never/seed4/summary.json'));
	});

	it('are told apart by the ratio of makespans, seed by seed', () => {
		const makespan = (cell: string, seed: number): number =>
			readJson('cmp/runs', cell, `seed${seed}`, 'summary.json').makespanSeconds;
		const { baseline, seeds, rows } = readJson('cmp/summary.json');
		expect({ baseline, seeds }).toEqual({ baseline: 'round-robin/never', seeds: [3, 4] });
		const ratios = seeds.map((seed: number) => makespan(CELLS[0], seed) / makespan(CELLS[1], seed));
		expect(rows[1]).toMatchObject({ scheduler: 'greedy', gate: 'never' });
		expect(rows[1].speedup.mean).toBeCloseTo(Math.sqrt(ratios[0] * ratios[1]), 12);
	});

	it('give the same document with --json, and another baseline when asked', async () => {
		const json = await mosaic([...words, '--json', '--quiet', '--baseline', 'greedy', '--out', 'cmp2'], {
			cwd,
		});
		expect(json).toEqual({ code: 0, stderr: '', stdout: read('cmp2/summary.json') });
		expect(JSON.parse(json.stdout).baseline).toBe('greedy/never');
		expect(
			JSON.parse(json.stdout).rows.map(({ makespanSeconds }: { makespanSeconds: object }) => makespanSeconds),
		).toEqual(
			readJson('cmp/summary.json').rows.map(
				({ makespanSeconds }: { makespanSeconds: object }) => makespanSeconds,
			),
		);
	});
});

it('exits 3 when calls of any run failed', async () => {
	const short = ['--set', 'engine.config.maxModelLen=300', '--schedulers', 'greedy', '--seeds', '1'];
	const { code, stdout, stderr } = await mosaic(['compare', 'tiny', ...short, '--json'], { cwd });
	expect(code).toBe(3);
	expect(JSON.parse(stdout).rows).toHaveLength(1);
	expect(stderr).toMatch(/^\d+ calls failed; see calls\.csv of the runs$/m);
});

describe('finished runs', () => {
	const runs = ['cmp/runs/round-robin--never/seed3', 'cmp/runs/greedy--never/seed3'];

	it('are laid side by side, each against the first', async () => {
		const { code, stdout, stderr } = await mosaic(['compare', ...runs], { cwd });
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		const [a, b] = runs.map((run) => readJson(run, 'summary.json').makespanSeconds);
		const difference = ((100 * (b - a)) / a).toFixed(1);
		expect(stdout).toContain(`A  ${runs[0]}\nB  ${runs[1]}\n`);
		expect(stdout).toMatch(
			new RegExp(`^makespan s +${a.toFixed(1)} +${b.toFixed(1)} \\(${difference} %\\)$`, 'm'),
		);
		expect(stdout).toMatch(/^latency, query by query +- +[+-]\d+\.\d % over 12$/m);
	});

	it('are a document with --json, whichever is the baseline', async () => {
		const { stdout } = await mosaic(['compare', ...runs, '--json', '--baseline', 'greedy'], { cwd });
		const { format, baseline, rows } = JSON.parse(stdout);
		expect({ format, baseline }).toEqual({ format: 1, baseline: 'greedy/never' });
		expect(rows).toMatchObject([
			{ run: runs[1], scheduler: 'greedy', speedup: { mean: 1 }, differencePercent: { makespanSeconds: 0 } },
			{
				run: runs[0],
				scheduler: 'round-robin',
				wins: null,
				world: 'simulated',
				pairedLatency: { queries: 12 },
			},
		]);
		const ratio = rows[1].makespanSeconds.mean / rows[0].makespanSeconds.mean;
		expect(rows[1].differencePercent.makespanSeconds).toBeCloseTo(100 * (ratio - 1), 9);
		expect(rows[1].speedup.mean).toBeCloseTo(1 / ratio, 12);
	});

	it('need not have kept their logs, and then are not paired by query', async () => {
		const kept = 'cmp/runs/round-robin--never/seed4';
		const { code, stdout } = await mosaic(['compare', runs[0] ?? '', kept, '--json'], { cwd });
		expect(code).toBe(0);
		expect(JSON.parse(stdout).rows[1]).toMatchObject({
			run: kept,
			seed: 4,
			world: null,
			pairedLatency: null,
		});
	});

	it('that answer other questions are shown without differences, and why', async () => {
		const other = 'cmp/runs/round-robin--never/seed4';
		const { code, stdout } = await mosaic(['compare', runs[0] ?? '', other, runs[1] ?? ''], { cwd });
		expect(code).toBe(0);
		expect(stdout).toMatch(/^status +complete +complete +complete$/m);
		expect(stdout).toMatch(/\nno differences for B: other draws \(seed 4, not 3\)\n$/);
		expect(stdout).toMatch(/^makespan s +\d+\.\d +\d+\.\d +\d+\.\d \(.* %\)$/m);
		const json = await mosaic(['compare', runs[0] ?? '', other, '--json'], { cwd });
		const [, row] = JSON.parse(json.stdout).rows;
		expect(row).toMatchObject({ speedup: null, wins: null, incomparable: 'other draws (seed 4, not 3)' });
		expect(new Set(Object.values(row.differencePercent))).toEqual(new Set([null]));
	});

	it('that were interrupted are shown without differences, on either side', async () => {
		const controller = new AbortController();
		const half = ['simulate', 'tiny', '--seed', '3', '--scheduler', 'greedy', '--gate', 'never'];
		await mosaic([...half, '--out', 'half'], {
			cwd,
			signal: controller.signal,
			onStderr: () => controller.abort(),
		});
		const [whole = ''] = runs;
		const after = await mosaic(['compare', whole, 'half'], { cwd });
		expect(after.stdout).toMatch(/^status +complete +interrupted$/m);
		expect(after.stdout).toMatch(/\nno differences for B: interrupted before the end\n$/);
		const before = await mosaic(['compare', 'half', whole], { cwd });
		expect(before.stdout).toMatch(/\nno differences for B: A was interrupted before the end\n$/);
		for (const { stdout } of [after, before]) expect(stdout).not.toMatch(/\([+-]?\d+\.\d %\)/);
	});

	it('of other experiments are shown without differences', async () => {
		const [whole = ''] = runs;
		await mosaic(['simulate', 'tiny', '--seed', '3', '--set', 'name=tinier', '--out', 'tinier', '--quiet'], {
			cwd,
		});
		const { stdout } = await mosaic(['compare', whole, 'tinier'], { cwd });
		expect(stdout).toMatch(/\nno differences for B: another experiment \(tinier, not tiny\)\n$/);
	});

	it('get a report of their own with --out', async () => {
		const { code } = await mosaic(['compare', ...runs, '--out', 'side', '--quiet'], { cwd });
		expect(code).toBe(0);
		expect(readdirSync(path.join(cwd, 'side')).sort()).toEqual([
			'charts',
			'report.html',
			'status.json',
			'summary.json',
		]);
	});
});

describe('mosaic report', () => {
	/** Digests of the chart specifications; the names of all chart files. */
	const chartsOf = (folder: string): Record<string, string> =>
		Object.fromEntries(
			readdirSync(path.join(cwd, folder, 'charts')).map((name) => [
				name,
				name.endsWith('.vl.json')
					? createHash('sha256')
							.update(read(folder, 'charts', name))
							.digest('hex')
					: '',
			]),
		);

	it.each(['cmp/runs/greedy--never/seed3', 'cmp'])(
		'makes the very charts and page of %s again',
		async (folder) => {
			const charts = chartsOf(folder);
			const page = read(folder, 'report.html');
			for (const name of ['charts', 'report.html']) rmSync(path.join(cwd, folder, name), { recursive: true });
			// A single run needs nothing but its log.
			if (folder !== 'cmp')
				for (const name of ['summary.json', 'plan.json']) rmSync(path.join(cwd, folder, name));
			const { code, stdout } = await mosaic(['report', folder, '--json', '--quiet'], { cwd });
			expect(code).toBe(0);
			expect(JSON.parse(stdout)).toMatchObject({
				format: 1,
				runs: [folder],
				report: `${folder}/report.html`,
			});
			expect(chartsOf(folder)).toEqual(charts);
			expect(read(folder, 'report.html') === page).toBe(true);
		},
	);

	it('puts several runs into a folder of their own', async () => {
		const runs = CELLS.map((cell) => `cmp/runs/${cell}/seed3`);
		const { stdout } = await mosaic(['report', ...runs, '--quiet'], { cwd });
		expect(stdout).toBe('report: runs/tiny-report/report.html\n');
		for (const label of ['round-robin / never', 'greedy / never']) {
			expect(read('runs/tiny-report/report.html').includes(label)).toBe(true);
		}
		expect(existsSync(path.join(cwd, 'runs/tiny-report/charts/gantt.svg'))).toBe(true);
	});
});
