import type { CallId, GpuId, ModelId, ReplicaId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile } from '../../sim/domain/model.ts';
import type { OpenCall, ReplicaView, SlotView, View } from '../../sim/domain/scheduler.ts';
import type { Call, CallRole, Query } from '../../sim/domain/work.ts';
import type { TrueOutputTokens } from '../deps.ts';
import { type Estimate, type Expectations, fullBatch, kvTokens, workUs } from './estimates.ts';
import { Foreknowledge } from './foreknowledge.ts';
import { type LengthTable, quantile, residual, survival } from './lengths.ts';

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
	private horizon: number | null = null;
	private readonly queues = new Map<ModelId, Queues>();

	/** @param trueOutputTokens of the one policy that knows them */
	constructor(view: View, expected: Expectations, trueOutputTokens: TrueOutputTokens | null = null) {
		this.view = view;
		this.expected = expected;
		this.tables = tablesOf(expected, trueOutputTokens);
		this.models = this.tables.models;
		this.replicas = view.replicas.filter(({ state }) => state !== 'stopped' && state !== 'failed');
	}

	estimate(model: ModelId, role: CallRole): Estimate | undefined {
		return this.tables.estimates.get(`${role}/${model}`);
	}

	/** How long a call may become: as those of its model are, or as it will where that is known. */
	lengthsOf(call: Call): LengthTable {
		const { known } = this.tables;
		if (known === null) return this.estimate(call.model, call.role)?.lengths ?? NO_LENGTHS;
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
		if (known === null) return calls.length * this.callUs(profile, role);
		const batch = this.batch(profile, role);
		return known.sum(calls, profile, (call) =>
			workUs(profile, batch, call.promptTokens, residual(this.lengthsOf(call), 0)),
		);
	}

	/** Microseconds of one engine of this profile that the pending calls of its model take, if this share of the held ones is needed. */
	queuedUs(profile: ReplicaProfile, needed: number): number {
		const { released, releasedCount, aggregations, held, heldCount } = this.pending(profile.model);
		if (this.tables.known === null) {
			const expertUs = this.callUs(profile, 'expert');
			const aggregationsUs = aggregations * this.callUs(profile, 'aggregator');
			return (releasedCount - aggregations) * expertUs + aggregationsUs + needed * heldCount * expertUs;
		}
		const sumUs = (lists: Queues['held'], role: CallRole): number =>
			lists.reduce((sum, calls) => sum + this.callsUs(profile, role, calls), 0);
		const first = aggregations > 0 ? 1 : 0;
		return (
			sumUs(released.slice(0, first), 'aggregator') +
			sumUs(released.slice(first), 'expert') +
			needed * sumUs(held, 'expert')
		);
	}

	/** The longest first, where that is known. */
	inOrder(calls: readonly Call[]): readonly Call[] {
		return this.tables.known?.longestFirst(calls, (call) => this.lengthsOf(call)) ?? calls;
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

	/** Seconds that all GPUs together need at least for what is left. */
	get horizonSeconds(): number {
		if (this.horizon === null) {
			let us = 0;
			for (const model of this.models) {
				const profile = this.anyProfile(model);
				if (profile === undefined) continue;
				for (const role of ['expert', 'aggregator'] as const)
					us += this.callsUs(profile, role, this.view.pending(model, role));
			}
			for (const replica of this.replicas) us += this.roughUs(replica);
			this.horizon = us / 1e6 / this.view.cluster.gpus.length;
		}
		return this.horizon;
	}

	/** Of the calls on a replica, as if each had half of a fresh one's work before it. */
	private roughUs(replica: ReplicaView): number {
		const profile = this.profile(replica);
		return profile === undefined ? 0 : HALF * replica.openCalls * this.callUs(profile, 'expert');
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
		return (quantile(estimate.lengths, this.expected.tuning.longQuantile) * stepUs) / 1e6;
	}

	/** On one GPU of the first type that can hold it; else on the smallest group that can. */
	anyProfile(model: ModelId): ReplicaProfile | undefined {
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
		const deaths = this.view.replicas.filter(
			(replica) =>
				replica.state === 'failed' &&
				replica.model === model &&
				replica.dispatched.expert + replica.dispatched.aggregator === 0 &&
				gpus.some((gpu) => replica.gpus.includes(gpu)),
		);
		return deaths.length < MOST_DEATHS;
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
		return workUs(profile, this.batch(profile, role), promptTokens, residual(lengths, 0));
	}
}

/** Engines of a model that die on a GPU without having served a call before it is tried there no more. */
const MOST_DEATHS = 2;

/** The smallest group of GPUs of one host, or else of any, that a model was profiled on together; undefined without one. */
export function groupOf(view: View, model: ModelId): readonly GpuId[] | undefined {
	const byHost = new Map<string, GpuId[]>();
	for (const { id, host, type } of view.cluster.gpus) {
		const key = `${host}/${type}`;
		byHost.set(key, [...(byHost.get(key) ?? []), id]);
	}
	const pools = [...byHost.values(), view.cluster.gpus.map(({ id }) => id)];
	for (const pool of pools)
		for (let size = 2; size <= pool.length; size *= 2) {
			const gpus = pool.slice(0, size);
			if (view.profile(model, gpus) !== undefined) return gpus;
		}
	return undefined;
}

/** What follows from the expectations alone, worked out once for each plan. */
interface Tables {
	readonly models: readonly ModelId[];
	readonly estimates: ReadonlyMap<string, Estimate>;
	readonly batches: Map<ReplicaProfile, Readonly<Record<CallRole, number>>>;
	readonly callUs: Map<ReplicaProfile, Partial<Record<CallRole, number>>>;
	readonly ranks: WeakMap<Call, number>;
	readonly parts: WeakMap<readonly Call[], Parts>;
	readonly known: Foreknowledge | null;
}

