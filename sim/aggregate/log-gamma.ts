/**
 * Natural logarithm of the gamma function for x > 0, relative error below 1e-14.
 * @source Lanczos approximation, g = 7, nine coefficients (Godfrey 2001)
 */
export function logGamma(x: number): number {
	if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
	const z = x - 1;
	const base = z + 7.5;
	const sum = COEFFICIENTS.reduce((total, coefficient, i) => total + coefficient / (z + i + 1), FIRST);
	return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(base) - base + Math.log(sum);
}

const FIRST = 0.99999999999980993;
const COEFFICIENTS = [
	676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
	-0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;
