import type { Answer } from '../../sim/domain/work.ts';
import { choiceLetters } from '../../traces/questions/answer-form.ts';
import { boxes } from './boxes.ts';
import { answerCues } from './cues.ts';

/**
 * The letter that a text settles on: the last one that it calls its answer or puts into a box; else the last one in parentheses; else one that
 * makes up the last line. Only letters of choices count.
 * @returns null also when the last place that names an answer names two
 */
export function extractLetter(text: string, choices: number): Answer {
	const letters = choiceLetters(choices);
	const known = (letter: string): boolean => letters.includes(letter);
	const settled = [
		...answerCues(text).map(({ said, at }) => ({ letters: leadingLetters(said), at })),
		...boxes(text).map(({ content, at }) => ({ letters: leadingLetters(content), at })),
		...[...text.matchAll(CALLED_RIGHT)].map((match) => ({
			letters: match.slice(1, 3).filter(Boolean),
			at: match.index,
		})),
	]
		.map((named) => ({ ...named, letters: named.letters.filter(known) }))
		.filter((named) => named.letters.length > 0)
		.sort((a, b) => a.at - b.at)
		.at(-1);
	if (settled !== undefined) return settled.letters.length === 1 ? (settled.letters[0] ?? null) : null;
	const inParentheses = [...text.matchAll(/\(([A-Z])\)/g)].map((match) => match[1] ?? '').filter(known);
	const ownLine = LAST_LINE.exec(text.trimEnd())?.[1] ?? '';
	return inParentheses.at(-1) ?? (known(ownLine) ? ownLine : null);
}

/** Emphasis, quotes, LaTeX and words that may stand between a cue and its letter. */
const MARKUP =
	/^(?:\\(?:boxed|fbox|text|textbf|mathrm|mathbf)\s*\{|[*_\s$"'`:[{]|\\[([]|option\b|choice\b|letter\b)*/i;
/** In capitals, and no first letter of a word. */
const PLAIN = /^([A-Z])(?![\p{L}\p{N}'’-])/u;
const IN_PARENTHESES = /^\(\s*([A-Za-z])\s*\)/;
/** Small letters only where nothing else can be meant. */
const SMALL = /^([a-z])\s*(?:[)\]}.*_"'$]|$)/;
const ANOTHER = /^\s*,?\s*(?:or|and|\/|&)\s*(?:\(\s*([A-Za-z])\s*\)|([A-Z])(?![\p{L}\p{N}'’]))/u;
const CALLED_RIGHT =
	/(?:(?:option|choice)\s+\(?([A-Z])\)?|\(([A-Z])\))\s+is\s+(?:the\s+)?(?:correct|right|best)(?!\p{L})/gu;
const LAST_LINE = /(?:^|\n)[\s*_"'`$([]*([A-Z])[\s*_"'`$)\].:]*$/;

/** Letters that a text begins with, in capitals: none, one, or two when it cannot decide (`A or B`). */
function leadingLetters(text: string): readonly string[] {
	const rest = text.replace(MARKUP, '');
	const match = IN_PARENTHESES.exec(rest) ?? PLAIN.exec(rest) ?? SMALL.exec(rest);
	if (match === null) return [];
	const another = ANOTHER.exec(rest.slice(match[0].length));
	const found = [match[1], another?.[1] ?? another?.[2]];
	return [...new Set(found.flatMap((letter) => letter?.toUpperCase() ?? []))];
}
