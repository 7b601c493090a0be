import type { ModelId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { Problem } from '../../sim/domain/scheduler.ts';
import type { CallRole } from '../../sim/domain/work.ts';
import { expertWork } from '../workers.ts';
import { type LengthTable, lengthTable, type Residual, residual } from './lengths.ts';
import { stretched, stretchOf } from './observed.ts';
import { Prediction } from './prediction.ts';
import type { Switches } from './switches.ts';
import type { Tuning } from './tuning.ts';

/** What the policy expects, made when it plans. Stands in `Plan.memory`, so that a decision needs the plan and the view alone. */
export interface Expectations {
	readonly switches: Switches;
	readonly tuning: Tuning;
	readonly estimates: readonly Estimate[];
	readonly aggregator: ModelId | null;
	/** Share of queries that the gate sends to the aggregator. */
	readonly aggregatedShare: number;
	/** `foreseen[n]`: share of queries whose vote is certain when n slots have ended. */
	readonly foreseen: readonly number[];
}

/** Calls of one model in one role. */
export interface Estimate {
	readonly model: ModelId;
	readonly role: CallRole;
	readonly promptTokens: number;
	readonly lengths: LengthTable;
}

export function expect(problem: Problem, switches: Switches, tuning: Tuning): Expectations {
	const { aggregator, queries, gate, future } = problem;
	const experts = new Set([
		...expertWork(problem).map(({ model }) => model),
		...queries.flatMap(({ slots }) => slots),
	]);
	const profiled = [...experts].map((model) => profiledLengths(problem, model, 'expert', switches));
	if (aggregator !== null && (queries.length > 0 || future !== null))
		profiled.push(profiledLengths(problem, aggregator.model, 'aggregator', switches));
	return {
		switches,
		tuning,
		estimates: corrected(problem, profiled, switches.predict ? new Prediction(tuning.likeness) : null),
		aggregator: aggregator?.model ?? null,
		aggregatedShare: gate.aggregatedShare,
		foreseen: Array.from({ length: slotsOf(problem) }, (_, answers) => gate.foreseenShare(answers)),
	};
}

/** An estimate before anything is seen; its lengths are not cut yet. */
interface Profiled extends Estimate {
	/** That outputs end at whatever their length. */
	readonly limitTokens: number;
}

function profiledLengths(problem: Problem, model: ModelId, role: CallRole, { cuts }: Switches): Profiled {
	const tasks = [
		...new Set(
			[
				...problem.queries,
				...problem.expertCalls.filter((calls) => role === 'aggregator' || calls.model === model),
			].map(({ task }) => task),
		),
	];
	const ownLimit =
		problem.models.find(({ id }) => id === model)?.outputLimitTokens ?? Number.POSITIVE_INFINITY;
	const limitTokens = Math.min(
		ownLimit,
		...tasks.map((task) => (cuts ? problem.gate.cutTokens(model, task, role) : Number.POSITIVE_INFINITY)),
	);
	const lengths = lengthTable(
		tasks.map((task) => problem.forecaster.distribution(model, task, role)),
		ownLimit,
	);
	const prompts = tasks.map((task) => problem.forecaster.promptTokens(model, task, role));
	const promptTokens = prompts.reduce((sum, tokens) => sum + tokens, 0) / Math.max(1, prompts.length);
	return { model, role, promptTokens, lengths, limitTokens };
}

/**
 * By what has been seen. A call is judged by the lengths that others of its query turned out to have, where they decided which calls began first: the longest.
 * What those say depends on the lengths of their models in turn, so all are corrected together, a few times.
 */
function corrected(
	{ observed }: Problem,
	profiled: readonly Profiled[],
	prediction: Prediction | null,
): readonly Estimate[] {
	let estimates = profiled.map((one) => stretchedBy(one, 1));
	const rounds = observed.length === 0 ? 0 : prediction === null ? 1 : ROUNDS;
	for (let round = 0; round < rounds; round++) {
		const expertLengths = new Map(
			estimates.flatMap(({ model, role, lengths }) => (role === 'expert' ? [[model, lengths]] : [])),
		);
		const lengthsOf = (model: ModelId): LengthTable => expertLengths.get(model) ?? [];
		estimates = profiled.map((one) => {
			const seen = observed.find(({ model, role }) => model === one.model && role === one.role);
			const judged = (seen?.calls ?? []).map(({ hasFinished, tokens, beside }) => ({
				hasFinished,
				tokens,
				expected: prediction?.lengthsBeside(one.lengths, beside, lengthsOf) ?? one.lengths,
			}));
			return stretchedBy(one, stretchOf(judged, one.limitTokens));
		});
	}
	return estimates;
}

const ROUNDS = 4;

const stretchedBy = (
	{ model, role, promptTokens, lengths, limitTokens }: Profiled,
	stretch: number,
): Estimate => ({ model, role, promptTokens, lengths: stretched(lengths, stretch, limitTokens) });

/** Slots of the largest query; of queries that none has come of yet, as the expected calls say. */
function slotsOf({ queries, future, expertCalls }: Problem): number {
	if (queries.length > 0) return Math.max(...queries.map(({ slots }) => slots.length));
	const calls = expertCalls.reduce((sum, { count }) => sum + count, 0);
	return future === null || future.count === 0 ? 0 : Math.round(calls / future.count);
}

/** Microseconds of one engine that `tokens` more tokens of a call with this context take, in a batch as large as memory allows. */
export const workUs = (
	profile: ReplicaProfile,
	batch: number,
	contextTokens: number,
	left: Residual,
): number => workAtRate(rateOf(profile, batch), contextTokens, left);

/** The same for a whole call: its prompt, in steps that decode past the knee anyway, and all that it generates. */
export const wholeWorkUs = (
	profile: ReplicaProfile,
	batch: number,
	promptTokens: number,
	length: Residual,
): number => promptTokens * profile.step.perTokenOverKneeUs + workUs(profile, batch, promptTokens, length);

/** What a token costs in a batch of some size. */
export interface Rate {
	readonly perTokenUs: number;
	/** For each token of its context. */
	readonly perContextTokenUs: number;
}

export function rateOf(profile: ReplicaProfile, batch: number): Rate {
	const { step } = profile;
	const sharedUs =
		step.hostUs +
		step.baseUs +
		step.allReduceUs +
		step.perTokenOverKneeUs * Math.max(0, batch - step.kneeTokens);
	const { perTokenUs, perContextTokenUs } = rateBeside(profile);
	return { perTokenUs: sharedUs / batch + perTokenUs, perContextTokenUs };
}

/** What a token adds to a step that is made anyway, of fewer tokens than the knee. */
export const rateBeside = ({ step }: ReplicaProfile): Rate => ({
	perTokenUs: step.hostPerSequenceUs + step.perDecodeSequenceUs,
	perContextTokenUs: step.perContextTokenUs,
});

/** As `workUs`. */
export const workAtRate = (
	{ perTokenUs, perContextTokenUs }: Rate,
	contextTokens: number,
	{ tokens, squared }: Residual,
): number => perTokenUs * tokens + perContextTokenUs * (contextTokens * tokens + squared / 2);

/** Sequences that a replica can hold in the long run: a call found in a batch is halfway through a length drawn in proportion to itself. */
export function fullBatch({ engine }: ReplicaProfile, { promptTokens, lengths }: Estimate): number {
	const { tokens, squared } = residual(lengths, 0);
	const heldTokens = promptTokens + squared / (2 * Math.max(1, tokens));
	return Math.max(1, Math.min(engine.maxNumSeqs, Math.floor(kvTokens(engine) / Math.max(1, heldTokens))));
}

export const kvTokens = (engine: ReplicaProfile['engine']): number =>
	(engine.numGpuBlocks - 1) * engine.blockSize;
