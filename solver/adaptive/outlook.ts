import type { CallId, GpuId, ModelId, QueryId, ReplicaId } from '../../sim/domain/ids.ts';
import { replicaId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { QueryView, ReplicaView, View } from '../../sim/domain/scheduler.ts';
import { secondsFromUs } from '../../sim/domain/units.ts';
import type { Call, CallRole } from '../../sim/domain/work.ts';
import type { TrueOutputTokens } from '../deps.ts';
import { type Estimate, type Expectations, kvTokens, wholeWorkUs } from './estimates.ts';
import type { Foreknowledge } from './foreknowledge.ts';
import { type LengthTable, quantile, residual, survival } from './lengths.ts';
import { loadOf, type ReplicaLoad } from './load.ts';
import type { Ranked } from './longest-first.ts';
import { type Queues, queuesOf, ROLES } from './queues.ts';
import { isServing } from './replicas.ts';
import { anyProfile, canStart } from './starts.ts';
import { type Starving, starving } from './starving.ts';
import { type Tables, tablesOf } from './tables.ts';
import { waitingUs } from './waiting-work.ts';
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
		return this.tables.estimate(model, role);
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
		return calls.length * survival(this.lengths(model, role), 0, tokens);
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
		return this.tables.lengths(model, role);
	}

	/** Sequences of this role that a replica can hold in the long run. */
	batch(profile: ReplicaProfile, role: CallRole): number {
		return this.tables.batch(profile, role);
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

	/** Of one GPU, for what no engine has yet. */
	private waitingUs(): number {
		this.waiting ??= waitingUs(this);
		return this.waiting;
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
		const profile = anyProfile(this.view, model);
		if (profile !== undefined) this.anyProfiles.set(model, profile);
		return profile;
	}

	/** Whether a model can be started on a GPU: it fits, and its engine has not died there too often. */
	canStart(model: ModelId, gpus: readonly GpuId[]): boolean {
		return canStart(this.view, model, gpus);
	}

	/** Microseconds of one engine of this profile that a fresh call takes. */
	callUs(profile: ReplicaProfile, role: CallRole): number {
		return this.tables.callUs(profile, role);
	}
}
