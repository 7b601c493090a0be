/**
 * The run log: what a run, simulated or live, writes to events.jsonl, one record a line, in time order.
 * Every number and every chart is computed from these records alone. Times are whole microseconds from the start.
 */
import type { AuditEvidence, GateEvidence } from './calibration.ts';
import type { CallId, GpuId, ModelId, QueryId, ReplicaId } from './ids.ts';
import type { Plan } from './plan.ts';
import type { ReplicaState } from './scheduler.ts';
import type { TimeUs } from './units.ts';
import type { Answer, CallRole, FinishReason } from './work.ts';

export const RUN_LOG_FORMAT = 1;

export interface RunStarted {
	readonly type: 'run-started';
	readonly timeUs: TimeUs;
	readonly format: typeof RUN_LOG_FORMAT;
	/** Version of the program that wrote it. */
	readonly version: string;
	readonly experiment: string;
	readonly scheduler: string;
	readonly gate: string;
	readonly seed: number;
	readonly engineMode: string;
	readonly world: 'simulated' | 'live';
	readonly gpus: readonly { readonly gpu: GpuId; readonly type: string; readonly host: string }[];
	readonly models: readonly { readonly model: ModelId; readonly modelClass: string }[];
	readonly queryCount: number;
	/** The scheduler knows the length of every output beforehand; else absent. */
	readonly knowsLengths?: true;
	/** What the gate promised, from past queries; absent for a gate that promises nothing. */
	readonly gateEvidence?: GateEvidence;
}

/** `solveSeconds` inside is the charged one; what it really took stands in plan.json, so the log reproduces. */
export interface PlanMade {
	readonly type: 'plan-made';
	readonly timeUs: TimeUs;
	readonly plan: Omit<Plan, 'details' | 'memory'>;
}

export interface QueryArrived {
	readonly type: 'query-arrived';
	readonly timeUs: TimeUs;
	readonly query: QueryId;
	readonly task: string;
	readonly slots: readonly ModelId[];
}

/**
 * That a replica stops or falls asleep is said when it was told to. Calls that leave it for that may be reported after it, before anything else of that
 * replica: in a simulation within the same instant, in a live run as soon as their requests are ended.
 */
export interface ReplicaChanged {
	readonly type: 'replica-changed';
	readonly timeUs: TimeUs;
	readonly replica: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly state: ReplicaState;
	/** Why, for a failure and for a load that follows one; else absent. */
	readonly reason?: string;
}

/** The engine began or ceased to execute steps. Between the two its GPUs compute. */
export interface EngineActive {
	readonly type: 'engine-active';
	readonly timeUs: TimeUs;
	readonly replica: ReplicaId;
	readonly active: boolean;
}

/** State of an engine's batch, sampled at admissions and finishes and not more often than the sampling interval. */
export interface EngineSample {
	readonly type: 'engine-sample';
	readonly timeUs: TimeUs;
	readonly replica: ReplicaId;
	readonly running: number;
	readonly waiting: number;
	/** Sequences the batch may hold. */
	readonly maxRunning: number;
	readonly usedBlocks: number;
	readonly totalBlocks: number;
	/** Since the start of its server, as a live server counts them; in a simulation each call carries its own. */
	readonly preemptions?: number;
}

export interface CallDispatched {
	readonly type: 'call-dispatched';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly replica: ReplicaId;
	readonly promptTokens: number;
	/** Where its output is cut short of the call's own limit. */
	readonly cutTokens?: number;
}

/** A call went on at another replica; its prompt and what it had generated are computed again where it begins. */
export interface CallMigrated {
	readonly type: 'call-migrated';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly from: ReplicaId;
	readonly replica: ReplicaId;
	/** Tokens generated so far. */
	readonly outputTokens: number;
}

/** A call left its replica and is pending from now on, with what it had generated. */
export interface CallParked {
	readonly type: 'call-parked';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly replica: ReplicaId;
	/** Tokens generated so far. */
	readonly outputTokens: number;
}

export interface CallFinished {
	readonly type: 'call-finished';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly replica: ReplicaId;
	readonly promptTokens: number;
	readonly outputTokens: number;
	readonly cachedPromptTokens: number;
	/** Tokens computed again after preemptions, and where it went on after moving or being parked. */
	readonly recomputedTokens: number;
	readonly preemptions: number;
	/** Times it went on at another place, or later; absent: never. */
	readonly migrations?: number;
	readonly finishReason: FinishReason;
	/** First scheduled into a batch; of a call that moved, on the replica that it ended on. So is the first token. */
	readonly startedUs: TimeUs;
	readonly firstTokenUs: TimeUs;
	readonly answer: Answer;
}

