import type { z } from 'zod';
import { UsageError } from '../sim/domain/errors.ts';
import { oneOf } from '../sim/domain/one-of.ts';
import { didYouMean } from './did-you-mean.ts';
import { experimentJsonSchema } from './experiment-schema.ts';
import type { ExperimentText, FieldPath } from './experiment-text.ts';

/** What kind of document a text is, for messages. */
export interface DocumentKind {
	/** Stands where no field is meant. */
	readonly name: string;
	/** Codes begin with it. */
	readonly code: string;
	jsonSchema(): Record<string, unknown>;
}

const EXPERIMENT: DocumentKind = {
	name: 'experiment',
	code: 'E_EXPERIMENT',
	jsonSchema: experimentJsonSchema,
};

/** `file:line:column field.path: expected X, got Y`, ready to throw. */
export function experimentProblem(
	text: ExperimentText,
	path: FieldPath,
	code: string,
	expected: string,
	got: string,
	kind: DocumentKind = EXPERIMENT,
): UsageError {
	const field = path.length === 0 ? kind.name : path.join('.');
	return new UsageError(code, `${text.locate(path)} ${field}: expected ${expected}, got ${got}`);
}

/** What a schema check found first, as the user's one line. */
export function schemaProblem(
	text: ExperimentText,
	error: z.ZodError,
	kind: DocumentKind = EXPERIMENT,
): UsageError {
	const issue = mostTelling(error.issues.flatMap(inMeantForm));
	const path = issue.path as FieldPath;
	if (issue.code === 'unrecognized_keys') {
		const key = issue.keys[0] ?? '';
		const known = keysAt(path, kind);
		const expected = known.length === 0 ? 'no such field' : oneOf(known);
		const got = `'${key}'${didYouMean(key, known)}`;
		return experimentProblem(text, [...path, key], `${kind.code}_KEY`, expected, got, kind);
	}
	const value = valueAt(text.raw, path);
	return experimentProblem(
		text,
		path,
		`${kind.code}_VALUE`,
		expectation(issue),
		`${show(value)}${nearName(issue, value)}`,
		kind,
	);
}

/**
 * The first issue, unless another explains it: a field that is missing may stand there under a wrong name, and of two limits
 * on one number the narrower is meant.
 */
export function mostTelling(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
	const first = deepest(issues[0] as z.core.$ZodIssue);
	const unknown = issues.find(
		({ code, path }) =>
			code === 'unrecognized_keys' &&
			path.length < first.path.length &&
			path.every((key, depth) => key === first.path[depth]),
	);
	if (unknown !== undefined) return unknown;
	const narrower = issues.findLast(
		({ code, path }) => code === first.code && path.join('.') === first.path.join('.'),
	);
	return narrower === undefined ? first : deepest(narrower);
}

/** Where a field has several forms, what is wrong with the one that was meant: that whose trouble lies inside it. */
function inMeantForm(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
	if (issue.code !== 'invalid_union') return [issue];
	const meant = issue.errors.find((form) =>
		form.some(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'),
	);
	if (meant === undefined) return [issue];
	return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(inMeantForm);
}

/** A value as it appears in a message: short, on one line. */
export function show(value: unknown): string {
	if (value === undefined) return 'nothing';
	if (typeof value === 'string')
		return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`.replaceAll('\n', ' ');
	if (Array.isArray(value)) return 'a list';
	if (typeof value === 'object' && value !== null) return 'a mapping';
	return String(value);
}

/** What a schema wanted, in words. */
export function expectation(issue: z.core.$ZodIssue): string {
	switch (issue.code) {
		case 'invalid_type':
			return TYPE_NAMES[issue.expected] ?? issue.expected;
		case 'too_small':
			return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', Number(issue.minimum));
		case 'too_big':
			return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', Number(issue.maximum));
		case 'invalid_value':
			return oneOf(issue.values.map(String));
		case 'invalid_union':
			if ('options' in issue && issue.options !== undefined) return oneOf(issue.options.map(String));
			return issue.errors.flatMap(([first]) => (first === undefined ? [] : expectation(first))).join(' or ');
		default:
			return issue.message;
	}
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
	int: 'a whole number',
	number: 'a finite number',
	string: 'text',
	boolean: 'true or false',
	object: 'a mapping',
	record: 'a mapping',
	array: 'a list',
};

function bound(origin: string, words: string, limit: number): string {
	if (origin === 'string')
		return limit === 1 ? 'text that is not empty' : `text of ${words} ${limit} characters`;
	return origin === 'array' ? `a list of ${words} ${limit}` : `${words} ${limit}`;
}

/** Of a nested issue the one inside, with its whole path. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
	if (issue.code !== 'invalid_key' && issue.code !== 'invalid_element') return issue;
	const inner = issue.issues[0];
	return inner === undefined ? issue : { ...deepest(inner), path: [...issue.path, ...inner.path] };
}

function nearName(issue: z.core.$ZodIssue, value: unknown): string {
	if (typeof value !== 'string') return '';
	if (issue.code === 'invalid_value') return didYouMean(value, issue.values.map(String));
	return '';
}

function valueAt(raw: unknown, path: FieldPath): unknown {
	let value = raw;
	for (const key of path) {
		if (typeof value !== 'object' || value === null) return undefined;
		value = (value as Record<string | number, unknown>)[key];
	}
	return value;
}

/** Field names that the schema knows at a path. */
function keysAt(path: FieldPath, kind: DocumentKind): readonly string[] {
	let schemas: JsonSchema[] = [kind.jsonSchema()];
	for (const key of path) {
		schemas = schemas
			.map((schema) =>
				Array.isArray(schema.items) ? undefined : (schema.properties?.[key] ?? inside(schema, key)),
			)
			.filter((schema) => schema !== undefined)
			.flatMap(branches);
	}
	return [...new Set(schemas.flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

interface JsonSchema {
	readonly properties?: Readonly<Record<string, JsonSchema>>;
	readonly additionalProperties?: JsonSchema | boolean;
	readonly items?: JsonSchema;
	readonly anyOf?: readonly JsonSchema[];
	readonly oneOf?: readonly JsonSchema[];
}

function inside(schema: JsonSchema, key: string | number): JsonSchema | undefined {
	if (typeof key === 'number') return schema.items;
	return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

const branches = (schema: JsonSchema): readonly JsonSchema[] =>
	(schema.anyOf ?? schema.oneOf)?.flatMap(branches) ?? [schema];
