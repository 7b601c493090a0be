import type { Setup } from './setup.ts';
import type { Query } from './work.ts';

/**
 * Tokens of an aggregator's prompt: instruction, question, and of each answer what stands after its reasoning part.
 * @param answerTokens one entry per slot; 0 for a call that gave nothing to read
 * @source counted with the Qwen2.5 tokenizer: 109 + 8 per response + response tokens + question. The question is taken with its longest expert
 * prompt, so chat wrapper tokens (at most 29) count as part of it.
 */
export function aggregatorPromptTokens(
	prompt: Setup['aggregatorPrompt'],
	query: Pick<Query, 'slotPromptTokens'>,
	answerTokens: readonly number[],
): number {
	const read = answerTokens.reduce((sum, tokens) => sum + tokens, 0);
	return (
		prompt.baseTokens +
		prompt.perAnswerTokens * answerTokens.length +
		read +
		Math.max(...query.slotPromptTokens)
	);
}
