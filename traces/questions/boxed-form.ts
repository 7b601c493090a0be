import { findNumbers, numberText } from './number-form.ts';

/**
 * What stands in a `\boxed{}`, so that spellings which look alike on paper are alike: spaces and LaTeX spacing, `\left` and `\right`, dollar and degree
 * signs, a closing full stop and braces around the whole go; `\dfrac` is `\frac`; a number is written as `normalNumber` writes it.
 * @returns null when nothing is left
 */
export function normalBoxed(text: string): string | null {
	let form = text;
	// What one pass takes away may bare a brace or a full stop for the next.
	for (let next = simplified(form); next !== form; next = simplified(form)) form = next;
	return form === '' ? null : form;
}

/**
 * Index of the brace that closes the one at `open`; -1 when none before `limit` does. `\{` and `\}` are characters, not braces.
 */
export function closingBrace(text: string, open: number, limit = text.length): number {
	let depth = 0;
	for (let at = open; at < Math.min(limit, text.length); at++) {
		const character = text[at];
		if (character === '\\') at++;
		else if (character === '{') depth++;
		else if (character === '}' && --depth === 0) return at;
	}
	return -1;
}

function simplified(text: string): string {
	const form = text
		.replace(/\\(?:[,;:!> ]|quad\b|qquad\b|left\b|right\b|displaystyle\b)|[~$]/g, '')
		.replace(/\^\{?\\circ\}?|°/g, '')
		.replace(/\\[dt]frac\b/g, '\\frac')
		.replace(/\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}/g, '$1')
		.replaceAll('−', '-')
		.replace(/\s+/g, '')
		.replace(/\.$/, '');
	if (form.startsWith('{') && closingBrace(form, 0) === form.length - 1) return form.slice(1, -1);
	const [number, another] = findNumbers(form);
	const isNumber = number?.from === 0 && another === undefined && /^(?:\\?%)?$/.test(form.slice(number.to));
	return isNumber ? numberText(number.value) : form;
}