export interface CallCancelled {
	readonly type: 'call-cancelled';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	/** Null when it was on none: never dispatched, parked, or back from a replica that failed. */
	readonly replica: ReplicaId | null;
	/** Tokens it had produced. */
	readonly outputTokens: number;
}

export interface CallFailed {
	readonly type: 'call-failed';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly replica: ReplicaId | null;
	readonly reason: string;
}

/** A dispatched call that its replica could not serve to the end. It is pending again. */
export interface CallReturned {
	readonly type: 'call-returned';
	readonly timeUs: TimeUs;
	readonly call: CallId;
	readonly query: QueryId;
	readonly role: CallRole;
	readonly model: ModelId;
	readonly replica: ReplicaId;
	readonly reason: string;
	/** Tokens it had produced, now lost. */
	readonly outputTokens: number;
}

/** All slots of a query ended and its gate sent it to the aggregator: from now on that call could run. */
export interface AggregationNeeded {
	readonly type: 'aggregation-needed';
	readonly timeUs: TimeUs;
	readonly query: QueryId;
	readonly call: CallId;
	/** The gate would have skipped it, and asks the aggregator to see what that costs. */
	readonly audit?: true;
}

export interface QuerySettled {
	readonly type: 'query-settled';
	readonly timeUs: TimeUs;
	readonly query: QueryId;
	readonly by: 'vote' | 'aggregator' | 'failure';
	readonly answer: Answer;
	/** Null when no gold answer is known. */
	readonly correct: boolean | null;
	/** Whether aggregating this query would have been right, on the same draws; null when nobody can know. */
	readonly aggregateAllCorrect: boolean | null;
}

/** A start or wake that did not fit in memory, refused as vLLM refuses it. */
export interface StartRefused {
	readonly type: 'start-refused';
	readonly timeUs: TimeUs;
	readonly replica: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly reason: string;
}

/** A sleep that its engine cannot, or whose weights found no room in host RAM. The replica stays awake. */
export interface SleepRefused {
	readonly type: 'sleep-refused';
	readonly timeUs: TimeUs;
	readonly replica: ReplicaId;
	readonly model: ModelId;
	readonly gpus: readonly GpuId[];
	readonly reason: string;
}

/** Audited queries disagree with the aggregator more often than past ones did: from here on the gate skips and cuts nothing. */
export interface GateDrifted {
	readonly type: 'gate-drifted';
	readonly timeUs: TimeUs;
	readonly audit: AuditEvidence;
}

export interface RunEnded {
	readonly type: 'run-ended';
	readonly timeUs: TimeUs;
	readonly status: 'complete' | 'interrupted';
	/**
	 * No schedule that settles every query in one of the ways its gate and its limits allow, or as this run did, could have ended sooner on
	 * this cluster; null when no bound was computed.
	 */
	readonly lowerBoundUs: TimeUs | null;
	/** What stands behind it, by the name of the argument; the largest is the bound. */
	readonly boundParts?: BoundParts;
	/** What audits found; absent without any. */
	readonly audit?: AuditEvidence;
}

export interface BoundParts {
	/** All GPUs busy all the time. */
	readonly areaUs: TimeUs;
	/** The same with what each GPU type can take. */
	readonly lpUs: TimeUs;
	/** The longest path of one query. */
	readonly chainUs: TimeUs;
}

/** What a bound on a run needs to know of it. */
export type EndRecord = CallFinished | QuerySettled;

/** @param ended in the order in which they happened, of a run that is complete */
export type MakespanBound = (ended: readonly EndRecord[]) => Pick<RunEnded, 'lowerBoundUs' | 'boundParts'>;

export type RunRecord =
	| RunStarted
	| PlanMade
	| QueryArrived
	| ReplicaChanged
	| EngineActive
	| EngineSample
	| CallDispatched
	| CallMigrated
	| CallParked
	| CallFinished
	| CallCancelled
	| CallFailed
	| CallReturned
	| AggregationNeeded
	| QuerySettled
	| StartRefused
	| SleepRefused
	| GateDrifted
	| RunEnded;
