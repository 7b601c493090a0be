import { callsWithin, fullSeconds } from './curve.ts';
import type { CurveInstance } from './instance.ts';

/**
 * Seconds that no plan stays below, without a solver. Area: each call takes its share of some session, at the least seconds a call that any
 * session of its expert has, and all workers share the sum. Longest chain: some worker serves an expert's last call, and even if all did
 * nothing else they would need so long to serve all of them.
 */
export function quickBoundSeconds(instance: CurveInstance): number {
	const workers = instance.types.reduce((sum, { gpus }) => sum + gpus.length, 0);
	let areaSeconds = 0;
	let chainSeconds = 0;
	for (const { calls, curves } of instance.experts) {
		const known = curves.filter((curve) => curve !== null);
		const perCall = known.map((curve) =>
			curve.calls.reduce(
				(least, count, i) => Math.min(least, (curve.seconds[i] ?? 0) / count),
				Number.POSITIVE_INFINITY,
			),
		);
		areaSeconds += calls * Math.min(...perCall);
		const canServe = (limitSeconds: number): boolean =>
			instance.types.reduce((sum, { gpus }, type) => {
				const curve = curves[type] ?? null;
				return sum + (curve === null ? 0 : gpus.length * callsWithin(curve, limitSeconds));
			}, 0) >= calls;
		let low = 0;
		let high = Math.min(...known.map(fullSeconds));
		while (high - low > 1e-6 * high) {
			const middle = (low + high) / 2;
			if (canServe(middle)) high = middle;
			else low = middle;
		}
		chainSeconds = Math.max(chainSeconds, low);
	}
	return Math.max(areaSeconds / workers, chainSeconds);
}

/** Sessions of each expert without which its calls are not served by a deadline. */
export const fewestSessions = ({ experts }: CurveInstance, deadlineSeconds: number): readonly number[] =>
	experts.map(({ calls, curves }) => {
		const most = curves.map((curve) => (curve === null ? 0 : callsWithin(curve, deadlineSeconds)));
		return Math.ceil(calls / Math.max(...most, 1) - 1e-9);
	});
