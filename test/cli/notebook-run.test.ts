import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const notebook = (source: string): string =>
	JSON.stringify({
		cells: [
			{ cell_type: 'code', execution_count: null, id: 'a', metadata: {}, outputs: [], source: [source] },
		],
		metadata: { kernelspec: { display_name: 'Deno', language: 'typescript', name: 'deno' } },
		nbformat: 4,
		nbformat_minor: 5,
	});

it('runs a notebook and keeps what it shows', async () => {
	const cwd = temporaryFolder();
	const file = path.join(cwd, 'sum.ipynb');
	writeFileSync(file, notebook('1 + 2'));

	const check = await mosaic(['notebook', 'run', 'sum.ipynb', '--check', '--json'], { cwd });
	expect(check.code).toBe(3);
	expect(JSON.parse(check.stdout)).toMatchObject({ cells: 1, outputs: 1, changed: true });
	expect(readFileSync(file, 'utf8')).toBe(notebook('1 + 2'));

	const run = await mosaic(['notebook', 'run', 'sum.ipynb'], { cwd });
	expect(run).toMatchObject({ code: 0, stdout: '1 cell run, 1 output: file rewritten\n' });
	expect(JSON.parse(readFileSync(file, 'utf8')).cells[0].outputs[0].data['text/plain'].toString()).toContain(
		'3',
	);

	const again = await mosaic(['notebook', 'run', 'sum.ipynb', '--check'], { cwd });
	expect(again).toMatchObject({ code: 0, stdout: '1 cell run, 1 output: file unchanged\n' });
});

it('answers a cell that fails with one line', async () => {
	const cwd = temporaryFolder();
	writeFileSync(path.join(cwd, 'bad.ipynb'), notebook('throw new Error("no such luck")'));
	const { code, stdout, stderr } = await mosaic(['notebook', 'run', 'bad.ipynb'], { cwd });
	expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
	expect(stderr).toMatch(/^mosaic: .*bad\.ipynb: cell 1: .*no such luck\n$/);
});

it('says where a notebook that loads project modules must stand', async () => {
	const cwd = temporaryFolder();
	for (const source of ["import load from './load.cjs'\nload", "const load = await import('./load.cjs')"]) {
		writeFileSync(path.join(cwd, 'copy.ipynb'), notebook(source));
		const { code, stderr } = await mosaic(['notebook', 'run', 'copy.ipynb'], { cwd });
		expect(code).toBe(2);
		expect(stderr).toMatch(
			/^mosaic: .*Cannot find module '\.\/load\.cjs'; .* runs inside the project's notebooks folder\n$/,
		);
	}
});
