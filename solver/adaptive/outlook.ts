import type { CallId, GpuId, ModelId, QueryId, ReplicaId } from '../../sim/domain/ids.ts';
import { replicaId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { QueryView, ReplicaView, View } from '../../sim/domain/scheduler.ts';
import { secondsFromUs, type TimeUs } from '../../sim/domain/units.ts';
import type { Call, CallRole } from '../../sim/domain/work.ts';
import type { TrueOutputTokens } from '../deps.ts';
import { type Estimate, type Expectations, fullBatch, kvTokens, wholeWorkUs } from './estimates.ts';
import { Foreknowledge } from './foreknowledge.ts';
import { groupOf } from './gpu-groups.ts';
import type { FlaggedParts } from './held-calls.ts';
import { type LengthTable, quantile, residual, survival } from './lengths.ts';
import { loadOf, type ReplicaLoad } from './load.ts';
import { LongestFirst, type Ranked } from './longest-first.ts';
import { Prediction } from './prediction.ts';
import { type Queues, queuesOf } from './queues.ts';
import { type Starving, starving } from './starving.ts';
import type { Work } from './work.ts';

/** One moment as the policy sees it: the view with what is expected beside it, and what this decision has done so far. */
export class Outlook {
	readonly view: View;
	readonly expected: Expectations;
	readonly tables: Tables;
	/** Models with work of any role, in problem order. */
	readonly models: readonly ModelId[];
	/** Not stopped and not failed, in order of start. */
	readonly replicas: readonly ReplicaView[];
	/** Calls that this decision dispatched, moved or cancelled. */
	private readonly taken = new Set<CallId>();
	private readonly loads = new Map<ReplicaId, ReplicaLoad>();
	private hunger: Starving | null | undefined;
	private named = 0;
	private horizon: number | null = null;
	private readonly queues = new Map<ModelId, Queues>();
	private readonly anyProfiles = new Map<ModelId, ReplicaProfile>();
	private waiting: number | null = null;
	/** Of `workOf`. */
	readonly works = new Map<ModelId, Work>();

	/** @param trueOutputTokens of the one policy that knows them */
	constructor(view: View, expected: Expectations, trueOutputTokens: TrueOutputTokens | null = null) {
		this.view = view;
		this.expected = expected;
		this.tables = tablesOf(expected, trueOutputTokens, view.nowUs);
		this.models = this.tables.models;
		this.replicas = view.replicas.filter(({ state }) => state !== 'stopped' && state !== 'failed');
	}

	estimate(model: ModelId, role: CallRole): Estimate | undefined {
		return this.tables.estimates.get(model)?.[role];
	}

	/** How long a call may become: as those of its model are, and its query's; or as it will where that is known. */
	lengthsOf(call: Call): LengthTable {
		const { known, prediction } = this.tables;
		if (known === null)
			return this.expected.switches.predict
				? prediction.lengths(this, call)
				: this.lengths(call.model, call.role);
		const limit = this.expected.switches.cuts ? this.view.cutTokens(call) : call.maxOutputTokens;
		return known.lengths(call, limit);
	}

	/** Pending calls of a model that are expected to generate more than so many tokens. */
	pendingBeyond(model: ModelId, role: CallRole, tokens: number): number {
		const calls = this.view.pending(model, role);
		const { known } = this.tables;
		if (known !== null) return known.countBeyond(calls, tokens, (call) => this.lengthsOf(call));
		return calls.length * survival(this.estimate(model, role)?.lengths ?? NO_LENGTHS, 0, tokens);
	}

	/** Microseconds of one engine of this profile that fresh calls of one role take. */
	callsUs(profile: ReplicaProfile, role: CallRole, calls: readonly Call[]): number {
		const { known } = this.tables;
		return known === null ? calls.length * this.callUs(profile, role) : this.knownUs(known, profile, calls);
	}

	/** The same of calls of any role whose lengths are known. */
	private knownUs(known: Foreknowledge, profile: ReplicaProfile, calls: readonly Call[]): number {
		return known.sum(calls, profile, (call) =>
			wholeWorkUs(
				profile,
				this.batch(profile, call.role),
				call.promptTokens,
				residual(this.lengthsOf(call), 0),
			),
		);
	}

	/** Microseconds of one engine of this profile that the pending calls of its model take, if this share of the held ones is needed. */
	queuedUs(profile: ReplicaProfile, needed: number): number {
		const { released, releasedCount, aggregations, held, heldCount } = this.pending(profile.model);
		const { known } = this.tables;
		if (known === null) {
			const expertUs = this.callUs(profile, 'expert');
			const aggregationsUs = aggregations * this.callUs(profile, 'aggregator');
			return (releasedCount - aggregations) * expertUs + aggregationsUs + needed * heldCount * expertUs;
		}
		const sumUs = (lists: Queues['held']): number =>
			lists.reduce((sum, calls) => sum + this.knownUs(known, profile, calls), 0);
		return sumUs(released) + needed * sumUs(held);
	}

	/**
	 * Calls with the longest chain first, where lengths are known or predicted; else null.
	 * @param calls of one model in one role, of queries of which equally many slots have ended
	 */
	ranked(calls: readonly Call[]): Ranked | null {
		const { known, prediction, longestFirst } = this.tables;
		const { switches, aggregator } = this.expected;
		if (known !== null)
			return longestFirst.rank(calls, (call) => known.chainTokens(call, this.lengthsOf(call)));
		if (!switches.predict) return null;
		const tokensOf = (call: Call): number => prediction.chainTokens(this, call, aggregator);
		const [first] = calls;
		// Nothing tells these apart.
		if (first !== undefined && this.view.answersOf(first.query) === 0) {
			const tokens = tokensOf(first);
			return { calls, tokensAt: () => tokens };
		}
		return longestFirst.rank(calls, tokensOf);
	}

	answersOf(id: QueryId): number {
		return this.view.answersOf(id);
	}

	query(id: QueryId): QueryView {
		return this.view.query(id);
	}

	/** Of calls of a model in general. */
	lengths(model: ModelId, role: CallRole): LengthTable {
		return this.estimate(model, role)?.lengths ?? NO_LENGTHS;
	}

	/** Sequences of this role that a replica can hold in the long run. */
	batch(profile: ReplicaProfile, role: CallRole): number {
		let batches = this.tables.batches.get(profile);
		if (batches === undefined) {
			const of = (one: CallRole): number => {
				const estimate = this.estimate(profile.model, one);
				return estimate === undefined ? 1 : fullBatch(profile, estimate);
			};
			batches = { expert: of('expert'), aggregator: of('aggregator') };
			this.tables.batches.set(profile, batches);
		}
		return batches[role];
	}

	profile({ model, gpus }: Pick<ReplicaView, 'model' | 'gpus'>): ReplicaProfile | undefined {
		return this.view.profile(model, gpus);
	}

	take(call: CallId): void {
		this.taken.add(call);
	}

	isTaken(call: CallId): boolean {
		return this.taken.has(call);
	}

	/** Pending calls of a model as they stood when the decision began. */
	pending(model: ModelId): Queues {
		let queues = this.queues.get(model);
		if (queues === undefined) {
			queues = queuesOf(this, model);
			this.queues.set(model, queues);
		}
		return queues;
	}

	/** Calls of a model that may be dispatched, held ones included. */
	pendingCount(model: ModelId): number {
		return ROLES.reduce((sum, role) => sum + this.view.pending(model, role).length, 0);
	}

	/** What is open on a replica when the decision begins. */
	load(replica: ReplicaView): ReplicaLoad {
		let load = this.loads.get(replica.id);
		if (load === undefined) {
			load = loadOf(this, replica);
			this.loads.set(replica.id, load);
		}
		return load;
	}

	/** Replicas of a model that serve now or will without being asked. */
	serving(model: ModelId): readonly ReplicaView[] {
		return this.replicas.filter((replica) => replica.model === model && isServing(replica));
	}

	/** A name that no replica has had; one for each start of this decision. */
	newReplica(model: ModelId): ReplicaId {
		const isTaken = (id: ReplicaId): boolean => this.view.replicas.some((replica) => replica.id === id);
		for (;;) {
			const id = replicaId(`a${this.view.replicas.length + this.named++}-${model}`);
			if (!isTaken(id)) return id;
		}
	}

	/** What has waited too long for a GPU; null for nothing. */
	get starving(): Starving | null {
		if (this.hunger === undefined) this.hunger = starving(this);
		return this.hunger;
	}

	/** Seconds that all GPUs together need at least for what is left. */
	get horizonSeconds(): number {
		if (this.horizon === null) {
			let us = this.waitingUs();
			for (const replica of this.replicas) us += this.load(replica).workUs * replica.gpus.length;
			this.horizon = secondsFromUs(us) / this.view.cluster.gpus.length;
		}
		return this.horizon;
	}

	/** Whether that is less than so many seconds. Where what waits takes as much already, nobody looks at what runs. */
	isHorizonBelow(seconds: number): boolean {
		const waitingSeconds = secondsFromUs(this.waitingUs()) / this.view.cluster.gpus.length;
		return waitingSeconds < seconds && this.horizonSeconds < seconds;
	}

	/** Of one GPU, for all pending calls and the aggregations to come. */
	private waitingUs(): number {
		if (this.waiting === null) {
			this.waiting = this.comingUs();
			for (const model of this.models) {
				const profile = this.anyProfile(model);
				if (profile === undefined) continue;
				for (const role of ROLES) this.waiting += this.callsUs(profile, role, this.view.pending(model, role));
			}
		}
		return this.waiting;
	}

	/** Of one GPU, for the aggregations that queries with their experts are expected to need. */
	private comingUs(): number {
		const { aggregator, aggregatedShare } = this.expected;
		if (aggregator === null) return 0;
		const profile = this.anyProfile(aggregator);
		if (profile === undefined) return 0;
		let begun = this.view.pending(aggregator, 'aggregator').length;
		for (const { id, model } of this.replicas)
			if (model === aggregator)
				for (const { call } of this.view.openOn(id)) if (call.role === 'aggregator') begun++;
		const queries = Math.max(0, this.view.openQueries - begun);
		return queries * aggregatedShare * this.callUs(profile, 'aggregator');
	}

	/** Seconds that a long call of this model takes in a full batch, its aggregation included. */
	chainSeconds(model: ModelId): number {
		const aggregator = this.expected.aggregator;
		const own = this.longSeconds(model, 'expert');
		return aggregator === null ? own : own + this.longSeconds(aggregator, 'aggregator');
	}

	/** Seconds that a long call of this model takes in a full batch. */
	longSeconds(model: ModelId, role: CallRole): number {
		const estimate = this.estimate(model, role);
		const profile = this.anyProfile(model);
		if (estimate === undefined || profile === undefined) return 0;
		const { step } = profile;
		const stepUs =
			step.hostUs +
			step.baseUs +
			0.5 * this.batch(profile, role) * (step.hostPerSequenceUs + step.perDecodeSequenceUs) +
			0.5 * kvTokens(profile.engine) * step.perContextTokenUs;
		return secondsFromUs(quantile(estimate.lengths, this.expected.tuning.longQuantile) * stepUs);
	}

	/** On one GPU of the first type that it was profiled on; else on the smallest group that can hold it. */
	anyProfile(model: ModelId): ReplicaProfile | undefined {
		const known = this.anyProfiles.get(model);
		if (known !== undefined) return known;
		const profile = this.findAnyProfile(model);
		if (profile !== undefined) this.anyProfiles.set(model, profile);
		return profile;
	}

	private findAnyProfile(model: ModelId): ReplicaProfile | undefined {
		const { gpus } = this.view.cluster;
		for (const { id } of gpus) {
			const profile = this.view.profile(model, [id]);
			if (profile !== undefined) return profile;
		}
		const group = groupOf(this.view, model);
		return group === undefined ? undefined : this.view.profile(model, group);
	}

	/** Whether a model can be started on a GPU: it fits, and its engine has not died there too often. */
	canStart(model: ModelId, gpus: readonly GpuId[]): boolean {
		const profile = this.view.profile(model, gpus);
		if (profile === undefined) return false;
		const own = this.view.cluster.gpus.filter(({ id }) => gpus.includes(id));
		if (own.some(({ memoryBytes }) => memoryBytes < profile.gpuBytesPerGpu)) return false;
		let deaths = 0;
		for (const replica of this.view.replicas) {
			if (replica.model !== model || !isSameGroup(replica.gpus, gpus)) continue;
			const hasServed = replica.dispatched.expert + replica.dispatched.aggregator > 0;
			if (replica.state === 'failed' && !hasServed) deaths++;
			else if (hasServed) deaths = 0;
		}
		return deaths < MOST_DEATHS;
	}

	/** Microseconds of one engine of this profile that a fresh call takes. */
	callUs(profile: ReplicaProfile, role: CallRole): number {
		let known = this.tables.callUs.get(profile);
		if (known === undefined) {
			known = {};
			this.tables.callUs.set(profile, known);
		}
		known[role] ??= this.freshUs(profile, role);
		return known[role];
	}

	private freshUs(profile: ReplicaProfile, role: CallRole): number {
		const estimate = this.estimate(profile.model, role);
		if (estimate === undefined) return 0;
		const { lengths, promptTokens } = estimate;
		return wholeWorkUs(profile, this.batch(profile, role), promptTokens, residual(lengths, 0));
	}
}

const isSameGroup = (some: readonly GpuId[], others: readonly GpuId[]): boolean =>
	some.length === others.length && some.every((gpu) => others.includes(gpu));

/** Engines of a model that die on the same GPUs in a row, without having served a call, before it is tried there no more. */
const MOST_DEATHS = 2;

/** What follows from the expectations alone, worked out once for each plan. */
interface Tables {
	readonly models: readonly ModelId[];
	readonly estimates: ReadonlyMap<ModelId, Partial<Record<CallRole, Estimate>>>;
	readonly batches: Map<ReplicaProfile, Readonly<Record<CallRole, number>>>;
	readonly callUs: Map<ReplicaProfile, Partial<Record<CallRole, number>>>;
	/** Of each slot of a query. */
	readonly ranks: Map<QueryId, readonly number[]>;
	/** By the slots that have ended. */
	readonly parts: Map<ModelId, (FlaggedParts | undefined)[]>;
	readonly prediction: Prediction;
	readonly longestFirst: LongestFirst;
	readonly known: Foreknowledge | null;
	/** When a decision first went by them. */
	readonly sinceUs: TimeUs;
}

const NO_LENGTHS: LengthTable = [];

const tablesOfPlan = new WeakMap<Expectations, Tables>();

function tablesOf(expected: Expectations, trueOutputTokens: TrueOutputTokens | null, nowUs: TimeUs): Tables {
	let tables = tablesOfPlan.get(expected);
	if (tables === undefined) {
		tables = {
			models: [...new Set(expected.estimates.map(({ model }) => model))],
			estimates: byModel(expected.estimates),
			batches: new Map(),
			callUs: new Map(),
			ranks: new Map(),
			parts: new Map(),
			prediction: new Prediction(expected.tuning.likeness),
			longestFirst: new LongestFirst(),
			known: trueOutputTokens === null ? null : new Foreknowledge(trueOutputTokens),
			sinceUs: nowUs,
		};
		tablesOfPlan.set(expected, tables);
	}
	return tables;
}

function byModel(estimates: readonly Estimate[]): Tables['estimates'] {
	const found = new Map<ModelId, Partial<Record<CallRole, Estimate>>>();
	for (const one of estimates) found.set(one.model, { ...found.get(one.model), [one.role]: one });
	return found;
}

/** In the order in which work of both is listed. */
export const ROLES: readonly CallRole[] = ['expert', 'aggregator'];

/** Of these replicas together. */
export const gpuCount = (replicas: readonly ReplicaView[]): number =>
	replicas.reduce((sum, { gpus }) => sum + gpus.length, 0);

export const isServing = ({ state }: ReplicaView): boolean =>
	state === 'awake' || state === 'loading' || state === 'waking';
