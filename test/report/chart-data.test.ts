import { describe, expect, it } from 'vitest';
import { randomStream } from '../../sim/core/random.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { ganttSegments, mergedGanttSegments } from '../../sim/report/charts/gantt.ts';
import { gaugeCells } from '../../sim/report/charts/gauges.ts';
import { idleParts } from '../../sim/report/charts/idle.ts';
import { tailPoints } from '../../sim/report/charts/latency-tail.ts';
import { gpuTimes } from '../../sim/report/gpu-time.ts';
import type { RunData } from '../../sim/report/run-data.ts';
import { record, runStarted, syntheticRun } from '../support/synthetic-log.ts';
import { HAND_RUN } from './hand-run.ts';
import { randomLog } from './random-log.ts';

const runOf = (records: readonly RunRecord[], label = 'run'): RunData => ({
	label,
	scheduler: 's',
	gate: 'g',
	seed: 1,
	records,
});

const sample = (timeUs: number, replica: string, running: number, usedBlocks = 0): RunRecord => ({
	type: 'engine-sample',
	timeUs,
	replica: replica as never,
	running,
	waiting: 0,
	maxRunning: 10,
	usedBlocks,
	totalBlocks: 100,
});
const fullness = ({ running, maxRunning }: { running: number; maxRunning: number }): number =>
	running / maxRunning;

describe('gantt data', () => {
	it('keeps every interval of the hand-made run', () => {
		const gpu1 = ganttSegments([runOf(HAND_RUN)]).filter(({ gpu }) => gpu === 'gpu1');
		expect(
			gpu1.map(({ state, model, endSeconds }) => `${Math.round(endSeconds * 1e6)} ${state} ${model}`),
		).toEqual([
			'10 barrier (work is held back) -',
			'30 loading a model B',
			'50 computing B',
			'55 stopping, sleeping, waking B',
			'90 starved (no work left here) -',
			'95 barrier (work is held back) -',
			'125 loading a model G',
			'160 computing G',
			'163 stopping, sleeping, waking G',
			'170 no demand -',
		]);
	});

	it('merges to what took most of each column, as an oracle on single microseconds finds it', () => {
		const columnUs = 7;
		for (let seed = 0; seed < 60; seed++) {
			const log = randomLog(seed);
			const endUs = log.at(-1)?.timeUs ?? 0;
			const raw = ganttSegments([runOf(log)]);
			// The number of columns that makes each of them exactly so wide.
			const merged = mergedGanttSegments([runOf(log)], Math.max(1, endUs) / columnUs);
			const at = (segments: typeof raw, gpu: string, timeUs: number): string => {
				const found = segments.find(
					(one) =>
						one.gpu === gpu && one.startSeconds * 1e6 <= timeUs + 0.5 && timeUs + 0.5 < one.endSeconds * 1e6,
				);
				return `${found?.state} ${found?.model}`;
			};
			for (const gpu of new Set(raw.map((one) => one.gpu))) {
				for (let fromUs = 0; fromUs < endUs; fromUs += columnUs) {
					const counts = new Map<string, number>();
					for (let us = fromUs; us < Math.min(endUs, fromUs + columnUs); us++)
						counts.set(at(raw, gpu, us), (counts.get(at(raw, gpu, us)) ?? 0) + 1);
					expect(counts.get(at(merged, gpu, fromUs))).toBe(Math.max(...counts.values()));
				}
			}
		}
	});

	it('joins a run of many thousand short bars into at most one bar a column', () => {
		const flicker: RunRecord[] = [runStarted(), record.arrived(0, 'q', 'A')];
		flicker.push(record.replica(0, 'A#1', 'awake', 'gpu0'));
		for (let us = 0; us < 30_000; us++) flicker.push(record.active(us, 'A#1', us % 3 !== 0));
		expect(ganttSegments([runOf(flicker)]).length).toBeGreaterThan(19_000);
		const merged = mergedGanttSegments([runOf(flicker)], 100).filter(({ gpu }) => gpu === 'gpu0');
		expect(merged).toHaveLength(1);
		expect(merged[0]?.state).toBe('computing');
	});
});

