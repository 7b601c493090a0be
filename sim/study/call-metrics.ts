import type { TimeUs } from '../domain/units.ts';

export interface RunMetrics {
	readonly makespanSeconds: number;
	readonly ttftMeanSeconds: number;
	/** Mean over calls of the time per output token after the first. */
	readonly tpotMeanSeconds: number;
	/** By nearest rank. */
	readonly latencyP95Seconds: number;
}

/** One call as its sender sees it. */
export interface CallTiming {
	readonly sentUs: TimeUs;
	readonly firstTokenUs: TimeUs;
	readonly lastTokenUs: TimeUs;
	readonly outputTokens: number;
}

/** From the first call that was sent to the last token. All zero without calls. */
export function callMetrics(calls: readonly CallTiming[]): RunMetrics {
	const spoken = calls.filter(({ outputTokens }) => outputTokens > 1);
	const latenciesUs = calls.map(({ sentUs, lastTokenUs }) => lastTokenUs - sentUs).sort((a, b) => a - b);
	const firstSentUs = calls.reduce((least, { sentUs }) => Math.min(least, sentUs), Number.POSITIVE_INFINITY);
	const lastUs = calls.reduce((most, { lastTokenUs }) => Math.max(most, lastTokenUs), 0);
	return {
		makespanSeconds: calls.length === 0 ? 0 : (lastUs - firstSentUs) / 1e6,
		ttftMeanSeconds: mean(calls.map(({ sentUs, firstTokenUs }) => firstTokenUs - sentUs)) / 1e6,
		tpotMeanSeconds:
			mean(
				spoken.map(
					({ firstTokenUs, lastTokenUs, outputTokens }) => (lastTokenUs - firstTokenUs) / (outputTokens - 1),
				),
			) / 1e6,
		latencyP95Seconds: (latenciesUs[Math.ceil((95 * latenciesUs.length) / 100) - 1] ?? 0) / 1e6,
	};
}

/** 0 for what was 0. */
export const percentOff = (got: number, wanted: number): number =>
	wanted === 0 ? 0 : 100 * (got / wanted - 1);

const mean = (values: readonly number[]): number =>
	values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
