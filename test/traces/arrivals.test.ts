import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../sim/domain/errors.ts';
import { drawArrivals } from '../../traces/generate/arrivals.ts';
import { readArrivals } from '../../traces/import/arrival-csv.ts';
import { loadExperiment } from '../../traces/index.ts';
import { itShared } from '../support/shared.ts';

const gapsOf = (times: readonly number[]): readonly number[] =>
	times.map((time, index) => time - (times[index - 1] ?? 0));
const meanOf = (values: readonly number[]): number =>
	values.reduce((sum, value) => sum + value, 0) / values.length;
const varianceOf = (values: readonly number[]): number => {
	const mean = meanOf(values);
	return meanOf(values.map((value) => (value - mean) ** 2));
};

describe('drawn arrivals', () => {
	const COUNT = 40_000;

	it.each([
		['Poisson', 1],
		['bursts', 3],
		['even', 0.4],
	])('%s: gaps have the mean and the spread asked for', (_, burstiness) => {
		const gaps = gapsOf(drawArrivals(5, COUNT, { perSecond: 4, burstiness }));
		expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
		// Four standard errors of the mean; the spread's own error is larger for long tails.
		expect(Math.abs(meanOf(gaps) - 0.25)).toBeLessThan((4 * 0.25 * burstiness) / Math.sqrt(COUNT));
		expect(Math.sqrt(varianceOf(gaps)) / 0.25 / burstiness).toBeCloseTo(1, 1);
	});

	it('Poisson: as many in a second as the Poisson distribution says, mean and variance alike', () => {
		const times = drawArrivals(7, COUNT, { perSecond: 4, burstiness: 1 });
		const seconds = Math.floor(times.at(-1) ?? 0);
		const counts = new Array<number>(seconds).fill(0);
		for (const time of times)
			if (time < seconds) counts[Math.floor(time)] = (counts[Math.floor(time)] ?? 0) + 1;
		expect(meanOf(counts)).toBeCloseTo(4, 1);
		expect(varianceOf(counts) / 4).toBeCloseTo(1, 1);
		const none = counts.filter((count) => count === 0).length / seconds;
		expect(Math.abs(none - Math.exp(-4))).toBeLessThan(4 * Math.sqrt(Math.exp(-4) / seconds));
	});

	it('Poisson: of one seed at twice the rate, the same times halved', () => {
		const slow = drawArrivals(1, 100, { perSecond: 1, burstiness: 1 });
		expect(drawArrivals(1, 100, { perSecond: 2, burstiness: 1 })).toEqual(slow.map((time) => time / 2));
		expect(drawArrivals(2, 100, { perSecond: 1, burstiness: 1 })).not.toEqual(slow);
	});
});

describe('a table of arrivals', () => {
	it('is read in seconds from the first, whatever else stands in it', () => {
		const text = '\uFEFFid,at,size\r\na,2.5,1\r\nb,2.5,9\r\n\r\nc,4,3\r\n';
		expect(readArrivals(text, 'f.csv', 'at')).toEqual([0, 0, 1.5]);
	});

	it('may hold dates and times', () => {
		const text =
			'TIMESTAMP,n\n2023-11-16 23:59:59.5000000,1\n2023-11-17 00:00:01.2500000,1\n2023-11-17T00:00:02Z,1\n';
		expect(readArrivals(text, 'f.csv', 'TIMESTAMP')).toEqual([0, 1.75, 2.5]);
	});

	it.each([
		['at,n\n', 'f.csv:2: at: expected an arrival a line, got none'],
		['arrivals,n\n1,2\n', 'f.csv:1: at: expected a column of that name, got arrivals, n'],
		['at,n\n1,2\n3\n', 'f.csv:3: the line: expected 2 cells, got 1'],
		['at,n\n1,2\nsoon,2\n', "f.csv:3: at: expected seconds, or a date and time, got 'soon'"],
		['at,n\n1,2\n,2\n', "f.csv:3: at: expected seconds, or a date and time, got ''"],
		['at,n\n5,2\n4,2\n', "f.csv:3: at: expected a time no earlier than that of the line before, got '4'"],
	])('%j is refused in one line', (text, message) => {
		expect(() => readArrivals(text, 'f.csv', 'at')).toThrow(new UsageError('E_ARRIVALS', message));
	});
});

