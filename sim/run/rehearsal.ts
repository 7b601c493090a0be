import type { Forecaster, Problem, Rehearsal, Rehearse, Scheduler } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import { secondsFromUs } from '../domain/units.ts';
import type { Gate } from '../domain/work.ts';
import { drawRehearsal, type KnownSetup, type RehearsedWork } from './rehearsed-work.ts';
import type { SimulateOptions, simulate } from './simulate.ts';

export interface RehearsalParts {
	readonly setup: KnownSetup;
	/** The run's own: it is asked, and hears nothing. */
	readonly gate: Gate;
	/** Whose forecasts candidates plan with. */
	readonly forecaster: Forecaster;
	readonly simulate: typeof simulate;
	readonly signal: AbortSignal | undefined;
}

/** Samples of the queries that are left, simulated by whoever wants to choose between policies. */
export function createRehearse(parts: RehearsalParts): Rehearse {
	const { setup, forecaster } = parts;
	const drawn = new WeakMap<Problem, Map<number, RehearsedWork>>();
	const workOf = (problem: Problem, sample: number): RehearsedWork => {
		const samples = drawn.get(problem) ?? new Map<number, RehearsedWork>();
		drawn.set(problem, samples);
		let work = samples.get(sample);
		if (work === undefined) {
			work = drawRehearsal(setup, forecaster, problem, sample);
			samples.set(sample, work);
		}
		return work;
	};
	return (candidate, problem, sample) => rehearse(parts, candidate, problem, workOf(problem, sample));
}

async function rehearse(
	{ setup, gate, forecaster, simulate, signal }: RehearsalParts,
	candidate: Scheduler,
	problem: Problem,
	{ queries, truth }: RehearsedWork,
): Promise<Rehearsal> {
	const stage: Setup = {
		...setup,
		queries,
		truth,
		demand: problem.future === null ? null : setup.demand,
		engineMode: 'leaping',
		sampleSeconds: UNSAMPLED_SECONDS,
	};
	const arrivalUs = new Map(queries.map((query) => [query.id, query.arrivalUs]));
	let settledUs = 0;
	let latencyUs = 0;
	const onRecord: SimulateOptions['onRecord'] = (record) => {
		if (record.type !== 'query-settled') return;
		settledUs = record.timeUs;
		latencyUs += record.timeUs - (arrivalUs.get(record.query) ?? 0);
	};
	const options = { version: 'rehearsal', onRecord, forecaster, ...(signal && { signal }) };
	await simulate(stage, candidate, unheard(gate), options);
	signal?.throwIfAborted();
	return {
		seconds: secondsFromUs(settledUs),
		latencySeconds: secondsFromUs(latencyUs / Math.max(1, queries.length)),
	};
}

/** Longer than any run: nobody looks at the log. */
const UNSAMPLED_SECONDS = 1e9;

/** The same verdicts; what audits find in a rehearsal is not true. */
const unheard = (gate: Gate): Gate => ({
	name: gate.name,
	decide: (answers, query) => gate.decide(answers, query),
	foresee: (answers, query) => gate.foresee(answers, query),
	cutTokens: (call) => gate.cutTokens(call),
	answerWhenCut: (answers, query) => gate.answerWhenCut(answers, query),
	observe: () => undefined,
});
