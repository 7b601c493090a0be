import type { CallPrompt, CallReply, CarriedOutput } from '../content.ts';

/**
 * What is sent to another server for a call that has generated `output` already: prompt and output as one prompt of token ids, which
 * every vLLM takes, and goes on from. It is a plain completion also where the call is a chat: only so is the template's text, a
 * reasoning part in it, what the first server made of it, to the token.
 */
export function continuedPrompt({ body, maxTokens }: CallPrompt, output: CarriedOutput): CallPrompt {
	const { messages: _, mosaic, ...rest } = body;
	const prompt = [...output.promptTokenIds, ...output.tokenIds];
	return {
		endpoint: 'completions',
		body: {
			...rest,
			prompt,
			...(mosaic === undefined ? {} : { mosaic: restOfScript(mosaic as Script, output) }),
		},
		maxTokens: maxTokens - output.tokenIds.length,
		promptTokens: prompt.length,
	};
}

/** What a call said in all, over the servers that it was on. */
export function joinedReply(output: CarriedOutput | null, reply: CallReply): CallReply {
	if (output === null) return reply;
	const tokens = output.tokenIds.length;
	const whole = {
		...reply,
		promptTokens: reply.promptTokens - tokens,
		outputTokens: reply.outputTokens + tokens,
	};
	// A server with a reasoning parser had not come to the end of the reasoning; the one that went on shows it as it is.
	const isReasoning = output.reasoningText !== '' && output.text === '';
	const close = isReasoning ? reply.text.indexOf(CLOSE) : 0;
	const reasoningEnd = close < 0 ? reply.text.length : close;
	const answerStart = isReasoning ? Math.min(reply.text.length, reasoningEnd + CLOSE.length) : 0;
	return {
		...whole,
		reasoningText: output.reasoningText + reply.text.slice(0, reasoningEnd),
		text: output.text + reply.text.slice(answerStart),
	};
}

const CLOSE = '</think>';

/** The emulator's extension. */
interface Script {
	readonly output_tokens: number;
	readonly text?: string;
}

/** Last words may have begun: they start with a line break, and what comes before them has none. */
function restOfScript({ output_tokens, text }: Script, { tokenIds, text: said }: CarriedOutput): Script {
	const left = { output_tokens: output_tokens - tokenIds.length };
	if (text === undefined) return left;
	let begun = Math.min(text.length, said.length);
	while (begun > 0 && !said.endsWith(text.slice(0, begun))) begun--;
	return begun === text.length ? left : { ...left, text: text.slice(begun) };
}