const NO_LENGTHS: LengthTable = [];

const tablesOfPlan = new WeakMap<Expectations, Tables>();

function tablesOf(expected: Expectations, trueOutputTokens: TrueOutputTokens | null): Tables {
	let tables = tablesOfPlan.get(expected);
	if (tables === undefined) {
		tables = {
			models: [...new Set(expected.estimates.map(({ model }) => model))],
			estimates: new Map(expected.estimates.map((one) => [`${one.role}/${one.model}`, one])),
			batches: new Map(),
			callUs: new Map(),
			ranks: new WeakMap(),
			parts: new WeakMap(),
			known: trueOutputTokens === null ? null : new Foreknowledge(trueOutputTokens),
		};
		tablesOfPlan.set(expected, tables);
	}
	return tables;
}

export const isServing = ({ state }: ReplicaView): boolean =>
	state === 'awake' || state === 'loading' || state === 'waking';

/** Pending calls of one model. */
export interface Queues {
	/** In the order in which they should be dispatched. */
	readonly released: readonly (readonly Call[])[];
	readonly releasedCount: number;
	readonly aggregations: number;
	/** Calls that their query may not need. */
	readonly held: readonly (readonly Call[])[];
	readonly heldCount: number;
}

function queuesOf(outlook: Outlook, model: ModelId): Queues {
	const { view, expected } = outlook;
	const { switches } = expected;
	const mayAggregate = switches.overlap || (view.allArrived && view.openExpertCalls === 0);
	const aggregations = mayAggregate ? view.pending(model, 'aggregator') : [];
	const released: (readonly Call[])[] = aggregations.length > 0 ? [outlook.inOrder(aggregations)] : [];
	const held: (readonly Call[])[] = [];
	const lists = switches.order ? view.pendingByAnswers(model, 'expert') : [view.pending(model, 'expert')];
	for (let answers = lists.length - 1; answers >= 0; answers--) {
		const list = lists[answers];
		if (list === undefined || list.length === 0) continue;
		const parts = switches.hold
			? partsOf(outlook, list, switches.order ? answers : null)
			: { released: list, held: [] };
		if (parts.released.length > 0) released.push(outlook.inOrder(parts.released));
		if (parts.held.length > 0) held.push(outlook.inOrder(parts.held));
	}
	if (
		switches.hold &&
		held.length > 0 &&
		outlook.horizonSeconds < expected.tuning.slack * outlook.chainSeconds(model)
	) {
		released.push(...held);
		held.length = 0;
	}
	const count = (calls: readonly (readonly Call[])[]): number =>
		calls.reduce((sum, list) => sum + list.length, 0);
	return {
		released,
		releasedCount: count(released),
		aggregations: aggregations.length,
		held,
		heldCount: count(held),
	};
}

interface Parts {
	readonly released: readonly Call[];
	readonly held: readonly Call[];
}

/** @param answers slots of their queries that have ended; null when they differ */
function partsOf(outlook: Outlook, list: readonly Call[], answers: number | null): Parts {
	let parts = answers === null ? undefined : outlook.tables.parts.get(list);
	if (parts === undefined) {
		const released: Call[] = [];
		const held: Call[] = [];
		for (const call of list) {
			const ended = answers ?? endedSlots(outlook, call);
			(isHeld(outlook, call, ended) ? held : released).push(call);
		}
		parts = { released, held };
		outlook.tables.parts.set(list, parts);
	}
	return parts;
}

const endedSlots = ({ view }: Outlook, call: Call): number =>
	view.query(call.query).slots.filter(({ answer }) => answer !== undefined).length;

/** A vote is worth waiting for when at least this share of queries is decided by then. */
const WORTH_WAITING = 0.2;

const HALF = 0.5;

/** Whether the query may well be decided without this call: it comes late in the order of cost, and not all before it have ended. */
function isHeld(outlook: Outlook, call: Call, ended: number): boolean {
	const rank = costRank(outlook, call);
	if (rank === 0 || ended >= rank) return false;
	return (outlook.expected.foreseen[rank] ?? 0) >= WORTH_WAITING;
}

/** Place of a call among the slots of its query, cheapest first. */
function costRank(outlook: Outlook, call: Call): number {
	let rank = outlook.tables.ranks.get(call);
	if (rank === undefined) {
		const { query, slots } = outlook.view.query(call.query);
		const costs = slots.map((slot, slotIndex) => costOf(outlook, query, slot, slotIndex));
		const own = costs[call.slotIndex] ?? 0;
		rank = 0;
		costs.forEach((other, slotIndex) => {
			if (other < own || (other === own && slotIndex < call.slotIndex)) rank = (rank ?? 0) + 1;
		});
		outlook.tables.ranks.set(call, rank);
	}
	return rank;
}

function costOf(outlook: Outlook, query: Query, { call: id, model }: SlotView, slotIndex: number): number {
	const profile = outlook.anyProfile(model);
	if (profile === undefined) return 0;
	const { known } = outlook.tables;
	if (known === null) return outlook.callUs(profile, 'expert');
	const tokens = known.tokens({ id, query: query.id, role: 'expert' });
	const promptTokens = query.slotPromptTokens[slotIndex] ?? 0;
	const batch = outlook.batch(profile, 'expert');
	return workUs(profile, batch, promptTokens, { tokens, squared: tokens * tokens });
}

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

function loadOf(outlook: Outlook, replica: ReplicaView): ReplicaLoad {
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

export const onGpu = (replicas: readonly ReplicaView[], gpu: GpuId): readonly ReplicaView[] =>
	replicas.filter(({ gpus }) => gpus.includes(gpu));
