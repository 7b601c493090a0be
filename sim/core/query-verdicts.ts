import { aggregatorPromptTokens } from '../domain/aggregator-prompt.ts';
import type { QueryId } from '../domain/ids.ts';
import type { QuerySettled, RunRecord } from '../domain/run-log.ts';
import type { Setup } from '../domain/setup.ts';
import type { TimeUs } from '../domain/units.ts';
import type { Answer, CallOutcome, Gate, GateDecision } from '../domain/work.ts';
import type { CallRecord, ClusterState, QueryRecord } from './cluster-state.ts';
import type { Judge } from './controller.ts';

interface VerdictParts {
	readonly state: ClusterState;
	readonly setup: Pick<Setup, 'aggregator' | 'aggregatorPrompt'>;
	readonly gate: Gate;
	readonly judge: Judge;
	readonly write: (record: RunRecord) => void;
}

/** What becomes of queries as their calls end: the gate's verdicts, aggregator calls, the answers that settle them, and audits. */
export class QueryVerdicts {
	private readonly parts: VerdictParts;

	constructor(parts: VerdictParts) {
		this.parts = parts;
	}

	/** Takes the answer of a call that has just ended, which may make its query's aggregator call or settle it. */
	callEnded(record: CallRecord, outcome: CallOutcome, nowUs: TimeUs): void {
		const { state } = this.parts;
		const { call } = record;
		const query = state.query(call.query);
		if (call.role === 'aggregator') {
			this.endAggregation(record, query, outcome, nowUs);
			return;
		}
		const isFinished = outcome.kind === 'finished';
		state.openExpertCalls--;
		state.pending.answered(query.slotCalls);
		query.answers[call.slotIndex] = isFinished ? outcome.answer : null;
		query.answerTokens[call.slotIndex] = isFinished ? outcome.answerTokens : 0;
		this.updateVerdict(query, nowUs);
	}

	/** Lets the vote of a query stand that the gate accepts or foresees. */
	settleByVote(id: QueryId, nowUs: TimeUs): void {
		const { state } = this.parts;
		const record = state.query(id);
		this.settle(record, 'vote', state.foreseen.get(id) ?? record.decision.answer, nowUs);
	}

	/** Asks the gate again after an answer came; without an aggregator the vote is all there is. */
	private updateVerdict(record: QueryRecord, nowUs: TimeUs): void {
		if (record.settled || record.decision.verdict !== 'open') return;
		const { state, gate, setup, write } = this.parts;
		let decision: GateDecision = gate.decide(record.answers, record.query);
		if (decision.verdict === 'aggregate' && setup.aggregator === null)
			decision = { ...decision, verdict: 'accept' };
		record.decision = decision;
		this.foresee(record);
		if (decision.verdict === 'accept') state.acceptable.add(record.query.id);
		if (decision.verdict !== 'aggregate' || setup.aggregator === null) return;
		const promptTokens = aggregatorPromptTokens(setup.aggregatorPrompt, record.query, record.answerTokens);
		const call = state.addAggregatorCall(record, setup.aggregator.model, promptTokens);
		write({
			type: 'aggregation-needed',
			timeUs: nowUs,
			query: record.query.id,
			call: call.id,
			...(decision.audit && { audit: true }),
		});
	}

	private foresee(record: QueryRecord): void {
		const { state, gate } = this.parts;
		const isOpen = record.decision.verdict === 'open';
		const answer = isOpen ? gate.foresee(record.answers, record.query) : undefined;
		if (answer === undefined) state.foreseen.delete(record.query.id);
		else state.foreseen.set(record.query.id, answer);
	}

	/** A cut aggregator has no answer; then the gate has the last word. */
	private endAggregation(
		{ call, limitTokens }: CallRecord,
		record: QueryRecord,
		outcome: CallOutcome,
		nowUs: TimeUs,
	): void {
		if (record.settled) return;
		if (outcome.kind !== 'finished') {
			this.settle(record, 'failure', null, nowUs);
			return;
		}
		const { answers, query, decision } = record;
		// One that its context stopped before that is not the gate's doing.
		const isCut =
			outcome.finishReason === 'length' &&
			limitTokens < call.maxOutputTokens &&
			outcome.outputTokens >= limitTokens;
		if (isCut) this.settle(record, 'vote', this.parts.gate.answerWhenCut(answers, query), nowUs);
		else this.settle(record, 'aggregator', outcome.answer, nowUs);
		if (decision.audit) this.observe(record, outcome.answer, nowUs);
	}

	/** Tells the gate what an audited query came to; it may say that things are no longer as they were. */
	private observe({ answers, query }: QueryRecord, aggregatorAnswer: Answer, nowUs: TimeUs): void {
		const { state, gate, write } = this.parts;
		const hadDrifted = gate.hasDrifted;
		gate.observe(answers, query, aggregatorAnswer);
		// What it foresaw, it may not stand by any more.
		for (const id of [...state.foreseen.keys()]) this.foresee(state.query(id));
		if (hadDrifted || !gate.hasDrifted) return;
		const audit = gate.evidence?.().audit;
		if (audit) write({ type: 'gate-drifted', timeUs: nowUs, audit });
	}

	private settle(record: QueryRecord, by: QuerySettled['by'], answer: Answer, nowUs: TimeUs): void {
		const { state, judge, write } = this.parts;
		const query = record.query.id;
		record.settled = true;
		state.acceptable.delete(query);
		state.foreseen.delete(query);
		state.openQueries--;
		write({
			type: 'query-settled',
			timeUs: nowUs,
			query,
			by,
			answer,
			correct: judge.isCorrect(query, answer),
			aggregateAllCorrect: judge.aggregateAllCorrect(query),
		});
	}
}
