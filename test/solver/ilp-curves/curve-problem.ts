import type { RandomStream } from '../../../sim/core/random.ts';
import type { Problem } from '../../../sim/domain/scheduler.ts';
import { type FakeProblem, fakeProblem } from '../../support/fake-problem.ts';

/** Seconds of a session of so many calls, load not included. */
export type SessionCurve = (calls: number) => number;

/** A fake problem whose sessions cost what `curves` says of their model, on a faster type less. */
export function curveProblem(fake: FakeProblem, curves: Readonly<Record<string, SessionCurve>>): Problem {
	const problem = fakeProblem(fake);
	return {
		...problem,
		forecaster: {
			...problem.forecaster,
			session: ({ model, gpuType, calls }) => ({
				seconds: (curves[model]?.(calls) ?? 0) / (fake.speed?.[gpuType] ?? 1),
				meanOutputTokens: 100,
				maxOutputTokens: 100,
			}),
		},
	};
}

/** A few workers of one or two types, two or three experts of a few calls, curves that are flat, bent either way, or jump. */
export function tinyCurveProblem(random: RandomStream): Problem {
	const whole = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
	const gpuTypes = Array.from({ length: 2 }, () => (random() < 0.7 ? 'A' : 'B'));
	const experts = Array.from({ length: whole(2, 3) }, (_, m) => ({
		name: `m${m}`,
		calls: whole(1, 9),
		loadSeconds: whole(1, 12),
		secondsPerCall: 1,
		gpuBytes: random() < 0.15 && gpuTypes.includes('B') ? 100e9 : 60e9,
	}));
	const curves = Object.fromEntries(
		experts.map(({ name }): [string, SessionCurve] => {
			const [tail, slope, bend] = [whole(0, 20), whole(1, 20) / 4, 0.6 + random()];
			const [jumpAt, jump] = [whole(1, 9), random() < 0.4 ? whole(5, 20) : 0];
			return [name, (calls) => tail + slope * calls ** bend + (calls >= jumpAt ? jump : 0)];
		}),
	);
	const fake: FakeProblem = {
		gpuTypes,
		speed: { B: 1.5 + random() },
		memory: { A: 80e9, B: 141e9 },
		experts,
		options: { maxModelsPerWorker: whole(2, 3), relativeGap: 0.01 },
	};
	return curveProblem(fake, curves);
}
