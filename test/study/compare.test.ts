import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Summary } from '../../sim/report/summary.ts';
import { type CompareRequest, compareJobs, compareSchedulers } from '../../sim/study/compare.ts';
import type { RunJob } from '../../sim/study/jobs.ts';
import { inProcess } from '../../sim/study/pool.ts';

const request: CompareRequest = {
	experiment: 'tiny',
	sets: ['plan.maxModelsPerWorker=3'],
	schedulers: ['round-robin', 'ilp'],
	gates: ['never', 'majority'],
	seeds: 3,
	firstSeed: 5,
	folder: 'out',
};

describe('compareJobs', () => {
	it('gives every scheduler and gate the same seeds, one seed after the other', () => {
		const jobs = compareJobs(request);
		expect(jobs).toHaveLength(12);
		expect(jobs.slice(0, 4).map((job) => job.seed)).toEqual([5, 5, 5, 5]);
		const perCell = new Map<string, number[]>();
		for (const { scheduler, gate, seed } of jobs) {
			const key = `${scheduler}/${gate}`;
			perCell.set(key, [...(perCell.get(key) ?? []), seed]);
		}
		expect([...perCell.values()]).toEqual(Array(4).fill([5, 6, 7]));
	});

	it('writes the first seed in full and the others short, each to a folder of its own', () => {
		const jobs = compareJobs(request);
		expect(jobs.filter((job) => job.detail === 'full').map((job) => job.seed)).toEqual([5, 5, 5, 5]);
		expect(new Set(jobs.map((job) => job.folder)).size).toBe(12);
		expect(compareJobs({ ...request, folder: null }).every((job) => job.folder === null)).toBe(true);
	});

	it('writes in full only the schedulers that are asked for', () => {
		const full = compareJobs({ ...request, written: ['ilp'] }).filter((job) => job.detail === 'full');
		expect(full.map(({ scheduler, gate, seed }) => `${scheduler} ${gate} ${seed}`)).toEqual([
			'ilp never 5',
			'ilp majority 5',
		]);
	});

	it('names folders without what some file systems refuse, each its own', () => {
		const schedulers = ['adaptive', 'adaptive:all-cuts', 'adaptive:none+early', 'adaptive:none'];
		const jobs = compareJobs({ ...request, schedulers, gates: ['never'], seeds: 1 });
		expect(jobs.map(({ folder }) => folder)).toEqual(
			['adaptive', 'adaptive_all-cuts', 'adaptive_none+early', 'adaptive_none'].map((name) =>
				path.join('out', 'runs', `${name}--never`, 'seed5'),
			),
		);
	});
});

describe('compareSchedulers', () => {
	const secondsOf = ({ scheduler, seed }: RunJob): number =>
		(scheduler === 'ilp' ? 50 : 100) * (1 + seed / 100);

	it('pairs runs by seed: a ratio that is the same for every seed has an interval of no width', async () => {
		const seen: number[] = [];
		const { comparison } = await compareSchedulers(request, inProcess(fakeRun(secondsOf)), {
			onDone: (_, done, total) => seen.push(done / total),
		});
		const ilp = comparison.rows.find((row) => row.scheduler === 'ilp');
		expect(ilp?.speedup?.mean).toBeCloseTo(2, 9);
		expect(ilp?.speedup?.low).toBeCloseTo(2, 9);
		expect(ilp?.speedup?.high).toBeCloseTo(2, 9);
		expect(ilp?.wins).toBe(true);
		expect(seen).toHaveLength(12);
		expect(seen.at(-1)).toBe(1);
	});

	it('stops between runs when told to', async () => {
		const aborted = compareSchedulers(request, inProcess(fakeRun(secondsOf)), {
			signal: AbortSignal.abort(),
		});
		await expect(aborted).rejects.toThrow();
	});
});

function fakeRun(secondsOf: (job: RunJob) => number) {
	return async (job: RunJob): Promise<Summary> => {
		const seconds = secondsOf(job);
		const stage = { startSeconds: 0, endSeconds: seconds, seconds };
		const summary: Partial<Summary> = {
			format: 1,
			scheduler: job.scheduler,
			gate: job.gate,
			seed: job.seed,
			makespanSeconds: seconds,
			lowerBoundSeconds: seconds / 2,
			stages: { expert: stage, aggregator: stage },
			calls: NO_CALLS,
			queries: {
				total: 1,
				arrivalSpanSeconds: 0,
				settledByVote: 1,
				aggregated: 0,
				p50Seconds: seconds,
				p95Seconds: seconds,
				p99Seconds: seconds,
			},
			accuracy: { value: 1, aggregateAllValue: 1, deltaPoints: 0, lossBoundPoints: null },
			gateEvidence: null,
			gpus: [],
		};
		return summary as Summary;
	};
}

const NO_CALLS: Summary['calls'] = {
	expert: 0,
	aggregator: 0,
	cancelled: 0,
	neverStarted: 0,
	failed: 0,
	returned: 0,
	cut: 0,
	migrated: 0,
	parked: 0,
	audited: 0,
};
