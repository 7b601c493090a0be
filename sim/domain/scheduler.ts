/**
 * The scheduler contract. One object plans (slow, may start a solver) and decides (synchronous, quick, pure in
 * time: the view carries `nowUs`). The simulator and the live executor drive the same object.
 */
import type { LengthDistribution } from './distribution.ts';
import type { CallId, GpuId, HostId, ModelId, QueryId, ReplicaId } from './ids.ts';
import type { Cluster, Gpu, Model, ReplicaProfile, SleepLevel } from './model.ts';
import type { Plan } from './plan.ts';
import type { TimeUs } from './units.ts';
import type { Answer, Call, CallRole, Query, Verdict } from './work.ts';

export interface Scheduler {
	readonly name: string;
	/** Whether it dispatches calls with the gate's `cutTokens` as their limit: the gate then spends part of its budget on cuts. */
	readonly takesCuts?: boolean;
	/** It knows how long every output will be, as none can that decides for real: to be marked wherever its name is shown. */
	readonly knowsLengths?: true;
	/** Before a run, and whenever an action asks for a re-plan. */
	plan(problem: Problem): Promise<Plan>;
	/** After every event. Synchronous, reads no clock, starts nothing by itself. */
	decide(view: View): readonly Action[];
}

/** Calls still to be made, counted. */
export interface CallCount {
	readonly model: ModelId;
	readonly task: string;
	readonly role: CallRole;
	readonly count: number;
}

/** All that planning may know. Everything expected, nothing true. */
export interface Problem {
	readonly cluster: Cluster;
	readonly models: readonly Model[];
	/** One per (model, GPU type, tensor parallelism) that can run; look up with `findProfile`. */
	readonly profiles: readonly ReplicaProfile[];
	/** Queries that have arrived and are not settled. In a batch, before the run: all. */
	readonly queries: readonly Query[];
	/**
	 * Expert calls per model, in first-seen order of the models in the workload or experiment: those that wait, and those that are expected
	 * to come. Models without calls are absent.
	 */
	readonly expertCalls: readonly CallCount[];
	/** Null in a batch. */
	readonly future: FutureQueries | null;
	readonly aggregator: AggregatorSpec | null;
	readonly gate: GateForecast;
	readonly forecaster: Forecaster;
	readonly options: PlanOptions;
	/** What has been seen of output lengths by now; empty before the run. */
	readonly observed: readonly ObservedLengths[];
}

/** Calls of one model in one role that have begun. */
export interface ObservedLengths {
	readonly model: ModelId;
	readonly role: CallRole;
	readonly calls: readonly ObservedCall[];
}

export interface ObservedCall {
	readonly hasFinished: boolean;
	/** Generated; by a call that still runs, about so many, as its replica's pace tells. */
	readonly tokens: number;
	/** Expert calls of its query that have finished, but for itself. */
	readonly beside: readonly KnownLength[];
}

/** What an expert call generated. */
export interface KnownLength {
	readonly model: ModelId;
	readonly tokens: number;
}

/** What an operator knows of queries before they come. */
export interface Demand {
	/** Mean arrivals per second, as the experiment states it; null where it does not, as with recorded arrivals. */
	readonly queriesPerSecond: number | null;
	/** Expert calls of a query on average, from the experiment's slot table. In pool order. */
	readonly callsPerQuery: readonly MeanCalls[];
}

export interface MeanCalls {
	readonly model: ModelId;
	readonly task: string;
	readonly calls: number;
}

/** Queries still to come. Expected, never looked up: which experts they ask and when they come is not known. */
export interface FutureQueries {
	/** How many; 0 when all have arrived. */
	readonly count: number;
	/** Mean arrivals per second: as stated, else as seen so far; null while neither is known. */
	readonly perSecond: number | null;
	/** Their part of `Problem.expertCalls`, whole calls. */
	readonly expertCalls: readonly CallCount[];
}

/** What past queries say about the gate. */
export interface GateForecast {
	/** Share of queries that it sends to the aggregator, 0 to 1. */
	readonly aggregatedShare: number;
	/** Share of queries whose vote is certain when their first n slots have ended; 0 for n of all slots. */
	foreseenShare(answers: number): number;
	/** As `Gate.cutTokens`. */
	cutTokens(model: ModelId, task: string, role: CallRole): number;
}

export interface AggregatorSpec {
	readonly model: ModelId;
	readonly tensorParallel: number;
}