describe('idle data', () => {
	it('adds up to the idle time of every GPU', () => {
		const records = syntheticRun({ queryCount: 50 });
		const parts = idleParts([runOf(records)]);
		for (const { gpu, wallUs, busyUs } of gpuTimes(records)) {
			const mine = parts.filter((part) => part.gpu === gpu);
			expect(mine.reduce((sum, part) => sum + part.idleSeconds, 0)).toBeCloseTo((wallUs - busyUs) / 1e6, 9);
			expect(mine[0]?.idlePercent).toBeCloseTo(100 - (100 * busyUs) / wallUs, 9);
		}
	});
});

describe('gauge data', () => {
	const log = (...records: RunRecord[]): RunData =>
		runOf([runStarted(), record.replica(0, 'A#1', 'awake', 'gpu0', 'gpu1'), ...records, record.ended(100)]);

	it('holds a sample until the next or until the engine rests, as a mean over computing time', () => {
		const cells = gaugeCells(
			[
				log(
					record.active(10, 'A#1', true),
					sample(10, 'A#1', 10),
					sample(25, 'A#1', 4),
					record.active(40, 'A#1', false),
					record.active(80, 'A#1', true),
					sample(85, 'A#1', 0),
				),
			],
			fullness,
			5,
		);
		const gpu0 = cells.filter(({ gpu }) => gpu === 'gpu0');
		// Columns of 20: 10-20 at 100 %; 20-25 at 100 % and 25-40 at 40 %; nothing; nothing; 80-85 at 40 % and 85-100 at 0 %.
		expect(gpu0.map(({ startSeconds, percent }) => [Math.round(startSeconds * 1e6), percent])).toEqual([
			[0, 100],
			[20, 55],
			[80, 10],
		]);
		expect(cells.filter(({ gpu }) => gpu === 'gpu1')).toHaveLength(3);
	});

	it('joins equal neighbours and stops at a failure', () => {
		const cells = gaugeCells(
			[
				log(
					record.active(0, 'A#1', true),
					sample(0, 'A#1', 5),
					record.replica(60, 'A#1', 'failed', 'gpu0', 'gpu1'),
				),
			],
			fullness,
			5,
		);
		expect(cells.filter(({ gpu }) => gpu === 'gpu0')).toEqual([
			{ run: 'run', gpu: 'gpu0', model: 'A', startSeconds: 0, endSeconds: 0.00006, percent: 50 },
		]);
	});
});

describe('latency tail data', () => {
	it('says for each latency which share took at least so long', () => {
		const log: RunRecord[] = [runStarted()];
		for (const [index, us] of [30, 10, 20, 20].entries())
			log.push(record.arrived(5, `q${index}`), record.settled(5 + us, `q${index}`, 'vote'));
		const points = tailPoints([runOf(log)]);
		expect(points.map(({ latencySeconds, queriesPercent }) => [latencySeconds, queriesPercent])).toEqual([
			[0.00001, 100],
			[0.00002, 75],
			[0.00003, 25],
		]);
	});

	it('is thinned within the budget but keeps the slowest queries', () => {
		const random = randomStream(3, 'latencies');
		const log: RunRecord[] = [runStarted()];
		for (let i = 0; i < 50_000; i++)
			log.push(record.arrived(0, `q${i}`), record.settled(Math.floor(1e9 * random()), `q${i}`, 'vote'));
		const points = tailPoints([runOf(log)]);
		expect(points.length).toBeLessThanOrEqual(20_000);
		expect(points.length).toBeGreaterThan(15_000);
		expect(points[0]?.queriesPercent).toBe(100);
		expect(points.at(-1)?.queriesPercent).toBeCloseTo(100 / 50_000, 9);
		expect(points.at(-2)?.queriesPercent).toBeCloseTo(200 / 50_000, 9);
	});
});
