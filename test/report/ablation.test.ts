import { describe, expect, it } from 'vitest';
import { type AblationVariant, ablate } from '../../sim/report/ablation.ts';
import { ablationMarkdown, ablationTable } from '../../sim/report/ablation-table.ts';
import { type Summary, summarize } from '../../sim/report/summary.ts';
import { HAND_RUN } from './hand-run.ts';

const TEMPLATE = summarize(HAND_RUN);
const VARIANTS: readonly AblationVariant[] = [
	{ scheduler: 'p', kind: 'all', idea: null },
	{ scheduler: 'p:all-x', kind: 'off', idea: 'x' },
	{ scheduler: 'p:all-y', kind: 'off', idea: 'y' },
	{ scheduler: 'p:none+x', kind: 'alone', idea: 'x' },
	{ scheduler: 'p:none', kind: 'none', idea: null },
];

function runs(scheduler: string, makespans: readonly number[], deltaPoints: readonly (number | null)[] = []) {
	return makespans.map((makespanSeconds, seed): Summary => {
		const accuracy = { ...TEMPLATE.accuracy, deltaPoints: deltaPoints[seed] ?? null };
		return { ...TEMPLATE, scheduler, gate: 'majority', seed, makespanSeconds, accuracy };
	});
}

const SUMMARIES = [
	...runs('p:none', [200, 100], [0, 0]),
	...runs('p', [100, 50], [0.5, 0.1]),
	...runs('p:all-x', [110, 55], [0.75, 0.35]),
	...runs('p:all-y', [100, 50], [0.5, 0.1]),
	...runs('p:none+x', [180, 90]),
];

describe('ablate', () => {
	const { rows, baseline, gate, seeds } = ablate(SUMMARIES, VARIANTS);
	const row = (scheduler: string) => {
		const found = rows.find((each) => each.scheduler === scheduler);
		if (found === undefined) throw new Error(`no row of ${scheduler}`);
		return found;
	};

	it('lists the variants in their order, measured against everything on', () => {
		expect(rows.map(({ scheduler, kind, idea }) => ({ scheduler, kind, idea }))).toEqual(VARIANTS);
		expect({ baseline, gate, seeds }).toEqual({ baseline: 'p/majority', gate: 'majority', seeds: [0, 1] });
	});

	it('says what an idea costs when it is off, and what it saves alone, seed by seed', () => {
		// The seeds differ by a factor of two; paired, the change is the same in both.
		expect(row('p:all-x').changePercent?.mean).toBeCloseTo(10, 9);
		expect(row('p:all-x').changePercent?.low).toBeCloseTo(10, 9);
		expect(row('p:none').changePercent?.mean).toBeCloseTo(100, 9);
		expect(row('p:none+x').changeFromNonePercent?.mean).toBeCloseTo(-10, 9);
		expect(row('p').changeFromNonePercent?.mean).toBeCloseTo(-50, 9);
	});

	it('keeps the interval the right way round', () => {
		const uneven = ablate([...runs('p', [100, 100, 100]), ...runs('p:all-x', [110, 130, 120])], VARIANTS);
		const change = uneven.rows[1]?.changePercent;
		expect(change?.low).toBeLessThan(change?.mean ?? 0);
		expect(change?.high).toBeGreaterThan(change?.mean ?? 0);
		const logs = [1.1, 1.3, 1.2].map(Math.log);
		const mean = (logs.reduce((sum, log) => sum + log, 0) / 3) as number;
		expect(change?.mean).toBeCloseTo(100 * (Math.exp(mean) - 1), 9);
		expect(uneven.rows[1]?.changeFromNonePercent).toBeNull();
	});

	it('takes the difference of accuracy on the same draws, where it is known', () => {
		expect(row('p:all-x').accuracyChangePoints?.mean).toBeCloseTo(0.25, 9);
		expect(row('p:all-x').accuracyChangePoints?.high).toBeCloseTo(0.25, 9);
		expect(row('p:none+x').accuracyChangePoints).toBeNull();
	});

	it('is a table in which what changes nothing is told from what has no clear effect', () => {
		const lines = ablationTable(rows).split('\n');
		expect(lines).toHaveLength(6);
		expect(lines[0]).toMatch(/^variant +makespan s +against all on % +against none % +accuracy points/);
		expect(lines[1]).toMatch(/^p .* - +-50\.0 +- .*= all on$/);
		expect(lines[2]).toMatch(/^p:all-x .* \+10\.0 .* slower$/);
		expect(lines[3]).toMatch(/^p:all-y .* 0\.0 .* the very same$/);
		const markdown = ablationMarkdown(rows);
		expect(markdown[1]).toBe('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |');
		expect(markdown[3]).toMatch(/^\| `p:all-x` \| .* \| slower \|$/);
		expect(new Set(markdown.map((line) => line.split('|').length)).size).toBe(1);
	});
});
