import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { OpenCall, ReplicaView } from '../../sim/domain/scheduler.ts';
import type { CallRole } from '../../sim/domain/work.ts';
import { kvTokens, type Rate, rateBeside, rateOf, workAtRate } from './estimates.ts';
import { countUpTo, type LengthTable, residualPast, survival, survivalPast } from './lengths.ts';
import type { Outlook } from './outlook.ts';

/** What is on a replica. Each part is worked out when somebody asks: most decisions need one of them. */
export interface ReplicaLoad {
	readonly running: readonly RunningCall[];
	/** The same calls, with their work. */
	readonly calls: readonly OpenCallLoad[];
	/** KV positions that its calls are expected to hold after so many more tokens each, one per entry of LOOK_AHEAD. */
	readonly heldTokens: readonly number[];
	/** Engine microseconds until all of them have ended. */
	readonly workUs: number;
	/** The same, without what a step takes however many calls it serves. */
	readonly variableUs: number;
}

export interface RunningCall {
	readonly open: OpenCall;
	/** Tokens that it is thought to have. */
	readonly tokens: number;
	/** KV positions that it holds now. */
	readonly contextTokens: number;
	/** How long it may become. */
	readonly lengths: LengthTable;
	/** Of these lengths, those that it is past. */
	readonly passed: number;
	/** Whether all that it holds has a place in the engine, beside the calls dispatched before it. */
	readonly fits: boolean;
}

export interface OpenCallLoad extends RunningCall {
	readonly workUs: number;
}

/** Tokens from now at which the window looks at memory. */
export const LOOK_AHEAD = [0, 256, 1024, 4096] as const;

/** KV positions that one call is expected to hold at each of these moments. */
export const heldAhead = (lengths: LengthTable, contextTokens: number, tokens: number): readonly number[] =>
	LOOK_AHEAD.map((more) => survival(lengths, tokens, more) * (contextTokens + more));

export function loadOf(outlook: Outlook, replica: ReplicaView): ReplicaLoad {
	const profile = outlook.profile(replica);
	return profile === undefined ? NO_LOAD : new Load(outlook, profile, runningOn(outlook, replica, profile));
}

const NO_LOAD: ReplicaLoad = {
	running: [],
	calls: [],
	heldTokens: LOOK_AHEAD.map(() => 0),
	workUs: 0,
	variableUs: 0,
};

/** In order of dispatch, which is that of the engine: those that find no room any more wait, and get no further. */
function runningOn(outlook: Outlook, replica: ReplicaView, profile: ReplicaProfile): readonly RunningCall[] {
	const { view } = outlook;
	const { step, engine } = profile;
	const paceUs = replica.tokenUs ?? step.hostUs + step.baseUs + 100 * step.hostPerSequenceUs;
	const running: RunningCall[] = [];
	let freeTokens = kvTokens(engine);
	for (const open of view.openOn(replica.id)) {
		const { call, carriedTokens, dispatchedUs } = open;
		if (outlook.estimate(replica.model, call.role) === undefined) continue;
		const isWaiting = freeTokens < 0 || running.length >= engine.maxNumSeqs;
		const tokens = carriedTokens + (isWaiting ? 0 : Math.max(0, view.nowUs - dispatchedUs) / paceUs);
		const lengths = outlook.lengthsOf(call);
		const contextTokens = call.promptTokens + tokens;
		freeTokens -= contextTokens;
		const fits = freeTokens >= 0 && running.length < engine.maxNumSeqs;
		running.push({ open, tokens, contextTokens, lengths, passed: countUpTo(lengths, tokens), fits });
	}
	return running;
}

class Load implements ReplicaLoad {
	readonly running: readonly RunningCall[];
	private readonly outlook: Outlook;
	private readonly profile: ReplicaProfile;
	private held: readonly number[] | null = null;
	private work: Pick<ReplicaLoad, 'calls' | 'workUs' | 'variableUs'> | null = null;

	constructor(outlook: Outlook, profile: ReplicaProfile, running: readonly RunningCall[]) {
		this.outlook = outlook;
		this.profile = profile;
		this.running = running;
	}

	get heldTokens(): readonly number[] {
		this.held ??= LOOK_AHEAD.map((more) => {
			let sum = 0;
			for (const { lengths, passed, tokens, contextTokens } of this.running)
				sum += survivalPast(lengths, passed, tokens, more) * (contextTokens + more);
			return sum;
		});
		return this.held;
	}

	get calls(): readonly OpenCallLoad[] {
		return this.sums().calls;
	}

	get workUs(): number {
		return this.sums().workUs;
	}

	get variableUs(): number {
		return this.sums().variableUs;
	}

	private sums() {
		this.work ??= this.sumUp();
		return this.work;
	}

	private sumUp(): Pick<ReplicaLoad, 'calls' | 'workUs' | 'variableUs'> {
		const { outlook, profile } = this;
		const rates: Partial<Record<CallRole, Rate>> = {};
		const beside = rateBeside(profile);
		let sumUs = 0;
		let variableUs = 0;
		const calls = this.running.map((running): OpenCallLoad => {
			const { open, tokens, contextTokens, lengths, passed, fits } = running;
			const { role } = open.call;
			rates[role] ??= rateOf(profile, outlook.batch(profile, role));
			const left = residualPast(lengths, passed, tokens);
			const workUs = workAtRate(rates[role], contextTokens, left);
			sumUs += workUs;
			variableUs += workAtRate(beside, contextTokens, left);
			return { open, tokens, contextTokens, lengths, passed, fits, workUs };
		});
		return { calls, workUs: sumUs, variableUs };
	}
}
