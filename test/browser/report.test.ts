import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { reportHtml } from '../../sim/report/html.ts';
import type { RunData } from '../../sim/report/run-data.ts';
import { summarize } from '../../sim/report/summary.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { createScheduler } from '../../solver/index.ts';
import { loadExperiment } from '../../traces/index.ts';
import { chromium, documentAfterScripts } from './chromium.ts';
import { findingsIn, type PageFindings, withProbe } from './page-probe.ts';

let folder: string;
let html: string;
beforeAll(async () => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-browser-'));
	const runs = await Promise.all([tinyRun('round-robin'), tinyRun('greedy')]);
	const summaries = runs.map(({ records }) => summarize(records));
	html = reportHtml({ title: 'tiny', summaries, runs });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function tinyRun(scheduler: string): Promise<RunData> {
	const setup = loadExperiment('tiny', { seed: 0, scheduler, gate: 'majority' });
	const records: RunRecord[] = [];
	await simulate(setup, createScheduler(scheduler, { clockSeconds: () => 0 }), createGate('majority'), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return { label: scheduler, scheduler, gate: 'majority', seed: 0, records };
}

function open(page: string, windowSize: readonly [number, number] = [1280, 900]): PageFindings {
	const file = path.join(folder, 'report.html');
	writeFileSync(file, withProbe(page));
	return findingsIn(documentAfterScripts(file, windowSize));
}

const why = chromium === undefined ? ' (skipped: no chromium; set CHROMIUM)' : '';

describe.skipIf(chromium === undefined)(`a report in a browser${why}`, () => {
	it.each([
		['on a desk', [1280, 900]],
		['on a phone', [400, 800]],
	] as const)('draws every chart %s, asks for nothing and complains of nothing', (_, windowSize) => {
		const { complaints, charts, requests } = open(html, windowSize);
		expect(complaints).toEqual([]);
		expect(requests).toEqual([]);
		const expected = ['makespan', 'stages', 'gantt', 'idle', 'batch', 'kv', 'latency-tail'];
		expect(charts.map(({ id }) => id.replace('chart-', ''))).toEqual(expect.arrayContaining(expected));
		for (const { id, text, canvases, inkPixels } of charts)
			expect({ id, text, canvases, drawn: inkPixels > 1000 }).toEqual({
				id,
				text: '',
				canvases: 1,
				drawn: true,
			});
	});

	it('says so when a chart cannot be drawn', () => {
		const broken = html.replace('"mark":{"type":"bar"', '"mark":{"type":"no-such-mark"');
		expect(broken).not.toBe(html);
		const { complaints, charts } = open(broken);
		expect([...complaints, ...charts.map(({ text }) => text)].join('\n')).toMatch(
			/no-such-mark|could not be drawn/,
		);
	});
});
