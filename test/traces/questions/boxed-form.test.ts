import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closingBrace, normalBoxed } from '../../../traces/questions/boxed-form.ts';

describe('what stands in a box', () => {
	it.each([
		['x^2 + 1', 'x^2+1'],
		['\\left( 3,\\, 4 \\right)', '(3,4)'],
		['{42}', '42'],
		['{{x}}', 'x'],
		['{a}{b}', '{a}{b}'],
		['1,000', '1000'],
		['-3.50', '-3.5'],
		['\\dfrac{1}{2}', '0.5'],
		['\\dfrac{x}{2}', '\\frac{x}{2}'],
		['50\\%', '50'],
		['90^\\circ', '90'],
		['90^{\\circ}', '90'],
		['\\text{red}', 'red'],
		['$x = 5$.', 'x=5'],
		['3\\sqrt{2}', '3\\sqrt{2}'],
		['5\\text{ cm}', '5cm'],
		['', null],
		[' $ ', null],
	])('%j is %j', (text, expected) => {
		expect(normalBoxed(text)).toBe(expected);
	});

	it('a form is its own form', () => {
		const pieces = fc.constantFrom(
			'x',
			'12',
			'.5',
			'{',
			'}',
			'+',
			'\\frac{1}{2}',
			'\\sqrt{2}',
			'\\,',
			' ',
			'.',
			'^',
			'%',
			'−',
		);
		fc.assert(
			fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
				const form = normalBoxed(parts.join(''));
				if (form !== null) expect(normalBoxed(form)).toBe(form);
			}),
			{ seed: 3 },
		);
	});

	it.each([
		['{a}', 2],
		['{a{b}c}', 6],
		['{a\\}b}', 5],
		['{a\\\\}', 4],
		['{a', -1],
	])('the brace of %j closes at %d', (text, at) => {
		expect(closingBrace(text, 0)).toBe(at);
	});
});
