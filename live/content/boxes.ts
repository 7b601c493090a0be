import { closingBrace } from '../../traces/questions/boxed-form.ts';

/** Content of one `\boxed{...}` or `\fbox{...}`. */
export interface Box {
	readonly content: string;
	readonly at: number;
}

/** All that are closed, in order of appearance; of boxes within each other the innermost last one. */
export function boxes(text: string): readonly Box[] {
	const found: Box[] = [];
	const opening = /\\f?box(?:ed)?\s*\{/g;
	for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
		const open = opening.lastIndex - 1;
		const close = closingBrace(text, open, open + LONGEST);
		if (close < 0) continue;
		const content = text.slice(open + 1, close);
		found.push({ content: boxes(content).at(-1)?.content ?? content, at: match.index });
		opening.lastIndex = close + 1;
	}
	return found;
}

/** Characters: more are no answer, and a text full of open boxes is still read at once. */
const LONGEST = 1000;
