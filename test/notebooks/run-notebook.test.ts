import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cell, Notebook } from '../../notebooks/notebook.ts';
import { runNotebook } from '../../notebooks/run-notebook.ts';

const helper = JSON.stringify(path.join(__dirname, 'fixtures/helper.ts'));

let folder: string;
let file: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-notebook-'));
	file = path.join(folder, 'question.ipynb');
});
afterEach(() => rmSync(folder, { recursive: true }));

function notebookOf(...code: readonly string[]): Notebook {
	return {
		cells: code.map((source) => ({ cell_type: 'code', source, execution_count: null, outputs: [] })),
		metadata: { kernelspec: { name: 'deno' } },
		nbformat: 4,
		nbformat_minor: 5,
	};
}

const save = (notebook: unknown): void => writeFileSync(file, JSON.stringify(notebook));

async function outputsOf(...code: readonly string[]): Promise<readonly Cell['outputs'][]> {
	save(notebookOf(...code));
	await runNotebook(file, { write: true });
	const { cells } = JSON.parse(readFileSync(file, 'utf8')) as Notebook;
	return cells.map(({ outputs }) => outputs);
}

describe('runNotebook', () => {
	it('shows the value of a last expression', async () => {
		const [first, second, third] = await outputsOf(
			'const a = 20;\na * 2 + 2 // the answer',
			'const b = a;',
			'[a, { b }]',
		);
		expect(first).toEqual([
			{ output_type: 'execute_result', execution_count: 1, data: { 'text/plain': ['42'] }, metadata: {} },
		]);
		expect(second).toEqual([]);
		expect(third).toMatchObject([{ execution_count: 3, data: { 'text/plain': ['[ 20, { b: 20 } ]'] } }]);
	});

	it('keeps what is displayed as it was at that moment', async () => {
		const [outputs] = await outputsOf(`
			const chart: { mark: string } = { mark: 'bar' };
			await Deno.jupyter.display({
				'application/vnd.vegalite.v5+json': chart, 'image/png': 'iVBORw0=', 'text/plain': 'a\\nb',
			}, { raw: true });
			chart.mark = 'line';
			undefined`);
		expect(outputs).toEqual([
			{
				output_type: 'display_data',
				data: {
					'application/vnd.vegalite.v5+json': { mark: 'bar' },
					'image/png': 'iVBORw0=',
					'text/plain': ['a\n', 'b'],
				},
				metadata: {},
			},
		]);
	});

	it('shows templates and values that say how they are shown', async () => {
		const [outputs] = await outputsOf(`
			await Deno.jupyter.display({ [Symbol.for('Jupyter.display')]: async () => ({ 'text/html': '<b>1</b>' }) });
			Deno.jupyter.md\`**\${1 + 1}**\``);
		expect(outputs).toMatchObject([
			{ output_type: 'display_data', data: { 'text/html': ['<b>1</b>'] } },
			{ output_type: 'execute_result', data: { 'text/markdown': ['**2**'] } },
		]);
	});

	it('joins prints of one kind into one stream', async () => {
		const [outputs] = await outputsOf(
			"console.log('a', 1);\nconsole.info({ b: 2 });\nconsole.warn('c');\nconsole.log('d')",
		);
		expect(outputs).toEqual([
			{ output_type: 'stream', name: 'stdout', text: ['a 1\n', '{ b: 2 }\n'] },
			{ output_type: 'stream', name: 'stderr', text: ['c\n'] },
			{ output_type: 'stream', name: 'stdout', text: ['d\n'] },
		]);
	});

	it('imports TypeScript, built-in modules and packages, and awaits at top level', async () => {
		symlinkSync(path.join(__dirname, '../../node_modules'), path.join(folder, 'node_modules'));
		const [, outputs] = await outputsOf(
			`import { double } from ${helper};\nimport path from 'node:path';\nimport type { Unknown } from './none.ts';`,
			`import { double } from ${helper};
			const four: number = await Promise.resolve(double(2));
			const { default: seedrandom } = await import('seedrandom');
			[four, path.basename('a/b'), typeof seedrandom.alea]`,
		);
		expect(outputs).toMatchObject([{ data: { 'text/plain': ["[ 4, 'b', 'function' ]"] } }]);
	});

	it('resolves relative imports from the folder of the notebook', async () => {
		writeFileSync(path.join(folder, 'near.ts'), 'export const near: number = 7;');
		const [outputs] = await outputsOf("(await import('./near.ts')).near");
		expect(outputs).toMatchObject([{ data: { 'text/plain': ['7'] } }]);
	});

	it('changes nothing when run again, and says so', async () => {
		save(notebookOf('1 + 1', '', "console.log('x')"));
		expect(await runNotebook(file, { write: true })).toEqual({ cells: 2, outputs: 2, changed: true });
		const once = readFileSync(file);
		expect(await runNotebook(file, { write: true })).toEqual({ cells: 2, outputs: 2, changed: false });
		expect(readFileSync(file)).toEqual(once);
		expect(readdirSync(folder)).toEqual(['question.ipynb']);
	});

	it('keeps text cells, sources and metadata as they are', async () => {
		const notebook = {
			...notebookOf('1'),
			metadata: { kernelspec: { name: 'deno', language: 'typescript' }, authors: ['b', 'a'] },
		};
		const text = { cell_type: 'markdown', id: 'abc', metadata: { tags: ['z'] }, source: ['# Why?\n', 'So.'] };
		save({ ...notebook, cells: [text, ...notebook.cells] });
		await runNotebook(file, { write: true });
		const after = JSON.parse(readFileSync(file, 'utf8')) as Notebook;
		expect(after.metadata).toEqual(notebook.metadata);
		expect(after.cells[0]).toEqual(text);
		expect(after.cells[1]).toMatchObject({ execution_count: 1, source: '1' });
	});

	it('only compares when it may not write', async () => {
		save(notebookOf('1'));
		const before = readFileSync(file);
		expect(await runNotebook(file, { write: false })).toEqual({ cells: 1, outputs: 1, changed: true });
		expect(readFileSync(file)).toEqual(before);
	});
});

