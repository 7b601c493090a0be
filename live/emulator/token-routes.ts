import type { Hono } from 'hono';
import { unknownModel } from './api-error.ts';
import type { NodeEnv } from './app.ts';
import { readMessages, readTemplateOptions } from './chat-request.ts';
import { renderChat } from './chat-template.ts';
import { readObject } from './request-body.ts';
import { decodeWithSpecial, encode, tokenStrings } from './tokenizer.ts';
import { FieldReader } from './validation.ts';

/** `/tokenize` and `/detokenize`. */
export function addTokenRoutes(app: Hono<NodeEnv>, servedModel: string, maxModelLen: number): void {
	app.post('/tokenize', async (c) => {
		const reader = new FieldReader(await readObject(c));
		const text = textToRead(reader);
		const showsStrings = reader.flag('return_token_strs') ?? false;
		checkModel(reader, servedModel);
		const tokens = encode(text);
		const strings = showsStrings ? tokenStrings(tokens) : null;
		return c.json({ count: tokens.length, max_model_len: maxModelLen, tokens, token_strs: strings });
	});

	app.post('/detokenize', async (c) => {
		const reader = new FieldReader(await readObject(c));
		reader.required('tokens');
		const tokens = reader.wholes('tokens');
		const context = "{'ge': 0}";
		for (const [index, token] of tokens.entries())
			if (token < 0)
				reader.add(
					'greater_than_equal',
					`tokens.${index}`,
					'Input should be greater than or equal to 0',
					token,
					context,
				);
		checkModel(reader, servedModel);
		return c.json({ prompt: decodeWithSpecial(tokens) });
	});
}

/** A prompt, or a chat as the model would read it. */
function textToRead(reader: FieldReader): string {
	if (reader.raw('messages') !== undefined && reader.raw('prompt') === undefined)
		return renderChat(readMessages(reader), readTemplateOptions(reader));
	const prompt = reader.required('prompt');
	// Either would do, and pydantic reports both.
	if (prompt === undefined) reader.required('messages');
	return reader.text('prompt') ?? '';
}

function checkModel(reader: FieldReader, servedModel: string): void {
	const model = reader.text('model') ?? '';
	reader.check();
	if (model !== '' && model !== servedModel) throw unknownModel(model, servedModel);
}
