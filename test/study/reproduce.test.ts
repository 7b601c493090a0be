import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Summary } from '../../sim/report/summary.ts';
import { fitTestbed } from '../../sim/study/fit-testbed.ts';
import type { RunJob } from '../../sim/study/jobs.ts';
import { openChoices, setsOf } from '../../sim/study/open-choices.ts';
import { inProcess } from '../../sim/study/pool.ts';
import { PUBLISHED, REPRODUCED_WORKLOADS } from '../../sim/study/published.ts';
import { reproduce, runOf, secondsOf } from '../../sim/study/reproduce.ts';
import { reproductionMarkdown } from '../../sim/study/reproduction-markdown.ts';
import { loadExperiment } from '../../traces/index.ts';
import { itShared } from '../support/shared.ts';

/** Expert seconds, aggregator seconds and busy + loading of four GPUs, made up from the job. */
function fakeSummary(expertSeconds: number, aggregatorSeconds: number, workers = [1, 1, 1, 1]): Summary {
	const summary = {
		stages: { expert: { seconds: expertSeconds }, aggregator: { seconds: aggregatorSeconds } },
		gpus: workers.map((worker) => ({
			busySeconds: worker * expertSeconds + aggregatorSeconds - 80,
			idle: { loading: 80 },
		})),
	};
	return summary as unknown as Summary;
}

describe('published rows', () => {
	it('fit nothing on ILP, data-parallel or gated rows', () => {
		for (const row of PUBLISHED.filter(({ fitted }) => fitted))
			expect(row.row).toMatch(/^(expert\/round-robin|round-robin\/worker\d|aggregator\/all)$/);
		expect(
			PUBLISHED.filter(({ fitted }) => !fitted).map(({ workload, row }) => `${workload} ${row}`),
		).toEqual([
			'mmlu-pro expert/ilp',
			'mmlu-pro data-parallel/default',
			'mmlu-pro aggregator/majority',
			'medmcqa expert/ilp',
			'medmcqa aggregator/majority',
			'gpqa expert/ilp',
			'gpqa aggregator/majority',
		]);
	});

	itShared('data/reference_results.json', 'equal the reference file', (file) => {
		const { mosaic } = JSON.parse(readFileSync(file, 'utf8'));
		for (const [workload, key] of [
			['mmlu-pro', 'mmlu_pro'],
			['medmcqa', 'medmcqa'],
			['gpqa', 'gpqa'],
		] as const) {
			const of = (row: string) => PUBLISHED.find((entry) => entry.workload === workload && entry.row === row);
			const { round_robin, mosaic: plotted, mosaic_seeds } = mosaic.expert_makespan_s[key];
			expect(of('expert/round-robin')?.publishedSeconds).toBeCloseTo(round_robin, -0.5);
			expect(of('expert/ilp')?.plottedSeconds).toBe(plotted);
			const mean =
				mosaic_seeds.reduce((sum: number, seconds: number) => sum + seconds, 0) / mosaic_seeds.length;
			expect(of('expert/ilp')?.publishedSeconds).toBeCloseTo(mean, 0);
			expect(of('aggregator/all')?.publishedSeconds).toBe(mosaic.aggregator_s[key][0]);
			expect(of('aggregator/majority')?.publishedSeconds).toBe(mosaic.aggregator_s[key][1]);
		}
		const workers = Object.values(mosaic.round_robin_worker_s_mmlu_pro);
		workers.forEach((seconds, i) => {
			expect(PUBLISHED.find((row) => row.row === `round-robin/worker${i}`)?.publishedSeconds).toBe(seconds);
		});
	});
});

describe('secondsOf', () => {
	it('reads stages, and a worker without the aggregator stage', () => {
		const summary = fakeSummary(1000, 400, [0.2, 1, 0.1, 0.9]);
		expect(secondsOf('expert/round-robin', summary)).toBe(1000);
		expect(secondsOf('data-parallel/default', summary)).toBe(1000);
		expect(secondsOf('aggregator/all', summary)).toBe(400);
		expect(secondsOf('round-robin/worker0', summary)).toBeCloseTo(200, 9);
		expect(secondsOf('round-robin/worker3', summary)).toBeCloseTo(900, 9);
	});

	it('reads each row from one run', () => {
		expect(new Set(PUBLISHED.map(runOf))).toEqual(
			new Set(['round-robin/never', 'ilp/majority', 'data-parallel/majority']),
		);
	});
});

