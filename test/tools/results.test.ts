import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Summary, summarize } from '../../sim/report/summary.ts';
import {
	ablationSection,
	between,
	gatesSection,
	type Made,
	readmeSection,
	resultsDocument,
} from '../../tools/results/documents.ts';
import { ABLATION_POLICIES, GATES, POLICIES, WORKLOADS } from '../../tools/results/grid.ts';
import { type Cell, openRunStore, type RunStore, sourcesDigest } from '../../tools/results/run-store.ts';
import { experimentNames } from '../../traces/index.ts';
import { sharedFolder, temporaryFolder } from '../cli/temporary-folder.ts';
import { HAND_RUN } from '../report/hand-run.ts';
import { repoRoot } from '../support/project-files.ts';

const TEMPLATE = summarize(HAND_RUN);

const summary = (scheduler: string, gate: string, seed: number, makespanSeconds: number): Summary => ({
	...TEMPLATE,
	scheduler,
	gate,
	seed,
	makespanSeconds,
	lowerBoundSeconds: makespanSeconds / 2,
	accuracy: { ...TEMPLATE.accuracy, deltaPoints: 0.25, lossBoundPoints: gate === 'calibrated' ? 0.1 : null },
});

const folder = sharedFolder();
let stores = 0;

/** Two seeds of these cells of gpqa, given with their makespans. */
function filledStore(cells: readonly (readonly [policy: string, gate: string, seconds: number])[]): RunStore {
	const store = openRunStore(path.join(folder, `store${stores++}`), 'abc', false);
	for (const [policy, gate, seconds] of cells)
		for (const seed of [0, 1])
			store.put(
				{ workload: 'gpqa', policy, gate },
				seed,
				summary(policy.replace('-shared', ''), gate, seed, seconds * (1 + seed)),
			);
	return store;
}

const made = (store: RunStore): Made => ({
	date: '2026-01-02',
	version: '9.9.9',
	sources: 'abc',
	seeds: 2,
	store,
});

