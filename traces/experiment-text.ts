import { type Document, isMap, LineCounter, type Node, type Pair, parse, parseDocument } from 'yaml';
import { UsageError } from '../sim/domain/errors.ts';

export type FieldPath = readonly (string | number)[];

/** What the user wrote, with overrides applied, and where each field stands. */
export interface ExperimentText {
	readonly raw: unknown;
	/** `file:line:column`, or the flag that set the field. A missing field is placed at what contains it. */
	locate(path: FieldPath): string;
	/** Whether a field's value came from outside the file. */
	isOverridden(path: FieldPath): boolean;
}

/** A field set from outside the file. `label` stands in messages in place of file and line. */
export interface Override {
	readonly label: string;
	readonly path: readonly string[];
	readonly value: unknown;
}

/**
 * @param file name shown in messages
 * @param syntax code of the error for text that is not one YAML document, and what such a text should be (JSON is YAML too)
 * @throws UsageError
 */
export function parseExperimentText(
	text: string,
	file: string,
	overrides: readonly Override[],
	syntax: { readonly code: string; readonly wanted: string } = {
		code: 'E_EXPERIMENT_SYNTAX',
		wanted: 'YAML',
	},
): ExperimentText {
	const lines = new LineCounter();
	const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
	const place = (offset: number): string => {
		const { line, col } = lines.linePos(offset);
		return `${file}:${line}:${col}`;
	};
	const broken = document.errors[0] ?? document.warnings[0];
	if (broken !== undefined) {
		throw new UsageError(syntax.code, `${place(broken.pos[0])} ${syntaxTrouble(broken, syntax.wanted)}`);
	}
	let raw: unknown;
	try {
		raw = document.toJS();
	} catch (error) {
		throw new UsageError(syntax.code, `${file}:1:1 ${syntaxTrouble(error, syntax.wanted)}`);
	}
	for (const override of overrides) raw = applyOverride(raw, override);
	return {
		raw,
		locate(path) {
			const inside = overrides.findLast((each) => begins(path, each.path));
			const around = isWritten(document, path)
				? undefined
				: overrides.findLast((each) => begins(each.path, path));
			return (inside ?? around)?.label ?? place(offsetOf(document, path));
		},
		isOverridden: (path) => overrides.some((each) => begins(path, each.path)),
	};
}

/**
 * `path=value` of --set: a dotted path and a YAML value.
 * @throws UsageError E_SET_SYNTAX
 */
export function parseSet(set: string): Override {
	const at = set.indexOf('=');
	const path = set.slice(0, Math.max(0, at)).split('.');
	if (at < 1 || path.some((segment) => segment === '')) {
		throw new UsageError(
			'E_SET_SYNTAX',
			`--set: expected path=value such as cluster.gpuCount=8, got '${set}'`,
		);
	}
	try {
		return { label: '--set', path, value: parse(set.slice(at + 1)) };
	} catch (error) {
		throw new UsageError('E_SET_SYNTAX', `--set ${path.join('.')}: ${syntaxTrouble(error, 'a YAML value')}`);
	}
}

/** Fields that may be written as one word in place of a mapping, and the key of the mapping that the word stands for. */
const SHORT_FORMS: Readonly<Record<string, string>> = { 'workload.arrivals': 'process', gate: 'name' };

function applyOverride(raw: unknown, override: Override): unknown {
	const set = (container: unknown, depth: number): unknown => {
		const key = override.path[depth];
		if (key === undefined) return override.value;
		const fail = (expected: string): never => {
			throw new UsageError(
				'E_SET_PATH',
				`${override.label} ${override.path.join('.')}: expected ${expected}, got '${key}'`,
			);
		};
		if (key === '__proto__') return fail('a field name');
		if (Array.isArray(container)) {
			const index = /^\d+$/.test(key) ? Number(key) : Number.NaN;
			if (!(index <= container.length))
				return fail(
					`an index from 0 to ${container.length} after '${override.path.slice(0, depth).join('.')}'`,
				);
			return container.toSpliced(index, 1, set(container[index], depth + 1));
		}
		if (typeof container === 'object' || container === undefined) {
			const fields = (container ?? {}) as Record<string, unknown>;
			return { ...fields, [key]: set(Object.hasOwn(fields, key) ? fields[key] : undefined, depth + 1) };
		}
		const mainKey = SHORT_FORMS[override.path.slice(0, depth).join('.')];
		if (mainKey !== undefined) return { [mainKey]: container, [key]: set(undefined, depth + 1) };
		return fail(`nothing after '${override.path.slice(0, depth).join('.')}', which is a ${typeof container}`);
	};
	return set(raw, 0);
}

const begins = (path: FieldPath, start: FieldPath): boolean =>
	start.every((segment, i) => i < path.length && String(path[i]) === String(segment));

const isWritten = (document: Document.Parsed, path: FieldPath): boolean =>
	path.length === 0 || (document.contents !== null && document.hasIn(path));

/** Where a field begins in the text; the deepest part of the path that exists counts, its key rather than its value. */
function offsetOf(document: Document.Parsed, path: FieldPath): number {
	let node: unknown = document.contents;
	let offset = (node as Node | null)?.range?.[0] ?? 0;
	for (const key of path) {
		if (isMap(node)) {
			const pair = node.items.find((item) => String((item.key as { value?: unknown }).value) === String(key));
			if (pair === undefined) return offset;
			const start = (pair as Pair<Node, Node | null>).key.range?.[0];
			node = pair.value;
			offset = start ?? offset;
		} else {
			node = document.contents === null ? undefined : child(node, key);
			const start = (node as Node | undefined)?.range?.[0];
			if (start === undefined) return offset;
			offset = start;
		}
	}
	return offset;
}

const child = (node: unknown, key: string | number): unknown =>
	typeof node === 'object' && node !== null && 'items' in node && Array.isArray(node.items)
		? node.items[Number(key)]
		: undefined;

/** What is wrong with text that is not YAML as we take it: expected X, got Y. */
function syntaxTrouble(error: unknown, wanted: string): string {
	const { code, message } = error as Error & { readonly code?: string };
	if (code === 'MULTIPLE_DOCS')
		return "expected one YAML document, got several (a line '---' begins the next)";
	if (message.startsWith('Excessive alias count'))
		return 'expected a document of moderate size, got YAML aliases that multiply each other';
	if (message.startsWith('Maximum call stack size')) return 'expected YAML, got brackets nested without end';
	return `expected ${wanted}, got: ${firstLine(message)}`;
}

const firstLine = (text: string): string => (text.split('\n')[0] ?? '').trim();
