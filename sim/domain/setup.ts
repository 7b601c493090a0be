import type { Calibration, GateOptions } from './calibration.ts';
import type { LengthDistribution } from './distribution.ts';
import type { EngineMode } from './engine.ts';
import type { ModelId } from './ids.ts';
import type { LiveSettings } from './live.ts';
import type { Cluster, Model, ReplicaProfile } from './model.ts';
import type { Question } from './question.ts';
import type { AggregatorSpec, Demand, PlanOptions } from './scheduler.ts';
import type { Truth } from './truth.ts';
import type { CallRole, Query } from './work.ts';

/** Expected output length of one model on one task in one role. */
export interface LengthForecast {
	readonly model: ModelId;
	readonly task: string;
	readonly role: CallRole;
	readonly distribution: LengthDistribution;
	/** Mean prompt tokens of such a call, for forecasts. */
	readonly meanPromptTokens: number;
}

/** A resolved experiment: everything a run needs, whatever file or generator it came from. Made by traces/, used by everyone else. */
export interface Setup {
	readonly name: string;
	readonly seed: number;
	readonly cluster: Cluster;
	readonly models: readonly Model[];
	readonly profiles: readonly ReplicaProfile[];
	/** Sorted by (arrivalUs, position). */
	readonly queries: readonly Query[];
	/** What planning may know of queries that have not arrived; null in a batch, where all arrive at time 0. */
	readonly demand: Demand | null;
	readonly truth: Truth;
	readonly aggregator: AggregatorSpec | null;
	/** Tokens of an aggregator prompt: `base + perAnswer*k + sum(answerTokens) + question`. */
	readonly aggregatorPrompt: { readonly baseTokens: number; readonly perAnswerTokens: number };
	/** Tokens of a byte of text by model, where the workload comes from a question file; else null. */
	readonly tokensPerByte: Readonly<Record<ModelId, number>> | null;
	readonly lengths: readonly LengthForecast[];
	/** Questions the forecaster may draw from its calibration stream: mean and maximum are taken over so many. */
	readonly calibrationQuestions: number;
	readonly planOptions: PlanOptions;
	readonly engineMode: EngineMode;
	readonly scheduler: string;
	readonly gate: string;
	readonly gateOptions: GateOptions;
	/** Queries of the past, for gates. */
	readonly calibration: Calibration;
	/** Simulated seconds between batch samples in the run log. */
	readonly sampleSeconds: number;
	/** Texts of the queries, in their order, when the workload comes from a question file; else null. */
	readonly questions: readonly Question[] | null;
	/** How a live run of it is carried out. */
	readonly live: LiveSettings;
	/** The experiment as resolved, for experiment.yaml in the run folder. */
	readonly resolved: Readonly<Record<string, unknown>>;
	/** Files that `resolved` names, to be kept beside it. */
	readonly inputs: readonly InputFile[];
}

export interface InputFile {
	/** As `resolved` names it: a path below the folder of experiment.yaml. */
	readonly name: string;
	readonly text: string;
}