describe('the documents of results', () => {
	let store: RunStore;
	beforeEach(() => {
		store = filledStore([
			['round-robin', 'never', 300],
			['ilp', 'majority', 150],
			['adaptive', 'calibrated', 100],
			['adaptive-shared', 'calibrated', 120],
		]);
		// Of one cell a seed is missing, of one workload the baseline.
		store.put({ workload: 'gpqa', policy: 'greedy', gate: 'never' }, 0, summary('greedy', 'never', 0, 1));
		for (const seed of [0, 1])
			store.put(
				{ workload: 'medmcqa', policy: 'ilp', gate: 'never' },
				seed,
				summary('ilp', 'never', seed, 1),
			);
	});

	it('hold what was run on every seed, against the baseline, and say how they were made', () => {
		const text = resultsDocument(made(store));
		expect(text.match(/^## .*/gm)).toEqual(['## gpqa']);
		const lines = text
			.split('\n')
			.filter((line) => line.startsWith('| '))
			.slice(2);
		expect(lines.map((line) => line.split(' | ').slice(0, 2).join('/'))).toEqual([
			'| round-robin/never',
			'| ilp/majority',
			'| adaptive/calibrated',
			'| adaptive, 2 engines a GPU/calibrated',
		]);
		expect(lines[2]).toMatch(/\| 150 \| .*\| 3\.00\b.*\| 2\.00 \|.*\| \+0\.25 \| -0\.10 \|$/);
		expect(lines[1]).toMatch(/\| 2\.00 .*\| \+0\.25 \| - \|$/);
		expect(text).toContain('Version 9.9.9, sources abc, 2026-01-02, seeds 0 to 1, by `npm run results`.');
	});

	it('give README.md the paper’s program and ours under the gates that skip', () => {
		const lines = readmeSection(made(store))
			.split('\n')
			.filter((line) => line.startsWith('| gpqa'));
		expect(lines.map((line) => line.split(' | ').slice(0, 3).join('/'))).toEqual([
			'| gpqa/ilp/majority',
			'| gpqa/adaptive/calibrated',
		]);
		expect(readmeSection(made(store))).toContain('gpqa 3.00 under `calibrated`, 2.00 times the bound (met).');
		expect(gatesSection(made(store))).toContain('| adaptive | calibrated |');
	});

	it('hold an ablation once everything and nothing were run', () => {
		expect(ablationSection(made(store))).not.toContain('**gpqa');
		const ablation = filledStore([
			['adaptive', 'majority', 100],
			['adaptive:all-early', 'majority', 110],
			['adaptive:none', 'majority', 200],
		]);
		const text = ablationSection(made(ablation));
		expect(text).toContain('**gpqa, gate majority**\n\n| variant | makespan s |');
		expect(text).toMatch(/^\| `adaptive:all-early` \| .* \| \+10\.0 .*\| slower \|$/m);
		expect(text.match(/^\| `/gm)).toHaveLength(3);
	});

	it('take their place between two marks and leave the rest alone', () => {
		const document = 'a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n';
		const once = between(document, 'x', 'new\n| $& |');
		expect(once).toBe('a\n<!-- x:begin -->\nnew\n| $& |\n<!-- x:end -->\nb\n');
		expect(between(once, 'x', 'old')).toBe(document);
		expect(() => between('a', 'x', 'new')).toThrow(/lost its marks: expected <!-- x:begin -->/);
	});
});

describe('the store of runs', () => {
	const cell: Cell = { workload: 'gpqa', policy: 'adaptive:all-cuts', gate: 'never' };
	const run = summary('adaptive:all-cuts', 'never', 3, 10);

	it('keeps a run for the sources that made it, in folders that every file system takes', () => {
		const folder = temporaryFolder();
		openRunStore(folder, 'new', false).put(cell, 3, run);
		expect(readdirSync(path.join(folder, 'gpqa'))).toEqual(['adaptive_all-cuts--never']);
		const again = openRunStore(folder, 'new', false);
		expect(again.get(cell, 3)).toEqual(run);
		expect(again.get(cell, 4)).toBeNull();
		expect(again.hasOld).toBe(false);
		expect(openRunStore(folder, 'newer', false).get(cell, 3)).toBeNull();
	});

	it('takes runs of other sources only when told to, and says so', () => {
		const folder = temporaryFolder();
		openRunStore(folder, 'old', false).put(cell, 3, run);
		const store = openRunStore(folder, 'new', true);
		expect(store.get(cell, 3)).toEqual(run);
		expect(store.hasOld).toBe(true);
		for (const seed of [0, 1])
			openRunStore(folder, 'old', false).put(
				{ workload: 'gpqa', policy: 'round-robin', gate: 'never' },
				seed,
				summary('round-robin', 'never', seed, 5),
			);
		expect(resultsDocument(made(store))).toContain('sources abc, some runs by earlier sources, 2026');
	});
});

it('the digest of sources changes with what a run follows from', () => {
	const digest = sourcesDigest(repoRoot);
	expect(digest).toMatch(/^[0-9a-f]{12}$/);
	const copy = temporaryFolder();
	const folders = ['sim/domain', 'sim/core', 'sim/engine', 'sim/aggregate', 'sim/run', 'solver', 'traces'];
	for (const folder of [...folders, 'sim/report', 'sim/cli'])
		mkdirSync(path.join(copy, folder), { recursive: true });
	for (const name of ['summary', 'gpu-time', 'run-state'])
		writeFileSync(path.join(copy, `sim/report/${name}.ts`), '');
	for (const name of ['execute-run', 'run-bound', 'load-setup'])
		writeFileSync(path.join(copy, `sim/cli/${name}.ts`), '');
	const empty = sourcesDigest(copy);
	writeFileSync(path.join(copy, 'sim/report/tables.ts'), 'text');
	expect(sourcesDigest(copy)).toBe(empty);
	writeFileSync(path.join(copy, 'solver/new.ts'), 'policy');
	const more = sourcesDigest(copy);
	expect(more).not.toBe(empty);
	rmSync(path.join(copy, 'solver/new.ts'));
	writeFileSync(path.join(copy, 'solver/other.ts'), 'policy');
	expect(sourcesDigest(copy)).not.toBe(more);
});

it('the grid names what exists: bundled workloads, policies with keys of their own', () => {
	for (const { name } of WORKLOADS) expect(experimentNames()).toContain(name);
	const keys = [...POLICIES, ...ABLATION_POLICIES].map(({ key }) => key);
	expect(new Set(POLICIES.map(({ label }) => label)).size).toBe(POLICIES.length);
	expect(keys).toEqual(expect.arrayContaining(['round-robin', 'ilp', 'adaptive', 'adaptive:none']));
	expect(GATES).toEqual(['never', 'unanimous', 'majority', 'calibrated']);
});