export interface PlanOptions {
	/** K of the paper, equation 9: models one worker may load in one plan. Kept by greedy and the ILPs. */
	readonly maxModelsPerWorker: number;
	/** `formula`: equation 8 for all; `paper-pin`: instruct experts 1, reasoning experts by equation 8. */
	readonly replicationCap: 'formula' | 'paper-pin';
	/** Stop when (objective - bound) / objective is below this. */
	readonly relativeGap: number;
	/** Branch-and-bound nodes after which the solver stops with what it has. */
	readonly maxNodes: number;
	/** For the solver alone, in wall seconds, with some grace until its thread is killed; a run that hits it is marked not reproducible. */
	readonly timeLimitSeconds: number;
	/** Simulated seconds charged for planning. */
	readonly chargedSolveSeconds: number;
	/** Simulated seconds charged for each query of a rehearsal. */
	readonly chargedRehearsalSecondsPerQuery: number;
	/** Session sizes (shares of the model's calls) at which T_m is sampled. */
	readonly sweepShares: readonly number[];
	/** Order in which `round-robin` deals models; models not listed follow in problem order. */
	readonly modelOrder: readonly ModelId[];
}

/** What engine-model sessions say about the future. Implemented in sim/run, wired in by the caller. */
export interface Forecaster {
	/** Mean and largest output tokens of `model` on its calls of this role, on the calibration questions. */
	outputTokens(model: ModelId, role: CallRole): { readonly mean: number; readonly max: number };
	/** Distribution behind them, per task. */
	distribution(model: ModelId, task: string, role: CallRole): LengthDistribution;
	/** Mean prompt tokens of such a call; an aggregator's prompt holds the answers that it reads. */
	promptTokens(model: ModelId, task: string, role: CallRole): number;
	/**
	 * Seconds to generate `calls` calls of `model` in one session on `tensorParallel` GPUs of `gpuType`, all submitted at
	 * once, lengths drawn from the profile on the calibration stream (never the run's own). Load time not included.
	 */
	session(request: SessionRequest): SessionForecast;
	/** Absent where there is nothing to rehearse in. */
	readonly rehearse?: Rehearse;
}

/**
 * Simulates all that is left of a problem under a policy, from idle GPUs, with lengths and answers drawn from what is known beforehand, never the run's
 * own. Equal sample numbers give equal draws, whatever the policy, so that policies can be compared on them.
 * @throws PolicyError when the policy leaves work undone
 */
export type Rehearse = (candidate: Scheduler, problem: Problem, sample: number) => Promise<Rehearsal>;

export interface Rehearsal {
	/** Until the last query is settled; planning time charged to the policy included. */
	readonly seconds: number;
	/** Mean over the queries, from arrival to settlement. */
	readonly latencySeconds: number;
}

export interface SessionRequest {
	readonly model: ModelId;
	readonly gpuType: string;
	readonly tensorParallel: number;
	readonly role: CallRole;
	readonly calls: number;
}

export interface SessionForecast {
	readonly seconds: number;
	/** Of the lengths that were drawn. */
	readonly meanOutputTokens: number;
	readonly maxOutputTokens: number;
}

// ---------------------------------------------------------------- the view

export type ReplicaState =
	| 'stopped'
	| 'loading'
	| 'awake'
	| 'falling-asleep'
	| 'asleep-1'
	| 'asleep-2'
	| 'waking'
	| 'stopping'
	| 'failed';

export interface ReplicaView {
	readonly id: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly state: ReplicaState;
	/** Calls dispatched to it and not ended. */
	readonly openCalls: number;
	/** Microseconds from token to token of calls that ended on it, the latest weighing most; null before the first. */
	readonly tokenUs: number | null;
	/** Calls dispatched to it over its whole life, by role; those that it gave back are not counted. */
	readonly dispatched: Readonly<Record<CallRole, number>>;
}

/**
 * pending: may be dispatched now; dispatched: on a replica; parking: told to leave its replica, not yet reported, pending next; cancelling: told to
 * stop, its end not yet reported; the others are ends.
 */
export type CallState =
	| 'pending'
	| 'dispatched'
	| 'parking'
	| 'cancelling'
	| 'finished'
	| 'cancelled'
	| 'failed';

export interface SlotView {
	readonly call: CallId;
	readonly model: ModelId;
	readonly state: CallState;
	/** Undefined until the call ended; null when it failed, was cancelled or no answer could be extracted. */
	readonly answer: Answer | undefined;
	/** Generated when it ended; undefined before. */
	readonly outputTokens: number | undefined;
}

/** A call on a replica. */
export interface OpenCall {
	readonly call: Call;
	/** When it was dispatched, or moved here. */
	readonly dispatchedUs: TimeUs;
	/** Tokens that it brought along from other replicas. */
	readonly carriedTokens: number;
}

export interface QueryView {
	readonly query: Query;
	readonly slots: readonly SlotView[];
	readonly verdict: Verdict;
	/** Null until the verdict is `aggregate` and all slots have ended. */
	readonly aggregatorCall: CallId | null;
	readonly settled: boolean;
}

