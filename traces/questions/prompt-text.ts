/**
 * What experts and aggregators are asked. The question leads and instructions follow, so that all prompts of one question share their beginning and a
 * prefix cache computes it once for each model.
 */
import type { AnswerKind, Question } from '../../sim/domain/question.ts';
import { optionLabel } from '../generate/answers.ts';

/** Zero-shot chain of thought with a closing line that names the answer. */
export const expertPrompt = (question: Question): string =>
	`${statement(question)}\n\nThink step by step. ${closing(question.answerKind)}`;

/**
 * @param answers what each expert said after its reasoning, in slot order; null or empty for one that gave nothing to read
 */
export function aggregatorPrompt(question: Question, answers: readonly (string | null)[]): string {
	const given = answers.map((answer, index) => {
		const text = answer?.trim() ?? '';
		return `\n\nAnswer ${index + 1}:\n${text === '' ? '(no answer)' : text}`;
	});
	return [
		statement(question),
		`\n\n${answers.length} experts answered this question independently of each other. Some of them may be wrong.`,
		...given,
		`\n\nCheck their reasoning against the question, weigh the answers, and decide. ${closing(question.answerKind)}`,
	].join('');
}

/** The question and its choices. */
function statement({ text, choices }: Question): string {
	if (choices.length === 0) return text;
	return `${text}\n\n${choices.map((choice, index) => `(${optionLabel(index)}) ${choice}`).join('\n')}`;
}

const closing = (kind: AnswerKind): string =>
	({
		letter: 'End with the line "The answer is (X).", where X is the letter of the right choice.',
		number: 'End with the line "The answer is N.", where N is a number without a unit.',
		boxed: 'End with the line "The answer is \\boxed{X}.", where X is the final answer.',
	})[kind];
