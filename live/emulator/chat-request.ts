import { badRequest, unknownModel } from './api-error.ts';
import { type ChatMessage, renderChat } from './chat-template.ts';
import { checkLogprobs } from './completion-request.ts';
import {
	type GenerationRequest,
	type RequestContext,
	requestId,
	requestPriority,
	speechKeys,
} from './generation-request.ts';
import { outputRoom } from './prompt-room.ts';
import { checkSampling, readSamplingFields } from './sampling-fields.ts';
import { encode } from './tokenizer.ts';
import { FieldReader, isObject } from './validation.ts';

/**
 * Reads the body of `/v1/chat/completions`.
 * @throws ApiError as vLLM refuses it
 */
export function readChatRequest(
	body: Readonly<Record<string, unknown>>,
	context: RequestContext,
): GenerationRequest {
	const reader = new FieldReader(body);
	checkTopLogprobs(reader);
	const fields = readSamplingFields(reader);
	const messages = readMessages(reader);
	const limitField =
		reader.raw('max_completion_tokens') === undefined ? 'max_tokens' : 'max_completion_tokens';
	const wantedTokens = reader.whole(limitField);
	const logprobs = reader.flag('logprobs') ? (reader.whole('top_logprobs') ?? 0) : null;
	const returnPromptText = reader.flag('return_prompt_text') ?? false;
	const options = readTemplateOptions(reader);
	reader.check();
	if (fields.model !== undefined && fields.model !== '' && fields.model !== context.servedModel)
		throw unknownModel(fields.model, context.servedModel);
	if (messages.length === 0)
		throw badRequest('Cannot apply chat template to an empty conversation. Provide at least one message.');

	const text = renderChat(messages, options);
	const tokens = encode(text);
	const maxTokens = outputRoom(tokens, true, wantedTokens, context.maxModelLen, limitField);
	checkSampling(fields, reader, maxTokens);
	checkLogprobs(logprobs);
	const answerId = `chatcmpl-${requestId(fields, context)}`;
	const last = messages.at(-1);
	return {
		...fields,
		answerId,
		prompts: [
			{
				orderId: answerId,
				tokens,
				text,
				wish: { ...fields.wish, maxTokens },
				speechKeys: speechKeys(fields, context, tokens, 0),
				echoText: last?.role === 'assistant' ? last.content : '',
			},
		],
		priority: requestPriority(fields, context),
		logprobs,
		returnPromptText,
	};
}

/** Messages of a chat; what is wrong with them goes to the reader's issues. */
export function readMessages(reader: FieldReader): readonly ChatMessage[] {
	const given = reader.required('messages');
	if (given === undefined) return [];
	if (!Array.isArray(given)) {
		reader.add('list_type', 'messages', 'Input should be a valid list', given);
		return [];
	}
	return given.flatMap((message: unknown, index) => {
		if (isObject(message) && typeof message.role === 'string')
			return { role: message.role, content: contentText(message.content) };
		// pydantic tries the kinds of message one after the other and reports each; the first two say it.
		for (const kind of ['ChatCompletionDeveloperMessageParam', 'ChatCompletionSystemMessageParam'])
			reader.add('missing', `messages.${index}.${kind}.role`, 'Field required', message);
		return [];
	});
}

/** How the template is to end. */
export function readTemplateOptions(reader: FieldReader): {
	readonly addGenerationPrompt: boolean;
	readonly continueFinalMessage: boolean;
} {
	const continueFinalMessage = reader.flag('continue_final_message') ?? false;
	const addGenerationPrompt = reader.flag('add_generation_prompt');
	if (continueFinalMessage && addGenerationPrompt)
		throw badRequest('Cannot set both `continue_final_message` and `add_generation_prompt` to True.');
	return { addGenerationPrompt: addGenerationPrompt ?? true, continueFinalMessage };
}

/** Text, or parts of it. @throws ApiError for pictures and sounds */
function contentText(content: unknown): string {
	if (typeof content === 'string') return content;
	if (!Array.isArray(content)) return '';
	return content
		.map((part: unknown) => {
			if (typeof part === 'string') return part;
			if (isObject(part) && typeof part.text === 'string') return part.text;
			const type = isObject(part) ? String(part.type) : typeof part;
			throw badRequest(`At most 0 ${type.replace(/_url$/, '')}(s) may be provided in one prompt.`);
		})
		.join('\n');
}

function checkTopLogprobs(reader: FieldReader): void {
	const asked = reader.raw('top_logprobs');
	if (typeof asked === 'number' && asked !== 0 && !reader.raw('logprobs'))
		throw badRequest('when using `top_logprobs`, `logprobs` must be set to true.', 'top_logprobs');
}