/** What a scheduler may see at one moment. Expected values only; no future arrivals. Valid until `decide` returns. */
export interface View {
	readonly nowUs: TimeUs;
	readonly plan: Plan;
	readonly cluster: Cluster;
	/** Every replica ever started, stopped ones included, in order of their start. */
	readonly replicas: readonly ReplicaView[];
	/** Arrived expert calls that have not ended. */
	readonly openExpertCalls: number;
	/** Queries that arrived and are not settled. */
	readonly openQueries: number;
	/** False while queries may still arrive. */
	readonly allArrived: boolean;
	/** Calls that may be dispatched now, in workload order: by query, then slot. */
	pending(model: ModelId, role: CallRole): readonly Call[];
	/** The same, `pendingByAnswers(...)[n]` those of queries of which n slots have ended. May have holes. */
	pendingByAnswers(model: ModelId, role: CallRole): readonly (readonly Call[] | undefined)[];
	/** Calls dispatched to a replica and neither ended nor being cancelled, in order of dispatch. */
	openOn(replica: ReplicaId): readonly OpenCall[];
	/** Tokens that a call brought along to where it is, or has with it while it is pending: 0 unless it moved or was parked. */
	carriedTokens(call: CallId): number;
	/** Slots of a query that have ended. */
	answersOf(query: QueryId): number;
	/** Limit on the generated tokens of a call that the gate's accuracy budget pays for: at most the call's own. */
	cutTokens(call: Call): number;
	/** Unsettled queries whose verdict is `accept`, in the order in which they became so. */
	readonly acceptable: readonly QueryId[];
	/** Unsettled queries whose verdict is `open` and will be `accept` whatever is still missing: they may be settled now. */
	readonly foreseen: readonly QueryId[];
	query(id: QueryId): QueryView;
	/** Profile of a model on a worker; undefined when it cannot run there. */
	profile(model: ModelId, gpus: readonly GpuId[]): ReplicaProfile | undefined;
	/** Free memory of a GPU in bytes, counting every replica that is not stopped. */
	freeGpuBytes(gpu: GpuId): number;
	/** RAM of a host in bytes that no sleeping replica's weights take. */
	freeHostBytes(host: HostId): number;
}

// ---------------------------------------------------------------- actions

export type Action =
	| {
			readonly type: 'start';
			/** The scheduler names its replica; the name must be new. */
			readonly replica: ReplicaId;
			readonly model: ModelId;
			/** More than one GPU means tensor parallelism over them. */
			readonly gpus: readonly GpuId[];
	  }
	/** Refused at run time, and the replica stays awake, when its weights find no room in host RAM or its engine cannot sleep so. */
	| { readonly type: 'sleep'; readonly replica: ReplicaId; readonly level: SleepLevel }
	| { readonly type: 'wake'; readonly replica: ReplicaId }
	| { readonly type: 'stop'; readonly replica: ReplicaId }
	| {
			readonly type: 'dispatch';
			readonly call: CallId;
			readonly replica: ReplicaId;
			/** Generates at most so many tokens in all, more than it has (`View.carriedTokens`); absent: as many as the call may. */
			readonly maxOutputTokens?: number;
	  }
	/** Moves a dispatched call to another replica of its model, with the tokens it has: they are sent again as part of its prompt. */
	| { readonly type: 'migrate'; readonly call: CallId; readonly replica: ReplicaId }
	/**
	 * Takes a dispatched call from its replica, which is rid of it at once. When that is reported the call is pending again, and goes on where it
	 * stopped when it is dispatched again. The scheduler is not asked for that alone.
	 */
	| { readonly type: 'park'; readonly call: CallId }
	| { readonly type: 'cancel'; readonly call: CallId }
	/** Accept the vote; allowed when the query's verdict is `accept`, or will be. Calls that are still open go on until they are cancelled. */
	| { readonly type: 'settle'; readonly query: QueryId }
	| { readonly type: 'replan' };

/** The profile of `model` on GPUs of `gpuType` with this tensor parallelism, or undefined. */
export function findProfile(
	profiles: readonly ReplicaProfile[],
	model: ModelId,
	gpuType: string,
	tensorParallel: number,
): ReplicaProfile | undefined {
	return profiles.find(
		(profile) =>
			profile.model === model && profile.gpuType === gpuType && profile.tensorParallel === tensorParallel,
	);
}

/** The profile of `model` as one engine over these GPUs; undefined without GPUs, when their types differ, or when it was not profiled so. */
export function findProfileOn(
	profiles: readonly ReplicaProfile[],
	model: ModelId,
	gpus: readonly Gpu[],
): ReplicaProfile | undefined {
	const type = gpus[0]?.type;
	if (type === undefined || gpus.some((gpu) => gpu.type !== type)) return undefined;
	return findProfile(profiles, model, type, gpus.length);
}
