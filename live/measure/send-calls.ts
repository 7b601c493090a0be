import type { MeasuredCall } from '../../sim/domain/measured-run.ts';
import { type TimeUs, usFromSeconds } from '../../sim/domain/units.ts';
import type { LiveClock } from '../clock.ts';
import { promptTokenIds } from '../content/token-ids.ts';
import type { ServerClient } from '../http/server-client.ts';

export interface CallOrder {
	/** Prompts of different streams have no common beginning. */
	readonly stream: string;
	readonly promptTokens: number;
	readonly outputTokens: number;
}

/** A call with every moment at which tokens of it came. */
export interface TimedCall extends MeasuredCall {
	/** When the first n tokens were there, in order. Several that came together have one entry. */
	readonly arrivals: readonly { readonly tokens: number; readonly timeUs: TimeUs }[];
}

/** An engine that is measured is never so slow. */
const LIMIT_US = usFromSeconds(600);

/**
 * Sends all calls at this moment and waits for the last token of all. Exact lengths, no end-of-sequence.
 * @param takesScripts whether the server is an emulator, which is told what to generate
 * @returns times since the first was sent
 */
export async function sendCalls(
	client: ServerClient,
	orders: readonly CallOrder[],
	clock: LiveClock,
	takesScripts: boolean,
	signal: AbortSignal,
): Promise<readonly TimedCall[]> {
	const zeroUs = clock.nowUs();
	const send = async (order: CallOrder, index: number): Promise<TimedCall> => {
		const { stream, promptTokens, outputTokens } = order;
		const prompt = promptTokenIds(stream, promptTokens);
		const arrivals: { tokens: number; timeUs: TimeUs }[] = [];
		const sentUs = clock.nowUs() - zeroUs;
		const answer = await client.generate({
			endpoint: 'completions',
			body: {
				prompt,
				max_tokens: outputTokens,
				temperature: 0,
				...(takesScripts ? { mosaic: { output_tokens: outputTokens } } : { ignore_eos: true }),
			},
			firstTokenLimitUs: LIMIT_US,
			silenceLimitUs: LIMIT_US,
			signal,
			onTokens(tokens) {
				if (tokens > (arrivals.at(-1)?.tokens ?? 0))
					arrivals.push({ tokens, timeUs: clock.nowUs() - zeroUs });
			},
		});
		const endUs = clock.nowUs() - zeroUs;
		return {
			id: String(index),
			sentUs,
			firstTokenUs: arrivals[0]?.timeUs ?? endUs,
			lastTokenUs: arrivals.at(-1)?.timeUs ?? endUs,
			promptTokens: answer.promptTokens,
			promptSegments: [[stream, 0, answer.promptTokens]],
			cachedPromptTokens: answer.cachedPromptTokens,
			outputTokens: answer.outputTokens,
			arrivals,
		};
	};
	return Promise.all(orders.map(send));
}
