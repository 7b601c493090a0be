import { aggregatorPromptTokens } from '../domain/aggregator-prompt.ts';
import { present } from '../domain/errors.ts';
import { aggregatorCallId, type CallId, expertCallId, type ModelId, type QueryId } from '../domain/ids.ts';
import type { RequiredCall, RequiredWork, Way } from '../domain/required-work.ts';
import type { CallFinished, EndRecord } from '../domain/run-log.ts';
import type { Setup } from '../domain/setup.ts';
import type { Answer, CallRole, Gate, Query } from '../domain/work.ts';

/** What a slot can come to. Null for a call: it was refused, and costs nothing. */
interface SlotEnd {
	readonly call: RequiredCall | null;
	readonly answer: Answer;
	/** What an aggregator reads of it, at least and at most: one cut later has said more. */
	readonly readTokens: readonly [least: number, most: number];
}

/** Combinations of slot ends looked at for one query; with more, nothing is required of it. */
const MOST_COMBINATIONS = 100_000;

/**
 * The ways in which each query can be settled, from the true lengths and answers, if no call is given up while its answer could still
 * matter. A call ends with its answer or, where a limit allows it, cut at the lowest: its own, the room that some engine leaves after its
 * prompt, and the gate's cut, if the scheduler takes cuts. A way is a combination of slot ends, some slots still open, that makes the gate
 * accept, foresee that it will, or ask for the aggregator, whose call then belongs to the way. Only ways that no other undercuts are kept.
 * The gate is asked as it stands, so before the run, in which it may learn.
 */
export function requiredWork(setup: Setup, gate: Gate, takesCuts: boolean): readonly RequiredWork[] {
	const limits = createLimits(setup, gate, takesCuts);
	return setup.queries.map((query) => ({
		query: query.id,
		arrivalUs: query.arrivalUs,
		ways: waysOf(gate, query, {
			slotEnds: query.slots.map((_, slotIndex) => endsOf(setup, query, slotIndex, limits)),
			aggregation: (ended) => aggregationOf(setup, query, ended, limits),
		}),
	}));
}

/** What the calls of one query come to. */
interface QueryEnds {
	/** One entry per slot. */
	readonly slotEnds: readonly (readonly SlotEnd[])[];
	/** The aggregator's call on these slot ends; null when it has none or costs nothing. */
	readonly aggregation: (ended: readonly (SlotEnd | undefined)[]) => RequiredCall | null;
}

/** The same from what a run made of its calls, for where nobody knows the truth: null when some call did not come to its own end. */
export function observedWork(
	queries: readonly Query[],
	gate: Gate,
	ended: readonly EndRecord[],
): readonly RequiredWork[] | null {
	const finished = new Map<CallId, CallFinished>();
	for (const record of ended) if (record.type === 'call-finished') finished.set(record.call, record);
	const work: RequiredWork[] = [];
	for (const query of queries) {
		const experts = query.slots.flatMap(
			(_, slotIndex) => finished.get(expertCallId(query.id, slotIndex)) ?? [],
		);
		if (experts.length < query.slots.length) return null;
		const aggregation = finished.get(aggregatorCallId(query.id));
		const ways = waysOf(gate, query, {
			slotEnds: experts.map((record) => [
				{ call: asRequired(record), answer: record.answer, readTokens: [0, 0] },
			]),
			aggregation: () => (aggregation === undefined ? null : asRequired(aggregation)),
		});
		work.push({ query: query.id, arrivalUs: query.arrivalUs, ways });
	}
	return work;
}

/**
 * Adds to every query that this run settled otherwise (it gave up a call that mattered, cut one below the gate's limit, or its gate had
 * learnt) the way that the run itself went, so that what is said of all schedules that go one of the ways holds for this run.
 * @param ended in the order in which they happened
 */
export function withOwnWays(
	work: readonly RequiredWork[],
	ended: readonly EndRecord[],
): readonly RequiredWork[] {
	const finished = new Map<QueryId, RequiredCall[]>();
	const own = new Map<QueryId, Way>();
	for (const record of ended) {
		const calls = finished.get(record.query) ?? [];
		if (record.type === 'query-settled') own.set(record.query, [...calls]);
		else finished.set(record.query, [...calls, asRequired(record)]);
	}
	return work.map((required) => {
		const way = own.get(required.query) ?? [];
		return required.ways.some((other) => isWithin(other, way))
			? required
			: { ...required, ways: cheapest([...required.ways, way]) };
	});
}

const asRequired = ({ call, role, model, promptTokens, outputTokens }: CallFinished): RequiredCall => ({
	call,
	role,
	model,
	promptTokens,
	outputTokens,
});

function waysOf(gate: Gate, query: Query, ends: QueryEnds): readonly Way[] {
	const combinations = ends.slotEnds.reduce((product, own) => product * (own.length + 1), 1);
	if (combinations > MOST_COMBINATIONS) return [[]];
	const ways: Way[] = [];
	const ended: (SlotEnd | undefined)[] = query.slots.map(() => undefined);
	const visit = (slotIndex: number): void => {
		const own = ends.slotEnds[slotIndex];
		if (own === undefined) {
			const way = wayOf(gate, query, ended, ends.aggregation);
			if (way !== null) ways.push(way);
			return;
		}
		for (const end of [undefined, ...own]) {
			ended[slotIndex] = end;
			visit(slotIndex + 1);
		}
	};
	visit(0);
	return cheapest(ways);
}

/** @returns null while these slot ends settle nothing */
function wayOf(
	gate: Gate,
	query: Query,
	ended: readonly (SlotEnd | undefined)[],
	aggregation: QueryEnds['aggregation'],
): Way | null {
	const answers = ended.map((end) => end?.answer);
	const calls = ended.flatMap((end) => end?.call ?? []);
	const { verdict } = gate.decide(answers, query);
	if (verdict === 'open') return gate.foresee(answers, query) === undefined ? null : calls;
	const last = verdict === 'accept' ? null : aggregation(ended);
	return last === null ? calls : [...calls, last];
}

