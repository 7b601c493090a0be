import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
	calibrationJsonSchema,
	experimentJsonSchema,
	measuredProfileJsonSchema,
	questionJsonSchema,
} from '../../traces/index.ts';

type Field = Extract<Parameters<typeof z.fromJSONSchema>[0], object>;

/** Every field with a default, by its path. */
function withDefault(schema: unknown, path = ''): [path: string, field: Field][] {
	if (typeof schema !== 'object' || schema === null) return [];
	const inside = Object.entries(schema).flatMap(([key, value]) =>
		// What is inside a default is no schema.
		key === 'default' ? [] : withDefault(value, `${path}/${key}`),
	);
	return 'default' in schema ? [[path, schema as Field], ...inside] : inside;
}

describe.each([
	['experiment', experimentJsonSchema, 50],
	['profile', measuredProfileJsonSchema, 0],
	['question', questionJsonSchema, 0],
	['calibration', calibrationJsonSchema, 2],
] as const)('the published schema of %s', (_, jsonSchema, least) => {
	it('takes its own defaults', () => {
		const fields = withDefault(jsonSchema());
		expect(fields.length).toBeGreaterThanOrEqual(least);
		const refused = fields.filter(([, field]) => !z.fromJSONSchema(field).safeParse(field.default).success);
		expect(refused.map(([path]) => path)).toEqual([]);
	});
});
