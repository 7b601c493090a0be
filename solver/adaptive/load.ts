import type { OpenCall, ReplicaView } from '../../sim/domain/scheduler.ts';
import { workUs } from './estimates.ts';
import { type LengthTable, residual, survival } from './lengths.ts';
import type { Outlook } from './outlook.ts';

export interface ReplicaLoad {
	readonly calls: readonly OpenCallLoad[];
	/** KV positions that its calls are expected to hold after so many more tokens each, one per entry of LOOK_AHEAD. */
	readonly heldTokens: readonly number[];
	/** Engine microseconds until all of them have ended. */
	readonly workUs: number;
	/** The same, without what a step takes however many calls it serves. */
	readonly variableUs: number;
}

export interface OpenCallLoad {
	readonly open: OpenCall;
	/** Tokens that it is thought to have. */
	readonly tokens: number;
	/** KV positions that it holds now. */
	readonly contextTokens: number;
	readonly workUs: number;
}

/** Tokens from now at which the window looks at memory. */
export const LOOK_AHEAD = [0, 256, 1024, 4096] as const;

/** KV positions that one call is expected to hold at each of these moments. */
export const heldAhead = (lengths: LengthTable, contextTokens: number, tokens: number): readonly number[] =>
	LOOK_AHEAD.map((more) => survival(lengths, tokens, more) * (contextTokens + more));

export function loadOf(outlook: Outlook, replica: ReplicaView): ReplicaLoad {
	const profile = outlook.profile(replica);
	const { nowUs } = outlook.view;
	const calls: OpenCallLoad[] = [];
	const heldTokens = LOOK_AHEAD.map(() => 0);
	let sumUs = 0;
	let variableUs = 0;
	if (profile !== undefined)
		for (const open of outlook.view.openOn(replica.id)) {
			const estimate = outlook.estimate(replica.model, open.call.role);
			if (estimate === undefined) continue;
			const batch = outlook.batch(profile, open.call.role);
			const { step } = profile;
			const paceUs = replica.tokenUs ?? step.hostUs + step.baseUs + 100 * step.hostPerSequenceUs;
			const tokens = open.carriedTokens + Math.max(0, nowUs - open.dispatchedUs) / paceUs;
			const lengths = outlook.lengthsOf(open.call);
			const left = residual(lengths, tokens);
			const contextTokens = open.call.promptTokens + tokens;
			const us = workUs(profile, batch, contextTokens, left);
			calls.push({ open, tokens, contextTokens, workUs: us });
			heldAhead(lengths, contextTokens, tokens).forEach((held, i) => {
				heldTokens[i] = (heldTokens[i] ?? 0) + held;
			});
			sumUs += us;
			variableUs += workUs(profile, Number.POSITIVE_INFINITY, contextTokens, left);
		}
	return { calls, heldTokens, workUs: sumUs, variableUs };
}
