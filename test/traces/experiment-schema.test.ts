import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { experimentJsonSchema, listExperiments, loadExperiment } from '../../traces/index.ts';

type Json = Record<string, unknown>;
const schema = experimentJsonSchema();
const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

/** Paths of object fields in a JSON Schema that have no description. */
function undescribed(node: unknown, at: string): string[] {
	if (typeof node !== 'object' || node === null) return [];
	const record = node as Json;
	const fields = Object.entries((record.properties ?? {}) as Record<string, Json>);
	const here = fields
		.filter(([, field]) => typeof field.description !== 'string' && field.const === undefined)
		.map(([key]) => `${at}.${key}`);
	const inner = [...fields, ...['items', 'additionalProperties'].map((key) => [key, record[key]] as const)];
	const branches = [...((record.anyOf ?? []) as Json[]), ...((record.oneOf ?? []) as Json[])];
	return [
		...here,
		...inner.flatMap(([key, field]) => undescribed(field, `${at}.${key}`)),
		...branches.flatMap((branch) => undescribed(branch, at)),
	];
}

describe('the published JSON Schema', () => {
	it('is plain JSON of draft 2020-12 that describes every field', () => {
		expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
		expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
		expect(undescribed(schema, '')).toEqual([]);
	});

	it.each(listExperiments().map(({ name, file }) => [name, file]))(
		'accepts %s, as written and as resolved',
		(name, file) => {
			expect(validator.safeParse(parse(readFileSync(file, 'utf8'))).error).toBeUndefined();
			expect(validator.safeParse(loadExperiment(name).resolved).error).toBeUndefined();
		},
	);

	it('refuses unknown keys, missing fields and wrong types', () => {
		const tiny = parse(
			readFileSync(listExperiments().find(({ name }) => name === 'tiny')?.file ?? '', 'utf8'),
		) as Json;
		for (const bad of [
			{ ...tiny, extra: 1 },
			{ ...tiny, pool: 'Gemma' },
			{ ...tiny, format: 2 },
			{ ...tiny, workload: {} },
		]) {
			expect(validator.safeParse(bad).success).toBe(false);
		}
	});
});
