import type { TimeUs } from '../../sim/domain/units.ts';

/** How long the parts of a request took, as a client's clock shows them. */
export interface RequestTimes {
	/** Until it was first scheduled. */
	readonly queueMs: number;
	/** From then to its first token. */
	readonly prefillMs: number;
	/** From its first token to its last. */
	readonly decodeMs: number;
}

/** @param speed engine time per wall time */
export function requestTimes(
	speed: number,
	{
		queuedUs,
		startedUs,
		firstTokenUs,
		endedUs,
	}: Readonly<Record<'queuedUs' | 'startedUs' | 'firstTokenUs' | 'endedUs', TimeUs>>,
): RequestTimes {
	const wallMs = (fromUs: TimeUs, toUs: TimeUs): number => (toUs - fromUs) / speed / 1000;
	return {
		queueMs: wallMs(queuedUs, startedUs),
		prefillMs: wallMs(startedUs, firstTokenUs),
		decodeMs: wallMs(firstTokenUs, endedUs),
	};
}

/** The `metrics` of an answer. @source vllm/entrypoints/generate/base/serving.py, build_per_request_timing_metrics (0.32.0) */
export function requestMetrics({ queueMs, prefillMs, decodeMs }: RequestTimes, tokenCount: number): object {
	return {
		time_to_first_token_ms: prefillMs,
		generation_time_ms: decodeMs,
		queue_time_ms: queueMs,
		mean_itl_ms: tokenCount > 1 ? decodeMs / (tokenCount - 1) : null,
		tokens_per_second: (tokenCount / (prefillMs + decodeMs)) * 1000,
		speculative_decoding: null,
	};
}

/** Without what is null, as the last chunk of a stream has it. */
export const withoutNulls = (fields: object): object =>
	Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
