import type { MeasuredStep } from '../../sim/domain/measured-run.ts';

/** What vLLM writes after each step with `--enable-logging-iteration-details`. */
const LINE =
	/Iteration\(\d+\): (\d+) context requests, (\d+) context tokens, (\d+) generation requests, (\d+) generation tokens, iteration elapsed time: ([\d.]+) ms/;

/** Steps in a part of a server's log, in order. Other lines are passed over. */
export function readIterations(log: string): readonly MeasuredStep[] {
	return log.split('\n').flatMap((line) => {
		const match = LINE.exec(line);
		if (match === null) return [];
		const [prefillSequences = 0, prefillTokens = 0, decodeSequences = 0, decodeTokens = 0, milliseconds = 0] =
			match.slice(1).map(Number);
		return [
			{
				prefillSequences,
				prefillTokens,
				decodeSequences,
				decodeTokens,
				modelUs: Math.round(milliseconds * 1000),
			},
		];
	});
}
