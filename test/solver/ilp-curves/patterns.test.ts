import { describe, expect, it } from 'vitest';
import { type RandomStream, randomStream } from '../../../sim/core/random.ts';
import { modelId } from '../../../sim/domain/ids.ts';
import { type Curve, secondsAt } from '../../../solver/ilp-curves/curve.ts';
import type { CurveInstance } from '../../../solver/ilp-curves/instance.ts';
import { patternsWithin } from '../../../solver/ilp-curves/patterns.ts';

function drawCurve(random: RandomStream): Curve {
	let [calls, seconds] = [1, 5 + Math.floor(20 * random())];
	const points = [{ calls, seconds }];
	for (let i = 0; i < 4; i++) {
		calls += 1 + Math.floor(4 * random());
		seconds += [0, 1, 4, 15][Math.floor(4 * random())] as number;
		points.push({ calls, seconds });
	}
	return { calls: points.map((point) => point.calls), seconds: points.map((point) => point.seconds) };
}

function drawInstance(seed: number): CurveInstance {
	const random = randomStream(seed, 'patterns');
	const experts = Array.from({ length: 3 }, (_, m) => {
		const curve = drawCurve(random);
		return { model: modelId(`m${m}`), calls: curve.calls.at(-1) as number, curves: [curve] };
	});
	return { types: [{ gpuType: 'A', gpus: [] }], experts, maxModelsPerWorker: 2 + (seed % 2) };
}

/** The most that one worker can be worth, by trying all whole numbers of calls. */
function mostWorth(instance: CurveInstance, worth: readonly number[], deadline: number): number {
	let best = 0;
	const visit = (m: number, models: number, seconds: number, value: number): void => {
		if (seconds > deadline || models > instance.maxModelsPerWorker) return;
		best = Math.max(best, value);
		const expert = instance.experts[m];
		if (expert === undefined) return;
		visit(m + 1, models, seconds, value);
		for (let calls = 1; calls <= expert.calls; calls++) {
			const more = secondsAt(expert.curves[0] as Curve, calls);
			visit(m + 1, models + 1, seconds + more, value + calls * (worth[m] as number));
		}
	};
	visit(0, 0, 0, 0);
	return best;
}

describe('patterns', () => {
	it('have corners that keep the deadline, and none is missing: no worker is worth more than the best corner', () => {
		for (let seed = 0; seed < 60; seed++) {
			const instance = drawInstance(seed);
			const random = randomStream(seed, 'worth');
			for (const deadline of [15, 30, 60]) {
				const patterns = patternsWithin(instance, deadline, 0, 10_000) ?? [];
				for (const { members, corners } of patterns)
					for (const corner of corners) {
						const seconds = members.map(({ expert }, i) =>
							secondsAt(instance.experts[expert]?.curves[0] as Curve, corner[i] as number),
						);
						expect(seconds.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(deadline + 1e-9);
					}
				const worth = instance.experts.map(() => 0.1 + random());
				const best = patterns.reduce(
					(most, { members, corners }) =>
						Math.max(
							most,
							...corners.map((corner) =>
								members.reduce(
									(sum, { expert }, i) => sum + (worth[expert] as number) * (corner[i] as number),
									0,
								),
							),
						),
					0,
				);
				expect(best).toBeGreaterThanOrEqual(mostWorth(instance, worth, deadline) - 1e-9);
			}
		}
	});

	it('are not listed when there are too many', () => {
		expect(patternsWithin(drawInstance(1), 60, 0, 3)).toBeNull();
	});
});
