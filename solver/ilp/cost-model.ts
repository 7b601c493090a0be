import type { ModelId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import { nonNegativeLeastSquares } from './least-squares.ts';

/** One session of the profiling sweep. */
export interface SweepPoint {
	readonly calls: number;
	readonly meanOutputTokens: number;
	readonly maxOutputTokens: number;
	/** Generation only, load not included. */
	readonly seconds: number;
}

/** T_m(N, Obar, Omax) = alpha + beta N Obar + gamma Omax, in seconds, none of the three negative. */
export interface SessionRegression {
	readonly alphaSeconds: number;
	/** Seconds per output token. */
	readonly betaSeconds: number;
	/** Seconds per token of the longest output. */
	readonly gammaSeconds: number;
	/** Root mean square and largest relative error over the sweep, percent of the forecast seconds. */
	readonly rmsErrorPercent: number;
	readonly maxErrorPercent: number;
}

/** What one model costs on one type of GPU. */
export interface ExpertCost {
	readonly model: ModelId;
	readonly gpuType: string;
	/** l_m: start of a session. */
	readonly loadSeconds: number;
	/** That_m = T_m(N_m, Obar_m, Omax_m): generation of all its calls in one session. */
	readonly sessionSeconds: number;
	/** tau_m = That_m / N_m. */
	readonly secondsPerCall: number;
	readonly regression: SessionRegression;
	readonly sweep: readonly SweepPoint[];
}

/**
 * The paper's offline cost model, whose functional form the paper does not give. Ours follows from how a batch is served: while all N
 * calls fit in one batch it takes Omax steps, each with a fixed part (gamma) and a part per running sequence, which adds up to a part per
 * output token (beta); prompts and what lies beyond one batch grow with N as the tokens do, and alpha holds what every session pays once.
 * It is linear in its coefficients, and none can be negative, since no session gets shorter by more work. Growing attention cost within a
 * long output and the kink where the batch is full are what it misses; the fit error says how much.
 */
export function fitExpertCost(problem: Problem, profile: ReplicaProfile, calls: number): ExpertCost {
	const { model, gpuType, loadUs } = profile;
	const sweep = sweepSessions(problem, profile, calls);
	const regression = fitRegression(sweep);
	const { mean, max } = problem.forecaster.outputTokens(model, 'expert');
	const sessionSeconds = predictSeconds(regression, calls, mean, max);
	return {
		model,
		gpuType,
		loadSeconds: secondsFromUs(loadUs),
		sessionSeconds,
		secondsPerCall: sessionSeconds / calls,
		regression,
		sweep,
	};
}

/** Engine-model sessions at the shares of the calls that `options.sweepShares` names. */
export function sweepSessions(
	problem: Problem,
	profile: ReplicaProfile,
	calls: number,
): readonly SweepPoint[] {
	const { model, gpuType, tensorParallel } = profile;
	const shares = problem.options.sweepShares.length === 0 ? [1] : problem.options.sweepShares;
	const sizes = [...new Set(shares.map((share) => Math.min(calls, Math.max(1, Math.round(share * calls)))))];
	return sizes
		.sort((a, b) => a - b)
		.map((size) => ({
			calls: size,
			...problem.forecaster.session({ model, gpuType, tensorParallel, role: 'expert', calls: size }),
		}));
}

export function fitRegression(sweep: readonly SweepPoint[]): SessionRegression {
	// The token column stands first: a sweep of one point is then read as a price per token.
	const rows = sweep.map((point) => [point.calls * point.meanOutputTokens, point.maxOutputTokens, 1]);
	const [betaSeconds = 0, gammaSeconds = 0, alphaSeconds = 0] = nonNegativeLeastSquares(
		rows,
		sweep.map(({ seconds }) => seconds),
	);
	const coefficients = { alphaSeconds, betaSeconds, gammaSeconds };
	const errors = sweep.map((point) => {
		const predicted = predictSeconds(
			coefficients,
			point.calls,
			point.meanOutputTokens,
			point.maxOutputTokens,
		);
		return (100 * Math.abs(predicted - point.seconds)) / point.seconds;
	});
	return {
		...coefficients,
		rmsErrorPercent: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length),
		maxErrorPercent: Math.max(...errors),
	};
}

const predictSeconds = (
	{
		alphaSeconds,
		betaSeconds,
		gammaSeconds,
	}: Pick<SessionRegression, 'alphaSeconds' | 'betaSeconds' | 'gammaSeconds'>,
	calls: number,
	meanOutputTokens: number,
	maxOutputTokens: number,
): number => alphaSeconds + betaSeconds * calls * meanOutputTokens + gammaSeconds * maxOutputTokens;
