import type { Context } from 'hono';
import { ApiError } from './api-error.ts';
import type { NodeEnv } from './app.ts';
import { invalid, isObject } from './validation.ts';

/**
 * The JSON object that a request carries.
 * @throws ApiError in the words of vLLM's framework
 */
export async function readObject(c: Context<NodeEnv>): Promise<Readonly<Record<string, unknown>>> {
	const mediaType = (c.req.header('content-type') ?? '').toLowerCase().split(';')[0];
	const text = await c.req.text();
	if (mediaType !== 'application/json')
		throw new ApiError(
			400,
			'Bad Request',
			"1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
		);
	if (text === '')
		throw invalid([{ type: 'missing', place: 'body', message: 'Field required', input: null }]);
	let body: unknown;
	try {
		body = JSON.parse(text);
	} catch {
		const place = `body.${whereItBreaks(text)}`;
		const context = "{'error': 'Expecting value'}";
		throw invalid([{ type: 'json_invalid', place, message: 'JSON decode error', input: {}, context }]);
	}
	if (isObject(body)) return body;
	const message = 'Input should be a valid dictionary or object to extract fields from';
	throw invalid([{ type: 'model_attributes_type', place: 'body', message, input: body }]);
}

/** Position at which a text stops to be JSON: the end, or what V8 says. */
function whereItBreaks(text: string): number {
	try {
		JSON.parse(text);
		return text.length;
	} catch (error) {
		const position = /position (\d+)/.exec((error as Error).message)?.[1];
		return position === undefined ? text.length : Number(position);
	}
}
