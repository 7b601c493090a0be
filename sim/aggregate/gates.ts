import { UsageError } from '../domain/errors.ts';
import { oneOf } from '../domain/one-of.ts';
import type { Answer, Gate, GateDecision } from '../domain/work.ts';
import { budgetGate, type GateContext, type OwnRule } from './budget-gate.ts';
import { countVotes } from './votes.ts';

/** Names in the order of tables. */
export const gateNames: readonly string[] = ['never', 'unanimous', 'majority', 'pair', 'calibrated'];

/**
 * @param name `never` sends every query to the aggregator; `unanimous` skips it when all experts agree (the paper's tau = 1;
 * any tau above 2/3 is the same at three slots); `majority` when at least two thirds do (tau = 2/3); `pair` when the first two to end agree;
 * `calibrated` when past queries show that the vote costs no more than a budget
 * @param context with it every gate may cut, within the budget, and audit; without it `calibrated` skips nothing
 * @throws UsageError E_UNKNOWN_GATE
 */
export function createGate(name: string, context: GateContext = NO_CONTEXT): Gate {
	const { options, takesCuts } = context;
	const plain = !(options.cuts && takesCuts) && options.auditShare === 0;
	if (name === 'calibrated') return budgetGate(name, null, () => false, context);
	const own = ownRule(name);
	if (plain) return { name, decide: own.decide, foresee: own.foresee, ...UNCUT };
	return budgetGate(name, own, name === 'pair' ? hasPair : () => false, context);
}

function ownRule(name: string): OwnRule {
	switch (name) {
		case 'never':
			return {
				decide: (answers) =>
					allEnded(answers) ? { verdict: 'aggregate', answer: countVotes(answers).answer } : OPEN,
				foresee: () => undefined,
				skips: false,
			};
		case 'unanimous':
			return voteRule({ numerator: 1, denominator: 1 });
		case 'majority':
			return voteRule({ numerator: 2, denominator: 3 });
		case 'pair':
			return PAIR;
		default:
			throw new UsageError('E_UNKNOWN_GATE', `gate: expected ${oneOf(gateNames)}, got '${name}'`);
	}
}

/** What a gate that spends no budget says of cuts and audits. */
const UNCUT: Pick<Gate, 'cutTokens' | 'answerWhenCut' | 'observe'> = {
	cutTokens: () => Number.POSITIVE_INFINITY,
	answerWhenCut: (answers) => countVotes(answers).answer,
	observe: () => undefined,
};

const NO_CONTEXT: GateContext = {
	calibration: { source: '0 past queries', queries: () => [] },
	options: { budgetPoints: 0.1, confidence: 0.9, auditShare: 0, cuts: false },
	takesCuts: false,
	models: [],
	aggregator: null,
	work: () => ({ perTokenUs: 1, perContextTokenUs: 0, perPromptTokenUs: 0, aloneTokenUs: 0 }),
	run: { queries: 0, gpus: 0 },
	seed: 0,
};

/** Vote share as an exact fraction, so that 2 of 3 meets 2/3 whatever floating point says. */
interface Threshold {
	readonly numerator: number;
	readonly denominator: number;
}

const OPEN: GateDecision = { verdict: 'open', answer: null };

/** Accepts a plurality whose share of all slots reaches the threshold; decides only when every slot has ended, as the paper does. */
function voteRule(threshold: Threshold): OwnRule {
	const passes = (votes: number, slots: number): boolean =>
		votes * threshold.denominator >= slots * threshold.numerator;
	return {
		decide(answers) {
			if (!allEnded(answers)) return OPEN;
			const { answer, votes, slots } = countVotes(answers);
			return { verdict: answer !== null && passes(votes, slots) ? 'accept' : 'aggregate', answer };
		},
		// More than half of all votes can be overtaken by nobody, and every threshold here is above a half.
		foresee(answers) {
			if (allEnded(answers)) return undefined;
			const { answer, votes, slots } = countVotes(answers);
			return answer !== null && passes(votes, slots) ? answer : undefined;
		},
		skips: true,
	};
}

/**
 * Accepts when the first two to end agree, without the others. Asked at every answer, it is asked with all of them only where the first two did not, so
 * of these only a unanimous vote stands: there the first two agreed in whatever order they came.
 */
const PAIR: OwnRule = {
	decide(answers) {
		const { answer, votes, slots } = countVotes(answers);
		const ended = answers.filter((each) => each !== undefined).length;
		if (ended === 2 && votes === 2) return { verdict: 'accept', answer };
		if (ended < slots) return OPEN;
		return { verdict: answer !== null && votes === slots ? 'accept' : 'aggregate', answer };
	},
	foresee: () => undefined,
	skips: true,
};

/** Two that agree may have been the first, or not. */
const hasPair = (answers: readonly Answer[]): boolean => {
	const given = answers.filter((answer) => answer !== null);
	return new Set(given).size < given.length;
};

const allEnded = (answers: readonly (Answer | undefined)[]): boolean =>
	answers.every((answer) => answer !== undefined);