describe('a notebook that cannot be run', () => {
	it.each([
		['E_NOTEBOOK_CELL', 'cell 2: TypeError: no', ['1', "throw new TypeError('no\\nmore')"]],
		[
			'E_NOTEBOOK_CELL',
			'cell 1: TypeError: display: expected content by media type',
			["await Deno.jupyter.display('x', { raw: true })"],
		],
		[
			'E_NOTEBOOK_CELL',
			"imports: Error: Cannot find module './none.ts'",
			["import { x } from './none.ts';\nx"],
		],
		['E_NOTEBOOK_SYNTAX', 'cell 2, line 2: ', ['1', 'const a = 1;\nconst = 2;']],
		[
			'E_NOTEBOOK_SYNTAX',
			"cell 3: 'b' is already declared in cell 1",
			['const { a, c: [b] } = { a: 1, c: [2] };', 'a', 'let b = 1;'],
		],
	])('%s: %s', async (code, message, cells) => {
		save(notebookOf(...cells));
		const before = readFileSync(file);
		const failure = runNotebook(file, { write: true });
		await expect(failure).rejects.toMatchObject({ name: 'UsageError', code });
		await expect(failure).rejects.toThrow(`${file}: ${message}`);
		await expect(failure).rejects.not.toThrow('\n');
		expect(readFileSync(file)).toEqual(before);
	});

	it.each([
		['expected JSON', '{'],
		['expected a notebook of format 4, got nbformat 3', '{ "nbformat": 3, "worksheets": [] }'],
		['expected a notebook of format 4, got nbformat undefined', 'null'],
		[
			"metadata.kernelspec.name: expected 'deno', got 'python3'",
			'{ "nbformat": 4, "cells": [], "metadata": { "kernelspec": { "name": "python3" } } }',
		],
		[
			'cells[0]: expected cell_type and source',
			'{ "nbformat": 4, "cells": [{}], "metadata": { "kernelspec": { "name": "deno" } } }',
		],
	])('E_NOTEBOOK_FORMAT: %s', async (message, text) => {
		writeFileSync(file, text);
		const failure = runNotebook(file, { write: true });
		await expect(failure).rejects.toMatchObject({ name: 'UsageError', code: 'E_NOTEBOOK_FORMAT' });
		await expect(failure).rejects.toThrow(message);
	});

	it('E_NOTEBOOK_FORMAT: no such file', async () => {
		await expect(runNotebook(path.join(folder, 'none.ipynb'), { write: true })).rejects.toThrow('ENOENT');
	});
});
