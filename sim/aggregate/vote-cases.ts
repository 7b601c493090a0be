import { present } from '../domain/errors.ts';
import type { ModelId } from '../domain/ids.ts';
import type { Answer } from '../domain/work.ts';

/** How the votes of one query fell, and whose they were; which answers they were does not matter. Equal ones are one object. */
export interface VoteCase {
	/** Who was asked. */
	readonly slots: readonly ModelId[];
	/** Vote counts of the answers, largest first, and how many gave none: `2:1`, `2:1-1`. */
	readonly pattern: string;
	/** The pattern with the experts behind the plurality, those against it and those without an answer. */
	readonly cell: string;
	/** A slot that gave the plurality answer; -1 without one. */
	readonly leader: number;
	/** One slot of each answer that came more than once. */
	readonly repeated: readonly number[];
	/** Answers that fell so, as letters; null where there was none. */
	readonly answers: readonly Answer[];
}

/** A slot without an answer, and one of which nothing is known yet, in a shape. */
const NONE = -1;
const MISSING = -2;

/** Completions are tried one by one; beyond so many nobody is certain of anything. */
const MOST_COMPLETIONS = 256;

/**
 * Finds the case of given answers, each worked out once. A shape numbers the answers by their first appearance, so `[B, B, C]` and
 * `[A, A, D]` are `0, 0, 1`.
 */
export class VoteCases {
	private readonly cases = new Map<string, VoteCase>();
	private readonly completed = new Map<string, readonly VoteCase[] | null>();

	/** @param slotsKey names `slots`, see `keyOf` */
	of(slots: readonly ModelId[], slotsKey: string, answers: readonly Answer[]): VoteCase {
		return this.ofShape(slots, slotsKey, shapeOf(answers));
	}

	/**
	 * All cases that these answers may become, when the same answer leads in every one of them; else null. Null too when none is missing.
	 * @param answers undefined where a slot has not ended
	 */
	completions(
		slots: readonly ModelId[],
		slotsKey: string,
		answers: readonly (Answer | undefined)[],
	): readonly VoteCase[] | null {
		const shape = shapeOf(answers);
		const key = `${slotsKey}|${shape}`;
		let found = this.completed.get(key);
		if (found === undefined) {
			found = this.complete(slots, slotsKey, shape);
			this.completed.set(key, found);
		}
		return found;
	}

	private ofShape(slots: readonly ModelId[], slotsKey: string, shape: readonly number[]): VoteCase {
		const key = `${slotsKey}|${shape}`;
		let found = this.cases.get(key);
		if (found === undefined) {
			found = makeCase(slots, shape);
			this.cases.set(key, found);
		}
		return found;
	}

	private complete(
		slots: readonly ModelId[],
		slotsKey: string,
		shape: readonly number[],
	): readonly VoteCase[] | null {
		const missing = shape.flatMap((label, slot) => (label === MISSING ? [slot] : []));
		if (missing.length === 0) return null;
		const votes = tally(shape);
		const [most = 0, second = 0] = [...votes].sort((a, b) => b - a);
		// Whoever is missing may side with the second, or with each other.
		if (most - second <= missing.length || most <= missing.length) return null;
		const choices = [NONE, ...Array.from({ length: votes.length + missing.length }, (_, label) => label)];
		if (choices.length ** missing.length > MOST_COMPLETIONS) return null;
		const lead = votes.indexOf(most);
		const shapes = missing.reduce<number[][]>(
			(all, slot) => all.flatMap((each) => choices.map((choice) => each.with(slot, choice))),
			[[...shape]],
		);
		const cases = new Set(shapes.map((each) => this.ofShape(slots, slotsKey, canonical(each))));
		const slotOfLead = shape.indexOf(lead);
		const certain = [...cases].every(
			({ leader, answers }) => leader >= 0 && answers[leader] === answers[slotOfLead],
		);
		return certain ? [...cases] : null;
	}
}

/** Names a list of experts. */
export const keyOf = (slots: readonly ModelId[]): string => slots.join('+');

function shapeOf(answers: readonly (Answer | undefined)[]): number[] {
	const labels: string[] = [];
	return answers.map((answer) => {
		if (answer === undefined) return MISSING;
		if (answer === null) return NONE;
		const known = labels.indexOf(answer);
		return known >= 0 ? known : labels.push(answer) - 1;
	});
}

/** Numbers the answers by their first appearance. */
const canonical = (shape: readonly number[]): number[] =>
	shapeOf(shape.map((label) => (label === NONE ? null : String(label))));

/** Votes of each answer. */
function tally(shape: readonly number[]): number[] {
	const votes: number[] = [];
	for (const label of shape) if (label >= 0) votes[label] = (votes[label] ?? 0) + 1;
	return votes;
}

function makeCase(slots: readonly ModelId[], shape: readonly number[]): VoteCase {
	const votes = tally(shape);
	const most = Math.max(0, ...votes);
	const leading = votes.flatMap((count, label) => (count === most ? [label] : []));
	const [lead] = leading;
	const leader = leading.length === 1 && lead !== undefined ? shape.indexOf(lead) : -1;
	const silent = shape.filter((label) => label === NONE).length;
	const sizes = votes.toSorted((a, b) => b - a).join(':');
	const pattern = silent === 0 ? sizes : `${sizes}-${silent}`;
	const side = (belongs: (label: number) => boolean): string =>
		slots
			.filter((_, slot) => belongs(present(shape[slot], 'slot')))
			.sort()
			.join('+');
	const cell = [
		pattern,
		side((label) => leader >= 0 && label === lead),
		side((label) => label >= 0 && !(leader >= 0 && label === lead)),
		side((label) => label === NONE),
	].join(' / ');
	return {
		slots,
		pattern,
		cell,
		leader,
		repeated: votes.flatMap((count, label) => (count > 1 ? [shape.indexOf(label)] : [])),
		answers: shape.map((label) => (label === NONE ? null : String.fromCharCode(65 + label))),
	};
}
