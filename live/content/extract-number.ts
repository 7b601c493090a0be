import type { Answer } from '../../sim/domain/work.ts';
import { findNumbers, numberText } from '../../traces/questions/number-form.ts';
import { boxes } from './boxes.ts';
import { answerCues } from './cues.ts';

/** The number that a text settles on, in normal form: of the last place that it calls its answer or puts into a box, else the last number in it. */
export function extractNumber(text: string): Answer {
	const named = [
		...answerCues(text).map(({ said, at }) => ({ number: statedNumber(said), at })),
		...boxes(text).map(({ content, at }) => ({ number: statedNumber(content), at })),
	]
		.filter(({ number }) => number !== null)
		.sort((a, b) => a.at - b.at);
	const settled = named.at(-1)?.number;
	if (settled !== undefined) return settled;
	const last = findNumbers(text).at(-1);
	return last === undefined ? null : numberText(last.value);
}

/** `7`, `x = 7`, `3 + 4 = 7`, `7 apples, as 3 + 4 = 7`: the first number, or, where that is only a term, what its equation comes to. */
function statedNumber(said: string): string | null {
	const sentence = said.split(/(?<=[^\d])[.;](?:\s|$)|(?<=\d)\.(?:\s|$)/, 1)[0] ?? '';
	const numbers = findNumbers(sentence);
	const [first] = numbers;
	if (first === undefined) return null;
	const after = sentence.slice(first.to);
	const isTerm = /^\s*(?:[-+*/^=×·÷−]|\\(?:times|cdot|div)\b)/.test(after);
	if (!isTerm) return numberText(first.value);
	const equals = sentence.lastIndexOf('=');
	const result = numbers.find(({ from }) => from > equals);
	return equals < 0 || result === undefined ? null : numberText(result.value);
}
