import type { EngineModel } from '../domain/engine.ts';
import { assert } from '../domain/errors.ts';
import type { MeasuredServing } from '../domain/measured-run.ts';

/** A load as load generators make it: `concurrency` equal requests in flight at all times. */
export type ServingLoad = Pick<MeasuredServing, 'promptTokens' | 'outputTokens' | 'concurrency'>;

export interface ServingTimes {
	readonly ttftMs: number;
	readonly tpotMs: number;
}

export interface ServingComparison {
	readonly load: ServingLoad;
	readonly measured: ServingTimes;
	readonly simulated: ServingTimes;
	readonly ttftErrorPercent: number;
	readonly tpotErrorPercent: number;
}

/** Rounds of `concurrency` requests that are started; the first is warm-up, the last cools down. */
const ROUNDS = 6;

/** Measured beside simulated times of steady serving. */
export function compareServing(measured: MeasuredServing, engine: EngineModel): ServingComparison {
	const simulated = simulateServing(measured, engine);
	return {
		load: measured,
		measured: { ttftMs: measured.ttftMs, tpotMs: measured.tpotMs },
		simulated,
		ttftErrorPercent: 100 * (simulated.ttftMs / measured.ttftMs - 1),
		tpotErrorPercent: 100 * (simulated.tpotMs / measured.tpotMs - 1),
	};
}

/**
 * Mean times of the requests that met a full engine from their first to their last token.
 * @param engine idle, and used for nothing else
 */
export function simulateServing(load: ServingLoad, engine: EngineModel): ServingTimes {
	const { promptTokens, outputTokens, concurrency } = load;
	const total = ROUNDS * concurrency;
	const sentUs: number[] = [];
	const send = (nowUs: number): void => {
		const id = String(sentUs.length);
		sentUs.push(nowUs);
		engine.submit(
			{ id, promptTokens, outputTokens, endsByStop: false, maxOutputTokens: outputTokens, priority: 0 },
			nowUs,
		);
	};
	for (let i = 0; i < concurrency; i++) send(0);

	let ttftUs = 0;
	let decodeUs = 0;
	let counted = 0;
	for (let nowUs = engine.nextUs(); Number.isFinite(nowUs); nowUs = engine.nextUs()) {
		for (const event of engine.advance(nowUs)) {
			assert(event.kind === 'finished', `a request of ${promptTokens} prompt tokens was rejected`);
			const index = Number(event.id);
			if (index >= concurrency && index < total - concurrency) {
				ttftUs += event.firstTokenUs - (sentUs[index] ?? 0);
				decodeUs += event.timeUs - event.firstTokenUs;
				counted++;
			}
			if (sentUs.length < total) send(event.timeUs);
		}
	}
	return {
		ttftMs: ttftUs / counted / 1000,
		tpotMs: decodeUs / counted / Math.max(1, outputTokens - 1) / 1000,
	};
}
