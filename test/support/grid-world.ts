import type { GridRun } from '../../live/measure/grid.ts';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { createStepwiseEngine } from '../../sim/engine/index.ts';
import type { ClientRun } from '../../sim/study/fit-client-times.ts';

/**
 * What a client would see of a run on an engine of which everything is known, without any noise.
 * @param wayUs of a call to the engine and of a token back, together
 */
export function seenByClient(run: GridRun, config: EngineConfig, cost: StepCost, wayUs: number): ClientRun {
	const engine = createStepwiseEngine(config, cost);
	const ids = Array.from({ length: run.calls }, (_, index) => String(index));
	const arrivals = new Map(ids.map((id) => [id, [] as { tokens: number; timeUs: number }[]]));
	const { promptTokens, outputTokens } = run;
	for (const id of ids)
		engine.submit(
			{
				id,
				promptTokens,
				promptSegments: [[`${run.name} ${id}`, 0, promptTokens]],
				outputTokens,
				endsByStop: false,
				maxOutputTokens: outputTokens,
				priority: 0,
			},
			wayUs,
		);
	const note = (id: string, tokens: number, timeUs: number): void => {
		const seen = arrivals.get(id) ?? [];
		if (tokens > (seen.at(-1)?.tokens ?? 0)) seen.push({ tokens, timeUs });
	};
	for (let nowUs = engine.nextUs(); Number.isFinite(nowUs); nowUs = engine.nextUs()) {
		for (const event of engine.advance(nowUs))
			if (event.kind === 'finished') note(event.id, event.outputTokens, nowUs);
		for (const id of ids) note(id, engine.outputTokens(id, nowUs) ?? 0, nowUs);
	}
	return {
		name: run.name,
		calls: ids.map((id) => ({ sentUs: 0, promptTokens, arrivals: arrivals.get(id) ?? [] })),
	};
}
