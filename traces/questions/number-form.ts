/** Numbers as people and models write them, in one form: `1,000`, `1000.0` and `10^3` are one answer. Exact, never a floating-point number. */
export interface Fraction {
	readonly numerator: bigint;
	/** At least 1, no common factor with the numerator. */
	readonly denominator: bigint;
}

export interface FoundNumber {
	readonly value: Fraction;
	/** Where it stands in the text. */
	readonly from: number;
	readonly to: number;
}

/**
 * The numbers of a text in order. Knows signs, thousands separated by commas, decimals, `1.5e3`, `1.5 x 10^3` with its LaTeX spellings, `3/4`,
 * `2 1/2`, and LaTeX's `\frac{3}{4}`, `1{,}000`, `1\,000`. Units, currency and percent signs beside a number are not part of it; exponents and
 * digits inside a word (`H2O`) are no numbers.
 */
export function findNumbers(text: string): readonly FoundNumber[] {
	return [...text.matchAll(NUMBER)].flatMap((match) => {
		const value = fractionOf(match.groups ?? {});
		return value === undefined ? [] : [{ value, from: match.index, to: match.index + match[0].length }];
	});
}

/** The first number of a text in normal form, or null. */
export function normalNumber(text: string): string | null {
	const [first] = findNumbers(text);
	return first === undefined ? null : numberText(first.value);
}

/** `-0.5`, `1000`; where decimals do not end, `1/3`. */
export function numberText({ numerator, denominator }: Fraction): string {
	const decimals = decimalPlaces(denominator);
	if (decimals === undefined) return `${numerator}/${denominator}`;
	const scaled = (numerator * 10n ** BigInt(decimals)) / denominator;
	const digits = String(scaled < 0n ? -scaled : scaled).padStart(decimals + 1, '0');
	const whole = digits.slice(0, digits.length - decimals);
	const rest = decimals === 0 ? '' : `.${digits.slice(-decimals)}`;
	return `${scaled < 0n ? '-' : ''}${whole}${rest}`;
}

/** The fraction plus a whole number. */
export const plus = ({ numerator, denominator }: Fraction, whole: number): Fraction => ({
	numerator: numerator + BigInt(whole) * denominator,
	denominator,
});

const SIGN = String.raw`(?:(?<![\p{L}\p{N})])(?<sign>[-−–+])(?:\\?[$€£])?)?`;
const GROUPED = String.raw`\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)`;
const MANTISSA = String.raw`(?:${GROUPED}|\d+)(?:\.\d+)?|\.\d+`;
const POWER = String.raw`10\s?\^\s?\{?(?<power>[-−]?\d{1,3})\}?`;
const SCIENTIFIC = String.raw`(?:(?<factor>${MANTISSA})\s?(?:\\times|\\cdot|[×·*x])\s?)?${POWER}`;
const EXPONENT = String.raw`(?:[eE](?<exponent>[-+]?\d{1,3})(?![\p{L}\p{N}]))?`;
const PLAIN = String.raw`(?<mantissa>${MANTISSA})${EXPONENT}(?:\s?\/\s?(?<over>[1-9]\d*)(?!\.?\d))?(?!\d|\s?\^)`;
const MIXED = String.raw`(?<whole>\d+)\s(?<mixedTop>\d+)\/(?<mixedBottom>[1-9]\d*)(?!\d)`;
const FRACTION = String.raw`\\[dt]?frac\{\s*(?<top>-?\d+)\s*\}\{\s*(?<bottom>[1-9]\d*)\s*\}`;
const NUMBER = new RegExp(
	`${SIGN}(?:${FRACTION}|(?<![\\p{L}\\p{N}._^]|[_^]\\{)(?:${SCIENTIFIC}|${MIXED}|${PLAIN}))`,
	'gu',
);

/** Beyond these nobody means a number as an answer, and its digits would fill pages. */
const MAX_DIGITS = 60;
const MAX_EXPONENT = 60;

function fractionOf(groups: Readonly<Record<string, string | undefined>>): Fraction | undefined {
	const { sign, mantissa, exponent, over, factor, power, whole, mixedTop, mixedBottom, top, bottom } = groups;
	const negative = sign !== undefined && sign !== '+';
	let value: Fraction | undefined;
	if (top !== undefined && bottom !== undefined) value = reduced(BigInt(top), BigInt(bottom));
	else if (power !== undefined) value = decimal(factor ?? '1', Number(power.replace('−', '-')), 1n);
	else if (whole !== undefined && mixedTop !== undefined && mixedBottom !== undefined) {
		const parts = BigInt(mixedBottom);
		value = reduced(BigInt(whole) * parts + BigInt(mixedTop), parts);
	} else if (mantissa !== undefined) value = decimal(mantissa, Number(exponent ?? 0), BigInt(over ?? 1));
	if (value === undefined || !negative) return value;
	return { numerator: -value.numerator, denominator: value.denominator };
}

function decimal(mantissa: string, exponent: number, over: bigint): Fraction | undefined {
	const [whole = '', rest = ''] = mantissa.replace(/\{,\}|\\,|,/g, '').split('.');
	const digits = `${whole}${rest}`;
	if (digits.length > MAX_DIGITS || Math.abs(exponent) > MAX_EXPONENT) return undefined;
	const power = exponent - rest.length;
	const numerator = BigInt(digits) * 10n ** BigInt(Math.max(0, power));
	return reduced(numerator, over * 10n ** BigInt(Math.max(0, -power)));
}

function reduced(numerator: bigint, denominator: bigint): Fraction {
	let a = numerator < 0n ? -numerator : numerator;
	let b = denominator;
	while (b > 0n) [a, b] = [b, a % b];
	// a is the greatest common divisor.
	return { numerator: numerator / a, denominator: denominator / a };
}

/** Places after the point that write 1/denominator exactly; undefined when it never ends. */
function decimalPlaces(denominator: bigint): number | undefined {
	let rest = denominator;
	let twos = 0;
	let fives = 0;
	for (; rest % 2n === 0n; rest /= 2n) twos++;
	for (; rest % 5n === 0n; rest /= 5n) fives++;
	return rest === 1n ? Math.max(twos, fives) : undefined;
}
