/** What a running cell shows, collected as Jupyter keeps it, and the part of `Deno.jupyter` that notebooks here use. */
import { inspect } from 'node:util';
import { type CellOutput, type MimeBundle, textLines } from './notebook.ts';

/** A value with a method of this name says how it is shown; the name is the Deno kernel's. */
const displayMethod = Symbol.for('Jupyter.display');

export interface CellOutputs {
	/** Everything from now on belongs to this cell. */
	beginCell(number: number): void;
	/** The value of a cell's last expression; undefined shows nothing. */
	showValue(value: unknown): Promise<void>;
	/** `Deno` for the notebook: `Deno.jupyter.display(value, { raw })`, `md` and `html` templates. */
	readonly deno: { readonly jupyter: object };
	/** `console` for the notebook. */
	readonly console: Pick<Console, 'log' | 'info' | 'debug' | 'warn' | 'error'>;
	/** The cell that was begun last; 0 before the first. */
	currentCell(): number;
	/** @returns the outputs of a cell, in the order in which they came */
	of(cellNumber: number): readonly CellOutput[];
}

export function collectOutputs(): CellOutputs {
	const outputs = new Map<number, CellOutput[]>();
	let cell = 0;
	const current = (): CellOutput[] => {
		const list = outputs.get(cell) ?? [];
		outputs.set(cell, list);
		return list;
	};
	const print = (name: 'stdout' | 'stderr', values: readonly unknown[]): void => {
		const text = `${values.map((value) => (typeof value === 'string' ? value : plain(value))).join(' ')}\n`;
		const list = current();
		const last = list.at(-1);
		const lines = textLines(text);
		// One output per run of prints, as the front ends merge them.
		if (last?.output_type === 'stream' && last.name === name)
			list[list.length - 1] = { ...last, text: [...last.text, ...lines] };
		else list.push({ output_type: 'stream', name, text: lines });
	};
	const toStdout = (...values: readonly unknown[]): void => print('stdout', values);
	const toStderr = (...values: readonly unknown[]): void => print('stderr', values);
	const display = async (value: unknown, options: { readonly raw?: boolean } = {}): Promise<void> => {
		const data = options.raw ? checkedBundle(value) : await bundleOf(value);
		current().push({ output_type: 'display_data', data, metadata: {} });
	};
	return {
		beginCell(number) {
			cell = number;
		},
		async showValue(value) {
			if (value === undefined) return;
			const data = await bundleOf(value);
			current().push({ output_type: 'execute_result', execution_count: cell, data, metadata: {} });
		},
		deno: { jupyter: { display, md: template('text/markdown'), html: template('text/html') } },
		console: { log: toStdout, info: toStdout, debug: toStdout, warn: toStderr, error: toStderr },
		currentCell: () => cell,
		of: (number) => outputs.get(number) ?? [],
	};
}

async function bundleOf(value: unknown): Promise<MimeBundle> {
	if (typeof value === 'object' && value !== null && displayMethod in value) {
		const method = value[displayMethod];
		if (typeof method === 'function') return checkedBundle(await method.call(value));
	}
	return { 'text/plain': textLines(plain(value)) };
}

/** Copies through JSON: what is kept is what was shown, whatever becomes of the object later. */
function checkedBundle(value: unknown): MimeBundle {
	const isBundle =
		typeof value === 'object' && value !== null && Object.keys(value).every((key) => key.includes('/'));
	if (!isBundle) throw new TypeError(`display: expected content by media type, got ${plain(value)}`);
	const bundle = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
	for (const [type, content] of Object.entries(bundle))
		if (type.startsWith('text/') && typeof content === 'string') bundle[type] = textLines(content);
	return bundle;
}

/** A tag for template strings whose result is shown as this media type. */
function template(mediaType: string): (strings: TemplateStringsArray, ...values: unknown[]) => object {
	return (strings, ...values) => ({
		[displayMethod]: () => ({ [mediaType]: String.raw({ raw: strings }, ...values) }),
	});
}

const plain = (value: unknown): string => inspect(value, { depth: 6, breakLength: 110, maxArrayLength: 100 });
