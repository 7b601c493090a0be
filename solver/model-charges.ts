import type { CallId, ModelId } from '../sim/domain/ids.ts';
import type { ReplicaProfile } from '../sim/domain/model.ts';
import type { RequiredCall, Way } from '../sim/domain/required-work.ts';
import { borneCharges, chargesOn, sharedCharges } from './call-charges.ts';
import { latencyUs } from './call-latency.ts';
import { FORM_KINDS, type FormKind, formOf } from './step-forms.ts';

/** An engine that a model may run on. */
export interface PricedProfile {
	readonly profile: ReplicaProfile;
	/** Of its time, all its GPUs at once. */
	readonly price: number;
}

/** How the calls of one model are charged. */
export interface ModelCharges {
	/** For any call of the model. */
	readonly callUs: (call: RequiredCall) => number;
	/** Price of the time of the chain, the calls of one query one after another. */
	readonly chainPrice: number;
	/** What a call of the chain, of this model or another, is charged beside that; 0 for any other. A call may be shorter in some ways than in others. */
	readonly chainUs: (call: RequiredCall) => number;
}

export interface ChargedModel {
	readonly model: ModelId;
	readonly engines: readonly PricedProfile[];
	/** Ways for whose calls the charges are made as high as they can be. */
	readonly typical: readonly Way[];
	readonly profilesOf: (model: ModelId) => readonly ReplicaProfile[];
}

/** Calls of the model by which charges are compared. */
interface Sample {
	readonly calls: readonly RequiredCall[];
	/** Calls that each of them stands for. */
	readonly weight: number;
}

/** Enough to tell charges apart. */
const SAMPLE_CALLS = 256;
/** Rounds in which the charges of each engine are chosen while those of the others stay. */
const ENGINE_ROUNDS = 2;

/**
 * The best charges found for the calls of a model: either all of them share the fixed time F of its steps, or bearers pay for it. Those are the expert
 * call and the aggregator's call of one query, where they are of this model; they are never in one step, as the one begins when the other has ended. So
 * the model makes at least as many steps as they have tokens, however many calls a step can hold.
 *
 * These calls, of whichever models, are also a chain: the steps that serve them follow one another. With a price z for that time
 * every such step D is worth z D more: what it takes for the call alone is charged to the call, and of the rest a part to the bearers' fellows.
 * @param chainPrices z to choose from
 * @param worthUs what a unit of z has to bring in, microseconds
 */
export function chargeModel(
	charged: ChargedModel,
	chainPrices: readonly number[],
	worthUs: number,
): ModelCharges {
	const { model, engines, typical, profilesOf } = charged;
	const chain = longestChain(model, typical);
	const bearers = new Set(chain.bearers.map(({ call }) => call));
	const sample = sampleOf(typical, model, bearers);
	let best: ModelCharges = { callUs: () => 0, chainPrice: 0, chainUs: () => 0 };
	let bestUs = -1;
	const offer = (charges: ModelCharges): void => {
		const us =
			sumOver(sample, charges.callUs) +
			sum(chain.bearers, charges.callUs) +
			sum(chain.calls, charges.chainUs) -
			charges.chainPrice * worthUs;
		if (us <= bestUs) return;
		best = charges;
		bestUs = us;
	};
	for (const kind of kindsOf(engines)) {
		const shared = choose(
			engines.map(({ profile, price }) => sharedCharges(profile, formOf(profile, kind), price)),
			(charges) => sumOver(sample, chargesOn(charges)),
		);
		offer({ callUs: chargesOn(shared), chainPrice: 0, chainUs: () => 0 });
		for (const chainPrice of chainPrices) {
			const borne = choose(
				engines.map(({ profile, price }) => borneCharges(profile, formOf(profile, kind), price, chainPrice)),
				(charges) =>
					sumOver(sample, chargesOn(charges.map((one) => one.others))) +
					sum(chain.bearers, chargesOn(charges.map((one) => one.bearers))),
			);
			const ofBearers = chargesOn(borne.map((one) => one.bearers));
			const ofOthers = chargesOn(borne.map((one) => one.others));
			offer({
				callUs: (call) => (bearers.has(call.call) ? ofBearers : ofOthers)(call),
				chainPrice,
				chainUs: chainCharges(chain.calls, chainPrice, profilesOf, kind),
			});
		}
	}
	return best;
}

