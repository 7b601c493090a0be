import type { CallReply } from '../../live/content.ts';
import type { CallFinished } from '../domain/run-log.ts';

/** A line of answers.jsonl: what a model said in one call, and the answer that was read out of it. */
export function answerLine(finished: CallFinished, reply: CallReply): string {
	const { call, query, role, model, answer } = finished;
	const { text, reasoningText, finishReason } = reply;
	return JSON.stringify({ call, query, role, model, answer, finishReason, reasoningText, text });
}