/** Whether it is cut or not, its end settles the query; a refusal does, too. Its prompt counts as short, and leaves room as if it were long. */
function aggregationOf(
	setup: Setup,
	query: Query,
	ended: readonly (SlotEnd | undefined)[],
	limits: Limits,
): RequiredCall | null {
	if (setup.aggregator === null) return null;
	const { model } = setup.aggregator;
	const call = { call: aggregatorCallId(query.id), role: 'aggregator', model } as const;
	const [promptTokens, longestPromptTokens] = [0, 1].map((which) => {
		const readTokens = ended.map((end) => end?.readTokens[which] ?? 0);
		return aggregatorPromptTokens(setup.aggregatorPrompt, query, readTokens);
	}) as [number, number];
	const trueTokens = setup.truth.query(query.id).aggregatorOutputTokens;
	const limit = limits({ model, task: query.task, role: 'aggregator', promptTokens: longestPromptTokens });
	const outputTokens = Math.min(trueTokens, limit.leastTokens);
	return outputTokens < 1 ? null : { ...call, promptTokens, outputTokens };
}

function endsOf(setup: Setup, query: Query, slotIndex: number, limits: Limits): readonly SlotEnd[] {
	const id = expertCallId(query.id, slotIndex);
	const truth = setup.truth.call(id);
	const model = present(query.slots[slotIndex], 'slot model');
	const promptTokens = present(query.slotPromptTokens[slotIndex], 'slot prompt');
	const limit = limits({ model, task: query.task, role: 'expert', promptTokens });
	const call = { call: id, role: 'expert', model, promptTokens } as const;
	const end = (outputTokens: number, answer: Answer): SlotEnd => {
		const readTokens = Math.min(truth.answerTokens, outputTokens);
		return { call: { ...call, outputTokens }, answer, readTokens: [readTokens, readTokens] };
	};
	const ends: SlotEnd[] = [];
	if (limit.canEndBy(truth.outputTokens)) ends.push(end(truth.outputTokens, truth.answer));
	if (!limit.canCut(truth.outputTokens)) return ends;
	const cutTokens = Math.min(truth.outputTokens, limit.leastTokens);
	const cut = end(Math.max(1, cutTokens), null);
	const [least] = cut.readTokens;
	const most = Math.min(truth.answerTokens, Math.max(0, limit.mostTokens));
	ends.push({
		...cut,
		...(cutTokens < 1 && { call: null }),
		readTokens: [limit.canLose ? 0 : least, most],
	});
	return ends;
}

interface CallLimits {
	/** Lowest number of tokens at which it can be cut; below 1 where some engine refuses its prompt. */
	readonly leastTokens: number;
	/** Highest. */
	readonly mostTokens: number;
	/** Whether a call of this true length can come to its own end. */
	canEndBy(trueTokens: number): boolean;
	/** Whether one can be cut. */
	canCut(trueTokens: number): boolean;
	/** Whether it can move to where what it has said leaves no room, which refuses it and all that. */
	readonly canLose: boolean;
}

type Limits = (
	call: Pick<RequiredCall, 'model' | 'role' | 'promptTokens'> & { readonly task: string },
) => CallLimits;

/** A call whose length equals its own limit, or the gate's, has run into it; one that just fills the context of its engine has not. */
function createLimits({ models, profiles }: Setup, gate: Gate, takesCuts: boolean): Limits {
	const outputLimits = new Map(models.map(({ id, outputLimitTokens }) => [id, outputLimitTokens]));
	const contexts = new Map<ModelId, { least: number; most: number }>();
	for (const { model, engine } of profiles) {
		const known = contexts.get(model) ?? { least: Number.POSITIVE_INFINITY, most: 0 };
		contexts.set(model, {
			least: Math.min(known.least, engine.maxModelLen),
			most: Math.max(known.most, engine.maxModelLen),
		});
	}
	const gateCut = (model: ModelId, task: string, role: CallRole): number =>
		takesCuts ? Math.max(1, Math.floor(gate.cutTokens({ model, task, role }))) : Number.POSITIVE_INFINITY;
	return ({ model, task, role, promptTokens }) => {
		const ownTokens = present(outputLimits.get(model), `model ${model}`);
		const { least, most } = contexts.get(model) ?? { least: 0, most: 0 };
		const limitTokens = Math.min(ownTokens, gateCut(model, task, role));
		return {
			leastTokens: Math.min(limitTokens, least - promptTokens),
			mostTokens: Math.min(ownTokens, most - promptTokens),
			canEndBy: (trueTokens) => trueTokens < ownTokens && trueTokens <= most - promptTokens,
			canCut: (trueTokens) => trueTokens >= limitTokens || trueTokens > least - promptTokens,
			canLose: least < most,
		};
	};
}

/** Those that no other way undercuts: one whose every call the other makes too, with as many tokens or more. */
function cheapest(ways: readonly Way[]): readonly Way[] {
	const kept: Way[] = [];
	for (const way of ways) {
		if (kept.some((other) => isWithin(other, way))) continue;
		kept.splice(0, kept.length, ...kept.filter((other) => !isWithin(way, other)), way);
	}
	return kept;
}

/** Whether whoever carries out `all` carries out `part`. */
const isWithin = (part: Way, all: Way): boolean =>
	part.every((need) =>
		all.some(
			({ call, promptTokens, outputTokens }) =>
				call === need.call && promptTokens >= need.promptTokens && outputTokens >= need.outputTokens,
		),
	);
