import type { ModelId } from '../../sim/domain/ids.ts';
import type { ReplicaView } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import { survivalPast } from './lengths.ts';
import type { Outlook } from './outlook.ts';
import { ROLES } from './queues.ts';

/** What the calls of a model still take, those expected to come included. */
export interface Work {
	readonly pendingSeconds: number;
	/** Of one GPU in full batches. */
	readonly seconds: number;
	/** Tokens that its longest call is expected to have left. */
	readonly longestTokens: number;
	/** Microseconds of a step without calls. */
	readonly fixedUs: number;
	/** Microseconds of one engine that its calls take beside that. */
	readonly variableUs: number;
}

/** Seconds until a model has ended on so many replicas: as full batches take, or as its longest call takes with its share of the others beside it. */
export const secondsOn = (work: Work, replicas: number): number =>
	Math.max(
		work.seconds / replicas,
		secondsFromUs(work.longestTokens * work.fixedUs + work.variableUs / replicas),
	);

export const NO_WORK: Work = {
	pendingSeconds: 0,
	seconds: 0,
	longestTokens: 0,
	fixedUs: 0,
	variableUs: 0,
};

/** Worked out once for each decision. */
export function workOf(outlook: Outlook, model: ModelId): Work {
	let work = outlook.works.get(model);
	if (work === undefined) {
		work = sumWork(outlook, model);
		outlook.works.set(model, work);
	}
	return work;
}

function sumWork(outlook: Outlook, model: ModelId): Work {
	const { expected } = outlook;
	const profile = outlook.anyProfile(model);
	if (profile === undefined) return NO_WORK;
	const slots = expected.foreseen.length;
	const needed = 1 - (expected.foreseen[slots - 1] ?? 0);
	const pendingUs = outlook.queuedUs(profile, needed);
	let openUs = 0;
	let variableUs = pendingUs;
	const serving = outlook.serving(model);
	for (const replica of serving) {
		const load = outlook.load(replica);
		openUs += load.workUs * replica.gpus.length;
		variableUs += load.variableUs * replica.gpus.length;
	}
	return {
		// A replica without calls that may start would only go again.
		pendingSeconds: secondsFromUs(outlook.queuedUs(profile, 0)),
		seconds: secondsFromUs(pendingUs + openUs),
		longestTokens: longestTokens(outlook, model, serving),
		fixedUs: profile.step.hostUs + profile.step.baseUs,
		variableUs,
	};
}

/** Tokens after which of all calls of a model, pending or on these replicas, fewer than half a one is expected to go on. */
export function longestTokens(outlook: Outlook, model: ModelId, serving: readonly ReplicaView[]): number {
	let low = 0;
	let high = MOST_TOKENS;
	while (high - low > TOKEN_GRAIN) {
		const middle = (low + high) / 2;
		if (doesOneGoOn(outlook, model, serving, middle)) low = middle;
		else high = middle;
	}
	return high;
}

/** Whether at least half a call is expected to generate so many more tokens: no more of them are looked at than that takes. */
function doesOneGoOn(
	outlook: Outlook,
	model: ModelId,
	serving: readonly ReplicaView[],
	more: number,
): boolean {
	let alive = 0;
	for (const role of ROLES) alive += outlook.pendingBeyond(model, role, more);
	if (alive >= 0.5) return true;
	for (const replica of serving)
		for (const { lengths, passed, tokens } of outlook.load(replica).running) {
			alive += survivalPast(lengths, passed, tokens, more);
			if (alive >= 0.5) return true;
		}
	return false;
}

const MOST_TOKENS = 65_536;
const TOKEN_GRAIN = 512;