describe('open choices', () => {
	it.each(REPRODUCED_WORKLOADS)('of %s load as experiments and move only predicted rows', (workload) => {
		for (const choice of openChoices(workload)) {
			expect(() => loadExperiment(workload, { sets: setsOf(choice) })).not.toThrow();
			for (const row of choice.moves)
				expect(PUBLISHED.find((entry) => entry.workload === workload && entry.row === row)?.fitted).toBe(
					false,
				);
		}
	});
});

describe('reproduce', () => {
	const run = async (job: RunJob): Promise<Summary> => {
		const published = job.scheduler === 'ilp' ? 1635.3 : 2635.2;
		const moved = job.sets.length > 0 ? 1.2 : 1;
		return fakeSummary(published * moved * (1 + (job.seed - 1) / 10), 870.5);
	};
	const request = { workloads: ['mmlu-pro'], seeds: 3, firstSeed: 0, withChoices: true };

	it('gives mean, smallest and largest seed, the error, and the range over choices for predictions only', async () => {
		const { rows } = await reproduce(request, inProcess(run));
		const ilp = rows.find((row) => row.row === 'expert/ilp');
		expect(ilp?.simulatedSeconds.mean).toBeCloseTo(1635.3, 6);
		expect(ilp?.simulatedSeconds.low).toBeCloseTo(0.9 * 1635.3, 6);
		expect(ilp?.simulatedSeconds.high).toBeCloseTo(1.1 * 1635.3, 6);
		expect(ilp?.errorPercent).toBeCloseTo(0, 6);
		expect(ilp?.choices?.lowChoice).toBe('as assumed');
		expect(ilp?.choices?.highSeconds).toBeCloseTo(1.2 * 1635.3, 6);
		expect(rows.find((row) => row.row === 'expert/round-robin')?.choices).toBeNull();
	});

	it('writes every row and every choice into the document, and calls a miss a miss', async () => {
		const result = await reproduce(request, inProcess(run));
		const text = reproductionMarkdown(result, 'mosaic reproduce');
		for (const row of result.rows) expect(text).toContain(`| ${row.row} | ${row.publishedSeconds} |`);
		for (const choice of openChoices('mmlu-pro')) expect(text).toContain(choice.name);
		expect(text).toMatch(/\*\*data-parallel\/default\*\*.*outside the range of means and within the seeds/);
		expect(text).toMatch(/\*\*expert\/ilp\*\*.*lies within the range/);
		const narrow = { mean: 2635, low: 2600, high: 2700 };
		const missed = { ...result, rows: result.rows.map((row) => ({ ...row, simulatedSeconds: narrow })) };
		expect(reproductionMarkdown(missed, 'mosaic reproduce')).toMatch(
			/\*\*data-parallel\/default\*\*.*lies outside the range and the seeds: a miss/,
		);
	});
});

describe('fitTestbed', () => {
	it('finds the parameters that a made-up testbed hides, without running a predicted row', async () => {
		const schedulers = new Set<string>();
		const run = async (job: RunJob): Promise<Summary> => {
			schedulers.add(`${job.scheduler}/${job.gate}`);
			const sets = Object.fromEntries(job.sets.map((set) => set.split('=') as [string, string]));
			const expert = Number(sets['workload.lengthScale.factor'] ?? 1);
			const aggregator = Number(sets['aggregator.lengthScale'] ?? 1);
			return fakeSummary(80 + 900 * expert ** 0.9, 40 + 500 * aggregator * expert);
		};
		const fitted = await fitTestbed(
			{ workloads: ['gpqa'], seeds: 1, firstSeed: 0 },
			inProcess(run),
			() => undefined,
		);
		const value = (parameter: string, choice = 'as assumed') =>
			fitted.find((fit) => fit.choice === choice && fit.parameter === parameter)?.value ?? 0;
		const expert = value('workload.lengthScale.factor');
		expect(80 + 900 * expert ** 0.9).toBeCloseTo(2348.4, -1);
		expect(40 + 500 * value('aggregator.lengthScale') * expert).toBeCloseTo(348, -1);
		const loadNotCounted = value('aggregator.lengthScale', 'aggregator load not in the published seconds');
		expect(40 + 500 * loadNotCounted * expert).toBeCloseTo(348, -1);
		expect([...schedulers]).toEqual(['round-robin/never']);
	});
});
