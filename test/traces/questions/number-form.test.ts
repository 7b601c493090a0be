import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findNumbers, normalNumber, numberText, plus } from '../../../traces/questions/number-form.ts';

const seed = 7;
const all = (text: string): string[] => findNumbers(text).map(({ value }) => numberText(value));

describe('numbers in a text', () => {
	it.each([
		['1,000', ['1000']],
		['1000.0', ['1000']],
		['3.50', ['3.5']],
		['.5', ['0.5']],
		['007', ['7']],
		['-0', ['0']],
		['-7', ['-7']],
		['−7', ['-7']],
		['+7', ['7']],
		['-$5.20', ['-5.2']],
		['$1,234.50', ['1234.5']],
		['50%', ['50']],
		['12 km/h', ['12']],
		['42.', ['42']],
		['1e3', ['1000']],
		['2.5e-3', ['0.0025']],
		['10^3', ['1000']],
		['1.5 \\times 10^{3}', ['1500']],
		['2 × 10^−2', ['0.02']],
		['3/4', ['0.75']],
		['1/3', ['1/3']],
		['6/3', ['2']],
		['2 1/2', ['2.5']],
		['\\frac{1}{3}', ['1/3']],
		['\\dfrac{-2}{4}', ['-0.5']],
		['-\\frac{1}{4}', ['-0.25']],
		['1{,}000', ['1000']],
		['1\\,000', ['1000']],
		['5-3', ['5', '3']],
		['1,2,3', ['1', '2', '3']],
		['- 5 apples', ['5']],
		['2/0', ['2', '0']],
		['H2O is 18 g', ['18']],
		['x^{12} + 3', ['3']],
		['2^10', []],
		['none', []],
		[`1e999 and ${'9'.repeat(61)}`, []],
	])('%j', (text, expected) => {
		expect(all(text)).toEqual(expected);
	});

	it('says where each one stands', () => {
		const text = 'from 3/4 to 1,000 of them';
		expect(findNumbers(text).map(({ from, to }) => text.slice(from, to))).toEqual(['3/4', '1,000']);
	});

	it('one value has one form, however it is written', () => {
		const digits = fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(6));
		fc.assert(
			fc.property(digits, fc.nat(3), ([scaled, places], zeros) => {
				const sign = scaled < 0n ? '-' : '';
				const plain = String(scaled < 0n ? -scaled : scaled).padStart(places + 1, '0');
				const whole = plain.slice(0, plain.length - places);
				const rest = plain.slice(plain.length - places) + '0'.repeat(zeros);
				const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
				const spelled = (digitsBefore: string): string =>
					`${sign}${digitsBefore}${rest === '' ? '' : `.${rest}`}`;
				const form = normalNumber(`about ${spelled(whole)} pieces`);
				expect(normalNumber(spelled(grouped))).toBe(form);
				expect(normalNumber(`${sign}${plain}e-${places}`)).toBe(form);
				expect(normalNumber(`${sign}${plain}/${10 ** places}`)).toBe(form);
				// An oracle with floating point, as far as that goes.
				expect(Number(form)).toBeCloseTo(Number(scaled) / 10 ** places, -6);
				// The form is its own form.
				expect(normalNumber(form ?? '')).toBe(form);
			}),
			{ seed },
		);
	});

	it('fractions are reduced, and whole steps away from them are other numbers', () => {
		const fraction = fc.tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }));
		fc.assert(
			fc.property(
				fraction,
				fc.integer({ min: 2, max: 50 }),
				fc.integer({ min: 1, max: 99 }),
				([a, b], times, step) => {
					const form = normalNumber(`${a}/${b}`);
					expect(normalNumber(`${a * times}/${b * times}`)).toBe(form);
					const [number] = findNumbers(form ?? '');
					if (number === undefined) throw new Error('no number');
					const further = numberText(plus(number.value, step));
					expect(further).not.toBe(form);
					expect(numberText(plus(number.value, 0))).toBe(form);
					const [reread] = findNumbers(further);
					expect(reread === undefined ? null : numberText(plus(reread.value, -step))).toBe(form);
				},
			),
			{ seed },
		);
	});
});
