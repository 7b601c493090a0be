import { randomStream } from '../../sim/core/random.ts';
import type { Answer } from '../../sim/domain/work.ts';
import { optionLabel } from './answers.ts';
import { normal } from './normal.ts';

/** How often the aggregator is right, by how the votes fell. See the source note of each task profile. */
export interface AggregatorTable {
	readonly unanimousVoteAccuracy: number;
	readonly unanimousNetGain: number;
	readonly rightIfPluralityRight: number;
	readonly rightIfMinorityRight: number;
	readonly rightIfNoneRightInSplit: number;
	readonly rightIfAnyRight: number;
	readonly rightIfNoneRightInScattered: number;
}

export interface AggregatorDraw {
	/** Standard normal, own part of the output length. */
	readonly length: number;
	/** Uniform: right or wrong. */
	readonly rightP: number;
	/** Uniform: which wrong answer. */
	readonly wrongP: number;
}

/** Stream `aggregator`: three numbers a query. */
export function drawAggregator(seed: number, count: number): readonly AggregatorDraw[] {
	const random = randomStream(seed, 'aggregator');
	return Array.from({ length: count }, () => ({
		length: normal(random),
		rightP: random(),
		wrongP: random(),
	}));
}

/**
 * The aggregator's answer, a pure function of the experts' answers and numbers drawn before.
 * When wrong it gives the wrong answer with most votes (ties by draw), or a random wrong option when nobody gave one.
 * Answers are split as by the gates: all agree, more than half agree, neither; missing answers count as slots that agree with nobody.
 * @param overrideRate share of unanimous votes it overrides, see `unanimousRight`
 * @param label what an option says
 */
export function aggregatorAnswer(
	answers: readonly Answer[],
	correct: number,
	options: number,
	table: AggregatorTable,
	overrideRate: number,
	draw: AggregatorDraw,
	label: (option: number) => string = optionLabel,
): string {
	const right = label(correct);
	const votes = new Map<string, number>();
	for (const answer of answers) if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
	if (draw.rightP < rightProbability(votes, answers.length, right, table, overrideRate)) return right;

	const wrong = [...votes].filter(([answer]) => answer !== right);
	const most = Math.max(...wrong.map(([, count]) => count));
	const likely = wrong.filter(([, count]) => count === most).map(([answer]) => answer);
	const chosen = likely[Math.floor(draw.wrongP * likely.length)];
	if (chosen !== undefined) return chosen;
	const index = Math.floor(draw.wrongP * (options - 1));
	return label(index < correct ? index : index + 1);
}

/**
 * Chance to be right on a unanimous vote that is right, and on one that is wrong. The override rate is shared out so that what it
 * wins less what it spoils is the table's net gain; every override of a wrong vote finds the right answer (free choice). A rate
 * below the size of the net gain cannot give it and is raised to it.
 */
export function unanimousRight(
	table: AggregatorTable,
	overrideRate: number,
): { readonly ifVoteRight: number; readonly ifVoteWrong: number } {
	const { unanimousVoteAccuracy: accuracy, unanimousNetGain: gain } = table;
	const rate = Math.max(overrideRate, Math.abs(gain));
	const spoiled = (rate - gain) / 2;
	const won = (rate + gain) / 2;
	return {
		ifVoteRight: accuracy === 0 ? 1 : Math.max(0, 1 - spoiled / accuracy),
		ifVoteWrong: accuracy === 1 ? 0 : Math.min(1, won / (1 - accuracy)),
	};
}

function rightProbability(
	votes: ReadonlyMap<string, number>,
	slotCount: number,
	right: string,
	table: AggregatorTable,
	overrideRate: number,
): number {
	const most = Math.max(0, ...votes.values());
	const rightVotes = votes.get(right) ?? 0;
	if (most === slotCount) {
		const { ifVoteRight, ifVoteWrong } = unanimousRight(table, overrideRate);
		return rightVotes === slotCount ? ifVoteRight : ifVoteWrong;
	}
	if (2 * most > slotCount) {
		if (rightVotes === most) return table.rightIfPluralityRight;
		return rightVotes > 0 ? table.rightIfMinorityRight : table.rightIfNoneRightInSplit;
	}
	return rightVotes > 0 ? table.rightIfAnyRight : table.rightIfNoneRightInScattered;
}
