import { ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';

export interface WordMeasurement {
	/** Tokens of a byte of English text; null where the server does not tokenize. */
	readonly tokensPerByte: number | null;
	/** Tokens that the chat template puts around one message; null where there is none. */
	readonly chatWrapperTokens: number | null;
}

/** Of the kind that questions are made of. */
const SAMPLE =
	'A train leaves the station at 9:40 and covers the first 84 kilometres in 70 minutes. It then waits for 12 minutes and goes on at the same speed. ' +
	'Which of the following is the distance, in kilometres, that it has covered at 12:00? Explain your reasoning step by step and end with the letter of your answer.';

/** How text becomes tokens on a server. */
export async function measureWords(client: ServerClient): Promise<WordMeasurement> {
	const count = async (body: Readonly<Record<string, unknown>>): Promise<number | null> => {
		try {
			return await client.countTokens(body);
		} catch (error) {
			if (error instanceof ServerFailure && error.kind === 'status') return null;
			throw error;
		}
	};
	const plain = await count({ prompt: SAMPLE });
	const chat = await count({ messages: [{ role: 'user', content: SAMPLE }] });
	return {
		tokensPerByte: plain === null ? null : plain / Buffer.byteLength(SAMPLE),
		chatWrapperTokens: plain === null || chat === null ? null : Math.max(0, chat - plain),
	};
}
