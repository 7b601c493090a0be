/** The part of the notebook format (nbformat 4) that the runner reads and writes. Anything else in a file is kept as it is. */
import { UsageError } from '../sim/domain/errors.ts';

/** Jupyter keeps a text as one string or as lines that carry their line ends. */
export type MultilineText = string | readonly string[];

/** Content by media type, e.g. `text/plain`; JSON types hold an object, the others text (images in base64). */
export type MimeBundle = Readonly<Record<string, unknown>>;

export type CellOutput =
	| { readonly output_type: 'stream'; readonly name: 'stdout' | 'stderr'; readonly text: readonly string[] }
	| { readonly output_type: 'display_data'; readonly data: MimeBundle; readonly metadata: object }
	| {
			readonly output_type: 'execute_result';
			readonly execution_count: number;
			readonly data: MimeBundle;
			readonly metadata: object;
	  };

export interface Cell {
	readonly cell_type: string;
	readonly source: MultilineText;
	readonly execution_count?: number | null;
	readonly outputs?: readonly CellOutput[];
}

export interface Notebook {
	readonly cells: readonly Cell[];
	readonly metadata: { readonly kernelspec?: { readonly name?: string } };
	readonly nbformat: number;
	readonly nbformat_minor: number;
}

/**
 * @param file for messages
 * @throws UsageError E_NOTEBOOK_FORMAT when it is not a notebook of format 4 for the Deno kernel
 */
export function parseNotebook(text: string, file: string): Notebook {
	const parsed = parseJson(text, file) as Partial<Notebook> | null;
	if (parsed?.nbformat !== 4 || !Array.isArray(parsed.cells))
		throw formatError(file, `expected a notebook of format 4, got nbformat ${String(parsed?.nbformat)}`);
	const kernel = parsed.metadata?.kernelspec?.name;
	if (kernel !== 'deno')
		throw formatError(file, `metadata.kernelspec.name: expected 'deno', got '${String(kernel)}'`);
	parsed.cells.forEach((cell: Partial<Cell>, index) => {
		const isText = typeof cell.source === 'string' || Array.isArray(cell.source);
		if (typeof cell.cell_type !== 'string' || !isText)
			throw formatError(file, `cells[${index}]: expected cell_type and source`);
	});
	return parsed as Notebook;
}

/** As Jupyter saves it: keys sorted, one space of indent, so that saving there and running here do not fight. */
export const formatNotebook = (notebook: Notebook): string =>
	`${JSON.stringify(sortKeys(notebook), null, 1)}\n`;

export const plainText = (text: MultilineText): string => (typeof text === 'string' ? text : text.join(''));

/** Lines with their line ends, as Jupyter keeps them. */
export const textLines = (text: string): readonly string[] => text.match(/[^\n]*\n|[^\n]+/g) ?? [];

function sortKeys(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(sortKeys);
	if (typeof value !== 'object' || value === null) return value;
	const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
	return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}

function parseJson(text: string, file: string): unknown {
	try {
		return JSON.parse(text);
	} catch (error) {
		throw formatError(file, `expected JSON: ${(error as Error).message}`);
	}
}

const formatError = (file: string, message: string): UsageError =>
	new UsageError('E_NOTEBOOK_FORMAT', `${file}: ${message}`);
