/**
 * Paired A/B over seeds: the document of `compare --json`. Runs of one seed share all their draws, so schedulers are compared
 * seed by seed: the speed-up of a row is the mean over seeds of ln(baseline makespan / its makespan), with a 95 % interval of
 * Student's t on those logarithms, given back as ratios (so `mean` is the geometric mean). All other intervals are Student's
 * t on the values themselves.
 */
import { UsageError } from '../domain/errors.ts';
import { oneOf } from '../domain/one-of.ts';
import { promisedPoints, toldEvidence } from './gate-text.ts';
import { type Estimate, estimate } from './student-t.ts';
import { idlePercent, type Summary, timesBound } from './summary.ts';

export interface Comparison {
	readonly format: 1;
	/** `scheduler/gate` of the row that speed-ups refer to. */
	readonly baseline: string;
	/** All seeds met, rising. */
	readonly seeds: readonly number[];
	readonly rows: readonly ComparisonRow[];
}

export interface ComparisonRow {
	readonly scheduler: string;
	/** As in `Summary`. */
	readonly knowsLengths?: true;
	readonly gate: string;
	readonly makespanSeconds: Estimate;
	readonly expertSeconds: Estimate;
	readonly aggregatorSeconds: Estimate;
	/** 95th percentile of the latency of queries; null in a batch, and when a run settled none. */
	readonly latencyP95Seconds: Estimate | null;
	/** Above 1 is faster than the baseline; null when the two share no seed. */
	readonly speedup: Estimate | null;
	/** Against aggregating everything on the same draws; null when correctness is unknown. */
	readonly accuracyDeltaPoints: Estimate | null;
	/** The largest loss that the gate promised not to exceed in one of the runs; null when in one it promised nothing, or audits took that back. */
	readonly lossBoundPoints: number | null;
	/** In how many of the runs the gate spends nothing of its budget, and why in the first of them; null when it spends in all, or has none. */
	readonly gateNote: string | null;
	/** Null when a run has no bound. */
	readonly lowerBoundSeconds: Estimate | null;
	/** Makespan of each run as a multiple of its lower bound; null when a run has none. */
	readonly timesBound: Estimate | null;
	/** Share of GPU time that was not computing. */
	readonly idlePercent: Estimate;
	/** Queries that the aggregator answered. */
	readonly aggregatedQueries: Estimate;
	/** Calls that were given up after they had begun, and before. */
	readonly cancelledCalls: Estimate;
	readonly neverStartedCalls: Estimate;
	/** Calls whose output was cut short of their own limit. */
	readonly cutCalls: Estimate;
	/** Whether it beats the baseline; null when the interval covers 1 or there is one seed only. */
	readonly wins: boolean | null;
}

/**
 * @param summaries one per (scheduler, gate, seed); rows come in their order of first appearance
 * @param baseline `SCHEDULER` or `SCHEDULER/GATE`; by default the first scheduler with its first gate
 * @throws UsageError E_NO_RUNS without summaries, E_UNKNOWN_BASELINE, E_DUPLICATE_RUN when a (scheduler, gate, seed) comes twice
 */
export function compareSummaries(summaries: readonly Summary[], baseline?: string): Comparison {
	const groups = new Map<string, Map<number, Summary>>();
	for (const summary of summaries) {
		const key = rowKey(summary);
		const group = groups.get(key) ?? new Map<number, Summary>();
		if (group.has(summary.seed))
			throw new UsageError(
				'E_DUPLICATE_RUN',
				`two runs of ${key} with seed ${summary.seed}: expected one run per scheduler, gate and seed`,
			);
		groups.set(key, group.set(summary.seed, summary));
	}
	const [baselineKey, base] = findBaseline(groups, baseline);
	return {
		format: 1,
		baseline: baselineKey,
		seeds: [...new Set(summaries.map(({ seed }) => seed))].sort((a, b) => a - b),
		rows: [...groups.values()].map((group) => row([...group.values()], base)),
	};
}

/** A scheduler's name for people: a star, which `KNOWS_LENGTHS_NOTE` explains, marks what nobody could run for real. */
export const shownScheduler = ({
	scheduler,
	knowsLengths,
}: Pick<ComparisonRow, 'scheduler' | 'knowsLengths'>): string => (knowsLengths ? `${scheduler}*` : scheduler);

export const KNOWS_LENGTHS_NOTE = '* knows the length of every output beforehand, as nobody can';

/** `scheduler/gate`, the name of a row. */
export const rowKey = ({ scheduler, gate }: { readonly scheduler: string; readonly gate: string }): string =>
	`${scheduler}/${gate}`;

function findBaseline<G>(groups: ReadonlyMap<string, G>, wanted: string | undefined): [string, G] {
	for (const [key, group] of groups)
		if (wanted === undefined || key === wanted || key.startsWith(`${wanted}/`)) return [key, group];
	if (wanted === undefined)
		throw new UsageError('E_NO_RUNS', 'nothing to compare: expected at least one run');
	throw new UsageError(
		'E_UNKNOWN_BASELINE',
		`baseline '${wanted}' was not run: expected ${oneOf([...groups.keys()])}`,
	);
}