/** Synchronous engines have one form. */
const kindsOf = (engines: readonly PricedProfile[]): readonly FormKind[] =>
	engines.some(({ profile }) => profile.engine.asyncScheduling) ? FORM_KINDS : ['gpu'];

/** A step that serves a call of the chain takes at least what it takes for that call alone. */
function chainCharges(
	calls: readonly RequiredCall[],
	chainPrice: number,
	profilesOf: ChargedModel['profilesOf'],
	kind: FormKind,
): ModelCharges['chainUs'] {
	const chain = new Set(calls.map(({ call }) => call));
	return (call) => {
		const profiles = profilesOf(call.model);
		if (chainPrice === 0 || profiles.length === 0 || !chain.has(call.call)) return 0;
		return chainPrice * latencyUs(profiles, call, [kind]);
	};
}

/** One of each engine's charges, so that the sum is high: one engine after the other, the others as they are. */
function choose<T>(
	candidates: readonly (readonly T[])[],
	sumUs: (chosen: readonly T[]) => number,
): readonly T[] {
	// Each by itself first.
	const chosen = candidates.map((own) => own.reduce((a, b) => (sumUs([b]) > sumUs([a]) ? b : a)));
	if (chosen.length < 2) return chosen;
	let bestUs = sumUs(chosen);
	for (let round = 0; round < ENGINE_ROUNDS; round++)
		candidates.forEach((own, index) => {
			for (const one of own) {
				const us = sumUs(chosen.with(index, one));
				if (us <= bestUs) continue;
				chosen[index] = one;
				bestUs = us;
			}
		});
	return chosen;
}

/** Every so manieth call, the shortest first, bearers left out. */
function sampleOf(ways: readonly Way[], model: ModelId, bearers: ReadonlySet<CallId>): Sample {
	const calls = ways
		.flatMap((way) => way.filter((call) => call.model === model && !bearers.has(call.call)))
		.sort((a, b) => a.outputTokens - b.outputTokens);
	const weight = Math.max(1, Math.floor(calls.length / SAMPLE_CALLS));
	return { calls: calls.filter((_, index) => index % weight === Math.floor(weight / 2)), weight };
}

const sum = (calls: readonly RequiredCall[], us: (call: RequiredCall) => number): number =>
	calls.reduce((total, call) => total + us(call), 0);

const sumOver = ({ calls, weight }: Sample, us: (call: RequiredCall) => number): number =>
	weight * sum(calls, us);

interface Chain {
	/** Those of the model. */
	readonly bearers: readonly RequiredCall[];
	/** Of whichever models, one after another. */
	readonly calls: readonly RequiredCall[];
}

/** The expert call and the aggregator's after it of that query whose calls of this model make the most steps one after another. */
function longestChain(model: ModelId, ways: readonly Way[]): Chain {
	let longest: Chain = { bearers: [], calls: [] };
	let mostTokens = 0;
	for (const way of ways) {
		const experts = way.filter(({ role }) => role === 'expert');
		const expert = longestOf(experts.filter((call) => call.model === model)) ?? longestOf(experts);
		const aggregator = way.find(({ role }) => role === 'aggregator');
		const calls = [expert, aggregator].flatMap((call) => call ?? []);
		const bearers = calls.filter((call) => call.model === model);
		const tokens = bearers.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
		if (tokens <= mostTokens) continue;
		longest = { bearers, calls };
		mostTokens = tokens;
	}
	return longest;
}

const longestOf = (calls: readonly RequiredCall[]): RequiredCall | undefined =>
	calls.reduce<RequiredCall | undefined>(
		(longest, call) => (call.outputTokens > (longest?.outputTokens ?? 0) ? call : longest),
		undefined,
	);