describe('workload.arrivals', () => {
	let folder = '';
	beforeAll(() => {
		folder = mkdtempSync(path.join(tmpdir(), 'mosaic-arrivals-'));
		writeFileSync(
			path.join(folder, 'at.csv'),
			`at\n${Array.from({ length: 12 }, (_, i) => 100 + i * i).join('\n')}\n`,
		);
	});
	afterAll(() => rmSync(folder, { recursive: true }));
	const tiny = (...sets: string[]) =>
		loadExperiment('tiny', { seed: 3, sets: sets.map((set) => `workload.arrivals${set}`) });

	it('changes when questions come and nothing else of them', () => {
		const batch = tiny();
		const poisson = tiny('.process=poisson', '.perSecond=0.5');
		expect(batch.queries.every(({ arrivalUs }) => arrivalUs === 0)).toBe(true);
		expect(poisson.queries.map((query) => ({ ...query, arrivalUs: 0 }))).toEqual(batch.queries);
		for (const { id, slots } of batch.queries) {
			expect(poisson.truth.query(id).correctAnswer).toBe(batch.truth.query(id).correctAnswer);
			slots.forEach((_, slot) => {
				const call = `${id}/${slot}` as Parameters<typeof batch.truth.call>[0];
				expect(poisson.truth.call(call)).toEqual(batch.truth.call(call));
			});
		}
		const times = poisson.queries.map(({ arrivalUs }) => arrivalUs);
		expect(times).toEqual([...times].sort((a, b) => a - b));
		expect(times).toEqual(
			drawArrivals(3, 12, { perSecond: 0.5, burstiness: 1 }).map((s) => Math.round(s * 1e6)),
		);
	});

	it('tells planning the rate and the slot table, and nothing in a batch', () => {
		expect(tiny().demand).toBeNull();
		const { demand } = tiny('.process=gamma', '.perSecond=0.5', '.burstiness=2');
		expect(demand?.queriesPerSecond).toBe(0.5);
		expect(demand?.callsPerQuery.map(({ model, calls }) => [model, Math.round(calls * 12)])).toEqual([
			['toy-reason', 14],
			['toy-short', 12],
			['toy-chatty', 10],
		]);
	});

	it('takes recorded times, counted from the first and divided by speed', () => {
		const file = `.file=${path.join(folder, 'at.csv')}`;
		const setup = tiny('.process=trace', file, '.column=at', '.speed=2');
		expect(setup.queries.map(({ arrivalUs }) => arrivalUs)).toEqual(
			Array.from({ length: 12 }, (_, i) => (i * i * 1e6) / 2),
		);
		expect(setup.demand?.queriesPerSecond).toBeNull();
		expect(setup.inputs).toEqual([{ name: 'arrivals.csv', text: expect.stringContaining('at\n100\n101\n') }]);
		expect(setup.resolved).toMatchObject({
			workload: { arrivals: { process: 'trace', file: 'arrivals.csv' } },
		});
		expect(tiny('.process=trace', file, '.column=at', '.expectedPerSecond=3').demand?.queriesPerSecond).toBe(
			3,
		);
	});

	it('may be overridden field by field where the file says batch', () => {
		expect(tiny('=batch', '.process=poisson', '.perSecond=1').demand?.queriesPerSecond).toBe(1);
	});

	it.each([
		['=soon', "--set workload.arrivals: expected batch or a mapping, got 'soon'"],
		['=3', '--set workload.arrivals: expected batch or a mapping, got 3'],
		[
			'.process=poison',
			"--set workload.arrivals.process: expected one of poisson, gamma, trace, got 'poison'",
		],
		['={process: poisson}', '--set workload.arrivals.perSecond: expected a finite number, got nothing'],
		['={process: poisson, perSecond: 0}', '--set workload.arrivals.perSecond: expected more than 0, got 0'],
		[
			'={process: gamma, perSecond: 1, burstiness: 99}',
			'--set workload.arrivals.burstiness: expected at most 20, got 99',
		],
		[
			'={process: trace, file: x.csv, speed: -1}',
			'--set workload.arrivals.speed: expected more than 0, got -1',
		],
		[
			'={process: poisson, perSecond: 1, persecond: 1}',
			"--set workload.arrivals.persecond: expected one of process, perSecond, burstiness, file, column, speed, expectedPerSecond, got 'persecond' (did you mean 'perSecond'?)",
		],
		[
			'={process: poisson, perSecond: 1.0e-10}',
			'--set workload.arrivals.perSecond: expected a last arrival within 1000000000 s, got 1.4e+11 s',
		],
		[
			'={process: trace, file: none.csv}',
			"--set workload.arrivals.file: expected a readable table of arrivals, got 'none.csv', no such file",
		],
	])('%s is refused in one line', (set, message) => {
		expect(() => tiny(set)).toThrow(UsageError);
		expect(() => tiny(set)).toThrow(message);
	});

	it('refuses fewer recorded arrivals than queries', () => {
		const short = path.join(folder, 'short.csv');
		writeFileSync(short, 'at\n1\n2\n');
		expect(() => tiny('.process=trace', `.file=${short}`, '.column=at')).toThrow(
			`--set workload.arrivals.file: expected at least 12 arrivals, one for each query, got 2 in '${short}'`,
		);
	});

	itShared('data/arrivals_azure_conv.csv', 'reads the Azure conversation trace', (file) => {
		const setup = loadExperiment('mmlu-pro', {
			sets: [
				'workload.arrivals.process=trace',
				`workload.arrivals.file=${file}`,
				'workload.arrivals.speed=0.1',
			],
		});
		expect(setup.queries.slice(0, 4).map(({ arrivalUs }) => arrivalUs)).toEqual([
			0, 43_145_790, 45_418_770, 47_104_270,
		]);
		expect(setup.queries).toHaveLength(2100);
	});
});