function row(runs: readonly Summary[], base: ReadonlyMap<number, Summary>): ComparisonRow {
	const first = runs[0] as Summary;
	const logRatios = runs.flatMap((run) => {
		const other = base.get(run.seed);
		return other === undefined ? [] : [Math.log(other.makespanSeconds / run.makespanSeconds)];
	});
	const speedup = logRatios.length === 0 ? null : asRatios(estimate(logRatios));
	return {
		scheduler: first.scheduler,
		...(first.knowsLengths && { knowsLengths: true }),
		gate: first.gate,
		makespanSeconds: notNegative(runs.map((run) => run.makespanSeconds)),
		expertSeconds: notNegative(runs.map((run) => run.stages.expert.seconds)),
		aggregatorSeconds: notNegative(runs.map((run) => run.stages.aggregator.seconds)),
		latencyP95Seconds: ifAllKnown(
			runs.map(({ queries }) => (queries.arrivalSpanSeconds > 0 ? queries.p95Seconds : null)),
			notNegative,
		),
		speedup,
		accuracyDeltaPoints: ifAllKnown(
			runs.map((run) => run.accuracy.deltaPoints),
			(points) => within(-100, 100, estimate(points)),
		),
		lossBoundPoints: largest(runs.map(promisedPoints)),
		gateNote: gateNote(runs),
		lowerBoundSeconds: ifAllKnown(
			runs.map((run) => run.lowerBoundSeconds),
			notNegative,
		),
		timesBound: ifAllKnown(
			runs.map((run) => timesBound(run.makespanSeconds, run.lowerBoundSeconds)),
			asMultiples,
		),
		idlePercent: within(0, 100, estimate(runs.map(idlePercent))),
		aggregatedQueries: notNegative(runs.map(({ queries }) => queries.aggregated)),
		cancelledCalls: notNegative(runs.map(({ calls }) => calls.cancelled)),
		neverStartedCalls: notNegative(runs.map(({ calls }) => calls.neverStarted)),
		// A summary of an earlier version has no cuts.
		cutCalls: notNegative(runs.map(({ calls }) => calls.cut ?? 0)),
		wins: logRatios.length < 2 || speedup === null ? null : verdict(speedup),
	};
}

function gateNote(runs: readonly Summary[]): string | null {
	const notes = runs.flatMap((run) => {
		const note = toldEvidence(run)?.note ?? null;
		return note === null ? [] : [`gate ${run.gate} spends nothing of its budget: ${note}`];
	});
	const [first] = notes;
	if (first === undefined) return null;
	return runs.length === 1 ? first : `${first} (so in ${notes.length} of ${runs.length} runs)`;
}

/** What stands below a table of these rows: who knows what nobody can, and which gates spend nothing, each once. */
export const notesOf = (rows: readonly ComparisonRow[]): readonly string[] => [
	...(rows.some(({ knowsLengths }) => knowsLengths) ? [KNOWS_LENGTHS_NOTE] : []),
	...[...new Set(rows.map(({ gate }) => gate))].flatMap((name) =>
		notesOfGate(rows.filter(({ gate }) => gate === name)),
	),
];

/** Those of one gate; where its schedulers differ, with the names of those that each is about. */
function notesOfGate(rows: readonly ComparisonRow[]): readonly string[] {
	const notes = new Set(rows.flatMap(({ gateNote }) => gateNote ?? []));
	return [...notes].map((note) => {
		const about = rows.filter(({ gateNote }) => gateNote === note);
		return about.length === rows.length ? note : `${about.map(shownScheduler).join(', ')}: ${note}`;
	});
}

function verdict({ low, high }: Estimate): boolean | null {
	if (low > 1) return true;
	return high < 1 ? false : null;
}

const asRatios = ({ mean, low, high }: Estimate): Estimate => ({
	mean: Math.exp(mean),
	low: Math.exp(low),
	high: Math.exp(high),
});

/** Null when one is. */
const largest = (values: readonly (number | null)[]): number | null => {
	const known = values.filter((value) => value !== null);
	return known.length < values.length || known.length === 0 ? null : Math.max(...known);
};

/** Times and counts cannot be, whatever a wide interval on few seeds says. */
const notNegative = (values: readonly number[]): Estimate =>
	within(0, Number.POSITIVE_INFINITY, estimate(values));

/** No run beats its bound, except that real servers may be faster than their profiles. */
const asMultiples = (values: readonly number[]): Estimate =>
	within(Math.min(1, ...values), Number.POSITIVE_INFINITY, estimate(values));

const within = (least: number, most: number, { mean, low, high }: Estimate): Estimate => ({
	mean,
	low: Math.max(least, low),
	high: Math.min(most, high),
});

function ifAllKnown(
	values: readonly (number | null)[],
	estimated: (known: readonly number[]) => Estimate = estimate,
): Estimate | null {
	const known = values.filter((value) => value !== null);
	return known.length < values.length ? null : estimated(known);
}
