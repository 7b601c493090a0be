import { present } from '../domain/errors.ts';
import { fitIncreasing, fitMinimum } from './fit.ts';
import { spreadOf } from './interval.ts';
import { type JobOptions, type JobRunner, type SeedRange, summaryJobs } from './jobs.ts';
import {
	AGGREGATOR_SCALE,
	AS_ASSUMED,
	EXPERT_SCALE,
	HOST_PER_SEQUENCE,
	openChoices,
	type Refit,
} from './open-choices.ts';
import { PUBLISHED, REPRODUCED_WORKLOADS } from './published.ts';
import { runOf, secondsOf } from './reproduce.ts';

export interface FittedParameter {
	readonly workload: string;
	/** `as assumed`, or the name of the open choice. */
	readonly choice: string;
	readonly parameter: string;
	readonly value: number;
	readonly rows: readonly {
		readonly row: string;
		readonly publishedSeconds: number;
		readonly meanSeconds: number;
	}[];
}

const WORKER_ROWS = [0, 1, 2, 3].map((worker) => `round-robin/worker${worker}`);

/**
 * Fits every parameter of the reproduction anew, on rows that may be fitted only: the host time per sequence on the four round-robin
 * worker seconds of MMLU-Pro, one length scale per data set on its round-robin row, one aggregator scale on its "all questions" row,
 * and the same again under each open choice. Predicted rows are never looked at.
 * @param onFitted called after each parameter
 */
export async function fitTestbed(
	request: SeedRange & { readonly workloads: readonly string[] },
	runJobs: JobRunner,
	onFitted: (fitted: FittedParameter) => void,
	options: JobOptions = {},
): Promise<FittedParameter[]> {
	const fitted: FittedParameter[] = [];
	const found = (parameter: FittedParameter): void => {
		fitted.push(parameter);
		onFitted(parameter);
	};
	const simulate = meansOverSeeds(request, runJobs, options);

	let hostSets: string[] = [];
	if (request.workloads.includes('mmlu-pro')) {
		const host = await fitHost(simulate);
		found(host);
		hostSets = [`${host.parameter}=${host.value}`];
	}
	for (const workload of REPRODUCED_WORKLOADS.filter((name) => request.workloads.includes(name))) {
		const defaults: { parameter: string; row: Refit['row']; start: number }[] = [
			...(workload === 'mmlu-pro'
				? []
				: [{ parameter: EXPERT_SCALE, row: 'expert/round-robin' as const, start: 1 }]),
			{ parameter: AGGREGATOR_SCALE, row: 'aggregator/all', start: 1 },
		];
		const cells = [
			{ name: AS_ASSUMED, sets: [], refits: defaults },
			...openChoices(workload).map(({ name, sets, refits }) => ({
				name,
				sets,
				refits: refits.map((refit) => ({ ...refit, start: refit.value })),
			})),
		];
		// Choices that leave the experts' scale alone take the one just fitted, not the experiment's.
		let assumedSets: string[] = [];
		for (const cell of cells) {
			let sets = [...hostSets, ...assumedSets, ...cell.sets];
			for (const { parameter, row, start } of cell.refits) {
				const target = publishedSeconds(workload, row);
				const fit = await fitIncreasing(
					async (value) => {
						const means = await simulate(workload, [...sets, `${parameter}=${value}`], [row]);
						return present(means[0], row);
					},
					target,
					start,
				);
				const value = Number(fit.parameter.toPrecision(4));
				sets = [...sets, `${parameter}=${value}`];
				const rows = [{ row, publishedSeconds: target, meanSeconds: fit.value }];
				found({ workload, choice: cell.name, parameter, value, rows });
				if (cell.name === AS_ASSUMED && parameter === EXPERT_SCALE) assumedSets = [`${parameter}=${value}`];
			}
		}
	}
	return fitted;
}

type Simulate = (workload: string, sets: readonly string[], rows: readonly string[]) => Promise<number[]>;

function meansOverSeeds(request: SeedRange, runJobs: JobRunner, options: JobOptions): Simulate {
	return async (workload, sets, rows) => {
		const jobs = summaryJobs(workload, sets, runOf({ row: present(rows[0], 'row') }), request);
		const results = await runJobs(jobs, options);
		return rows.map((row) => spreadOf(results.map((result) => secondsOf(row, result.summary))).mean);
	};
}

/**
 * Least squares in seconds over the four workers. The two short ones hardly count, and should not: half of their time is the load, of which
 * only 38 to 47 s is known.
 */
async function fitHost(simulate: Simulate): Promise<FittedParameter> {
	const published = WORKER_ROWS.map((row) => publishedSeconds('mmlu-pro', row));
	let best: { loss: number; means: number[] } | null = null;
	const fit = await fitMinimum(
		async (hostPerSequenceUs) => {
			const means = await simulate('mmlu-pro', [`${HOST_PER_SEQUENCE}=${hostPerSequenceUs}`], WORKER_ROWS);
			const loss = means.reduce((sum, mean, i) => sum + (mean - present(published[i], 'row')) ** 2, 0);
			if (best === null || loss < best.loss) best = { loss, means };
			return loss;
		},
		0,
		100,
		4,
	);
	const { means } = present(best as { loss: number; means: number[] } | null, 'fit');
	return {
		workload: 'mmlu-pro',
		choice: AS_ASSUMED,
		parameter: HOST_PER_SEQUENCE,
		value: Number(fit.parameter.toPrecision(3)),
		rows: WORKER_ROWS.map((row, i) => ({
			row,
			publishedSeconds: present(published[i], row),
			meanSeconds: present(means[i], row),
		})),
	};
}

const publishedSeconds = (workload: string, row: string): number =>
	present(
		PUBLISHED.find(
			(published) => published.workload === workload && published.row === row && published.fitted,
		),
		`fitted row ${workload} ${row}`,
	).publishedSeconds;
