/**
 * Runs the code cells of a notebook written for the Deno kernel, without Deno or Jupyter, and keeps what they show in the
 * file. Equal inputs give equal bytes: execution counts run from 1 and no time is recorded.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import type * as Ts from 'typescript';
import { UsageError } from '../sim/domain/errors.ts';
import { type CellOutputs, collectOutputs } from './cell-outputs.ts';
import { type CodeCell, cellFunctionParameters, compileCells } from './compile-cells.ts';
import { type Cell, formatNotebook, type Notebook, parseNotebook, plainText } from './notebook.ts';

export interface NotebookRun {
	/** Code cells that were run (empty ones are not). */
	readonly cells: number;
	readonly outputs: number;
	/** Whether the file differs from what this run shows; with `write` it no longer does. */
	readonly changed: boolean;
}

/**
 * Runs a notebook and keeps its outputs in the file.
 * @param options.write false: run and compare only
 * @throws what `executeNotebook` throws; the file is then left as it was
 */
export async function runNotebook(file: string, options: { readonly write: boolean }): Promise<NotebookRun> {
	const { before, after } = await executeNotebook(file);
	const text = formatNotebook(after);
	const changed = text !== before;
	if (changed && options.write) {
		const temporary = `${file}.tmp`;
		writeFileSync(temporary, text);
		renameSync(temporary, file);
	}
	const ran = after.cells.filter(({ execution_count }) => typeof execution_count === 'number');
	const outputCount = ran.reduce((count, { outputs }) => count + (outputs?.length ?? 0), 0);
	return { cells: ran.length, outputs: outputCount, changed };
}

/**
 * @returns the text of the file, and the notebook with the outputs of this run
 * @throws UsageError E_NOTEBOOK_FORMAT, E_NOTEBOOK_SYNTAX, or E_NOTEBOOK_CELL naming the cell whose code failed;
 * E_NOTEBOOK_CHECKOUT outside a checkout, where there is no compiler
 */
export async function executeNotebook(file: string): Promise<{ before: string; after: Notebook }> {
	const before = readNotebookFile(file);
	const notebook = parseNotebook(before, file);
	const cells = numberCells(notebook.cells);
	const code = cells.flatMap(({ run }) => run ?? []);
	const outputs = collectOutputs();
	await execute(compileCells(loadCompiler(), code, file), file, outputs);
	return {
		before,
		after: { ...notebook, cells: cells.map(({ cell, run }) => withOutputs(cell, run, outputs)) },
	};
}

interface NumberedCell {
	readonly cell: Cell;
	readonly run: CodeCell | undefined;
}

function numberCells(cells: readonly Cell[]): readonly NumberedCell[] {
	let number = 0;
	return cells.map((cell) => {
		const code = plainText(cell.source);
		if (cell.cell_type !== 'code' || code.trim() === '') return { cell, run: undefined };
		number++;
		return { cell, run: { number, code } };
	});
}

function withOutputs(cell: Cell, run: CodeCell | undefined, outputs: CellOutputs): Cell {
	if (cell.cell_type !== 'code') return cell;
	if (run === undefined) return { ...cell, execution_count: null, outputs: [] };
	return { ...cell, execution_count: run.number, outputs: outputs.of(run.number) };
}

async function execute(code: string, file: string, outputs: CellOutputs): Promise<void> {
	const fullPath = path.resolve(file);
	// Lets `require` take `.ts` files, for imports in the cells.
	requireHere('./load.cjs');
	const requireThere = createRequire(fullPath);
	const values: Record<(typeof cellFunctionParameters)[number], unknown> = {
		$beginCell: outputs.beginCell,
		$showValue: outputs.showValue,
		$load: async (specifier: string) => requireThere(specifier),
		Deno: outputs.deno,
		console: outputs.console,
	};
	try {
		const { run } = loadModule(code, fullPath, requireThere);
		await run(...cellFunctionParameters.map((name) => values[name]));
	} catch (error) {
		const where = outputs.currentCell() === 0 ? 'imports' : `cell ${outputs.currentCell()}`;
		throw new UsageError(
			'E_NOTEBOOK_CELL',
			`${file}: ${where}: ${oneLine(error)}${strayed(error, fullPath)}`,
		);
	}
}

/** What to do about a file beside the notebook that is not there, since notebooks load project files by their place. */
function strayed(error: unknown, fullPath: string): string {
	const { code, message = '' } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
	const isMissing = code === 'MODULE_NOT_FOUND' && /^Cannot find module '\.{1,2}\//.test(message);
	return isMissing && path.dirname(fullPath) !== __dirname
		? "; a notebook that loads the project's modules runs inside the project's notebooks folder"
		: '';
}

/** What Node's own loader calls on a file's text: the one way that brings an `import()` of that place without a warning. */
interface CompilingModule extends Module {
	_compile(code: string, filename: string): void;
}

/** Evaluates CommonJS code as if it stood in `file`. */
function loadModule(
	code: string,
	file: string,
	requireThere: NodeJS.Require,
): { run(...values: unknown[]): Promise<void> } {
	const module = new Module(file) as CompilingModule;
	module.filename = file;
	module.paths = requireThere.resolve.paths('package') ?? [];
	module._compile(code, file);
	return module.exports;
}

const requireHere = createRequire(__filename);

function loadCompiler(): typeof Ts {
	try {
		return requireHere('typescript') as typeof Ts;
	} catch {
		throw new UsageError(
			'E_NOTEBOOK_CHECKOUT',
			'notebooks run in a checkout of the project after npm ci: expected the package typescript, found none',
		);
	}
}

function readNotebookFile(file: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (error) {
		throw new UsageError(
			'E_NOTEBOOK_FORMAT',
			`${file}: expected a notebook, got ${(error as Error).message}`,
		);
	}
}

function oneLine(error: unknown): string {
	const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
	return text.split('\n')[0] ?? '';
}
