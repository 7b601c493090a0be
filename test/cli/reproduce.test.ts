import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type CommandResult, mosaic } from './support.ts';
import { sharedFolder } from './temporary-folder.ts';

// One seed of the smallest workload: this tests the command; what it finds is tested where it is computed.
const cwd = sharedFolder();
const ranged = ['reproduce', '--workloads', 'gpqa', '--seeds', '1'];
const words = [...ranged, '--quick'];
let printed: CommandResult;
let written: CommandResult;
beforeAll(async () => {
	printed = await mosaic(ranged, { cwd });
	written = await mosaic([...words, '--seed', '0', '--json', '--quiet', '--write', 'table.md'], { cwd });
});

it('prints published beside simulated seconds, row by row, and which rows were fitted', () => {
	const { code, stdout, stderr } = printed;
	expect({ code, stderr }).toEqual({
		code: 0,
		stderr: 'running gpqa over 1 seed as published, and under each open choice\n',
	});
	expect(stdout).toMatch(
		/^gpqa +expert\/round-robin +fitted +2348\.\d +\d+\.\d +\d+\.\d to \d+\.\d +[+-]?\d+\.\d %/m,
	);
	// What is predicted has a range over what the paper leaves open; what was fitted under each choice has none.
	expect(stdout).toMatch(/^workload +row .* open choices s$/m);
	expect(stdout).toMatch(/^gpqa +expert\/ilp +predicted +922\.0 .* % +\d+\.\d to \d+\.\d$/m);
	expect(stdout).toMatch(/^gpqa +aggregator\/all +fitted .* % +-$/m);
});

it('gives the rows as a document with --json', () => {
	expect(written).toMatchObject({ code: 0, stderr: '' });
	const { rows, seeds } = JSON.parse(written.stdout);
	expect(seeds).toBe(1);
	for (const row of rows) {
		// Without the runs under each open choice there is no range.
		expect(row.choices).toBeNull();
		const { publishedSeconds, simulatedSeconds, errorPercent } = row;
		expect(row).toMatchObject({ workload: 'gpqa', row: expect.any(String), fitted: expect.any(Boolean) });
		expect(errorPercent).toBeCloseTo(
			(100 * (simulatedSeconds.mean - publishedSeconds)) / publishedSeconds,
			9,
		);
	}
	expect(rows.map(({ row }: { row: string }) => row)).toEqual(
		expect.arrayContaining(['expert/round-robin', 'expert/ilp', 'aggregator/all', 'aggregator/majority']),
	);
});

it('writes the Markdown with the command that makes it', () => {
	const markdown = readFileSync(path.join(cwd, 'table.md'), 'utf8');
	expect(markdown).toContain(
		'`mosaic reproduce --workloads gpqa --seeds 1 --quick --seed 0 --json --quiet --write table.md`',
	);
	expect(markdown).toContain('expert/ilp');
});
