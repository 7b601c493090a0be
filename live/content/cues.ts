/** Places of a text where a model says what its answer is. */
export interface Cue {
	/** What follows, to the end of its line, at most 300 characters. */
	readonly said: string;
	/** Where `said` begins. */
	readonly at: number;
}

/** `The answer is ...`, `Final answer: ...`, `The correct option is ...`, in order; what lies inside a longer word (`unanswered`) is none. */
export function answerCues(text: string): readonly Cue[] {
	return [...text.matchAll(CUE)].map((match) => {
		const at = match.index + match[0].length;
		return { said: (text.slice(at, at + LONGEST).split('\n', 1)[0] ?? '').trim(), at };
	});
}

/** Characters: more are no answer, and a text full of cues is still read at once. */
const LONGEST = 300;

const SUBJECT = String.raw`(?:answer|solution|result|(?:correct|right|best)\s+(?:option|choice|letter|one))`;
/** `is`, `is:`, `:`, `=`, `would be`, with emphasis and line breaks as models put them. */
const VERB = String.raw`(?:\s*(?:to\s+(?:the|this)\s+question\s*)?(?:is|was|would\s+be|must\s+be|should\s+be)\b(?:\s+(?:therefore|thus|then|option|choice|letter))*\s*(?:[:=]|\*\*)*|[*_\s]*[:=])`;
const CUE = new RegExp(
	String.raw`(?<![\p{L}\p{N}])${SUBJECT}[*_]*${VERB}[*_\s]*(?:option|choice)?\s*`,
	'giu',
);
