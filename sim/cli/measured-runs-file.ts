import type { EngineMeasurement } from '../../live/measure/measure-engine.ts';
import { secondsFromUs } from '../domain/units.ts';

/** The grid as recordings that `mosaic calibrate` reads, one run a line; empty where the server did not log its steps. */
export function measuredRunsText({ grid, engine, version }: EngineMeasurement, model: string): string {
	return grid
		.filter(({ steps }) => steps.length > 0)
		.map(({ run, calls, steps }) => {
			const record = {
				format: 1,
				engine: `vllm ${version}`,
				model,
				name: run.name,
				config: engine,
				calls: calls.map((call) => ({
					id: Number(call.id),
					sentS: secondsFromUs(call.sentUs),
					firstS: secondsFromUs(call.firstTokenUs),
					lastS: secondsFromUs(call.lastTokenUs),
					chunks: call.arrivals.length,
					promptTokens: call.promptTokens,
					cachedTokens: call.cachedPromptTokens,
					outputTokens: call.outputTokens,
					prompt: call.promptSegments,
				})),
				counters: { num_preemptions_total: 0 },
				iterations: steps.map((step, index) => [
					index,
					...[step.prefillSequences, step.prefillTokens, step.decodeSequences, step.decodeTokens],
					step.modelUs / 1000,
				]),
			};
			return `${JSON.stringify(record)}\n`;
		})
		.join('');
}
