/** One-dimensional fits of testbed parameters on the rows that may be fitted. */

export interface FitStep {
	readonly parameter: number;
	readonly value: number;
}

export interface Fit {
	readonly parameter: number;
	readonly value: number;
	readonly steps: readonly FitStep[];
}

/**
 * Finds the parameter, positive unless the start is 0 and stays it, at which an increasing function meets `target`, by the secant rule on the logarithms, which is exact
 * in one step for a power law.
 * @param evaluate increasing in its argument
 * @param relativeTolerance stop when |value - target| / target is below it
 */
export async function fitIncreasing(
	evaluate: (parameter: number) => Promise<number>,
	target: number,
	start = 1,
	relativeTolerance = 0.002,
	maxSteps = 10,
): Promise<Fit> {
	const steps: FitStep[] = [];
	let parameter = start;
	let exponent = 1;
	for (let i = 0; i < maxSteps; i++) {
		const value = await evaluate(parameter);
		const previous = steps.at(-1);
		steps.push({ parameter, value });
		if (Math.abs(value - target) / target < relativeTolerance) break;
		if (previous !== undefined && previous.parameter !== parameter) {
			const slope = Math.log(value / previous.value) / Math.log(parameter / previous.parameter);
			// A flat or falling secant is noise of the seeds: keep the last slope.
			if (slope > 0.005) exponent = slope;
		}
		const next = parameter * (target / value) ** (1 / exponent);
		// Zero stays zero: evaluating it again would tell nothing new.
		if (next === parameter) break;
		parameter = next;
	}
	const best = steps.reduce((a, b) => (Math.abs(b.value - target) < Math.abs(a.value - target) ? b : a));
	return { ...best, steps };
}

/**
 * Smallest value of a function with one dip on [low, high], by golden-section search.
 * @param tolerance width of the last bracket
 */
export async function fitMinimum(
	evaluate: (parameter: number) => Promise<number>,
	low: number,
	high: number,
	tolerance: number,
): Promise<Fit> {
	const steps: FitStep[] = [];
	const probe = async (parameter: number): Promise<number> => {
		const value = await evaluate(parameter);
		steps.push({ parameter, value });
		return value;
	};
	const ratio = (Math.sqrt(5) - 1) / 2;
	let left = low;
	let right = high;
	let a = right - ratio * (right - left);
	let b = left + ratio * (right - left);
	let atA = await probe(a);
	let atB = await probe(b);
	while (right - left > tolerance) {
		if (atA <= atB) {
			right = b;
			b = a;
			atB = atA;
			a = right - ratio * (right - left);
			atA = await probe(a);
		} else {
			left = a;
			a = b;
			atA = atB;
			b = left + ratio * (right - left);
			atB = await probe(b);
		}
	}
	const best = steps.reduce((x, y) => (y.value < x.value ? y : x));
	return { ...best, steps };
}
