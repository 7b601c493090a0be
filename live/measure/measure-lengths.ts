import type { Question } from '../../sim/domain/question.ts';
import { usFromSeconds } from '../../sim/domain/units.ts';
import { expertPrompt } from '../../traces/questions/prompt-text.ts';
import { hash32 } from '../content/token-ids.ts';
import type { ServerClient } from '../http/server-client.ts';

export interface MeasuredLength {
	readonly outputTokens: number;
	/** It ran to the limit. */
	readonly wasCut: boolean;
}

export interface LengthOrders {
	readonly questions: readonly Question[];
	readonly api: 'chat' | 'completions';
	readonly temperature: number;
	readonly limitTokens: number;
	/** Calls at a time. */
	readonly concurrency: number;
	readonly signal: AbortSignal;
}

const LIMIT_US = usFromSeconds(3600);

/** Asks every question once and keeps how long the answers were; the model ends when it ends. */
export async function measureLengths(
	client: ServerClient,
	orders: LengthOrders,
): Promise<readonly MeasuredLength[]> {
	const { questions, api, temperature, limitTokens, concurrency, signal } = orders;
	const left = [...questions.entries()].reverse();
	const lengths: MeasuredLength[] = [];
	const worker = async (): Promise<void> => {
		for (let next = left.pop(); next !== undefined; next = left.pop()) {
			const [index, question] = next;
			const text = expertPrompt(question);
			const answer = await client.generate({
				endpoint: api,
				body: {
					...(api === 'chat' ? { messages: [{ role: 'user', content: text }] } : { prompt: text }),
					...{ temperature, max_tokens: limitTokens, seed: hash32(question.query) >>> 1 },
				},
				firstTokenLimitUs: LIMIT_US,
				silenceLimitUs: LIMIT_US,
				signal,
				onTokens: () => undefined,
			});
			lengths[index] = {
				outputTokens: answer.outputTokens,
				wasCut: answer.finishReason === 'length',
			};
		}
	};
	await Promise.all(Array.from({ length: Math.min(concurrency, questions.length) }, worker));
	return lengths;
}
