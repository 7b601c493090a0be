import { UsageError } from '../domain/errors.ts';
import type { Answer, Gate, GateDecision } from '../domain/work.ts';
import { countVotes } from './votes.ts';

/** Vote share as an exact fraction, so that 2 of 3 meets 2/3 whatever floating point says. */
interface Threshold {
	readonly numerator: number;
	readonly denominator: number;
}

const OPEN: GateDecision = { verdict: 'open', answer: null };

/** Names in the order of tables. */
export const gateNames: readonly string[] = ['never', 'unanimous', 'majority'];

/**
 * @param name `never` sends every query to the aggregator; `unanimous` skips it when all experts agree (the paper's tau = 1;
 * any tau above 2/3 is the same at three slots); `majority` when at least two thirds do (tau = 2/3)
 * @throws UsageError E_UNKNOWN_GATE
 */
export function createGate(name: string): Gate {
	switch (name) {
		case 'never':
			return {
				name,
				decide: (answers) =>
					allEnded(answers) ? { verdict: 'aggregate', answer: countVotes(answers).answer } : OPEN,
			};
		case 'unanimous':
			return voteGate(name, { numerator: 1, denominator: 1 });
		case 'majority':
			return voteGate(name, { numerator: 2, denominator: 3 });
		default:
			throw new UsageError('E_UNKNOWN_GATE', `gate: expected one of ${gateNames.join(', ')}, got '${name}'`);
	}
}

/** Accepts a plurality whose share of all slots reaches the threshold; decides only when every slot has ended, as the paper does. */
function voteGate(name: string, threshold: Threshold): Gate {
	return {
		name,
		decide(answers) {
			if (!allEnded(answers)) return OPEN;
			const { answer, votes, slots } = countVotes(answers);
			const passes = votes * threshold.denominator >= slots * threshold.numerator;
			return { verdict: answer !== null && passes ? 'accept' : 'aggregate', answer };
		},
	};
}

const allEnded = (answers: readonly (Answer | undefined)[]): boolean =>
	answers.every((answer) => answer !== undefined);
