import { describe, expect, it } from 'vitest';
import type { GateEvidence } from '../../sim/domain/calibration.ts';
import { escapeHtml, tableOf } from '../../sim/report/html/markup.ts';
import { reportHtml } from '../../sim/report/html.ts';
import type { RunData } from '../../sim/report/run-data.ts';
import { type Summary, summarize } from '../../sim/report/summary.ts';
import { syntheticRun } from '../support/synthetic-log.ts';

const dataOf = (scheduler: string, seed: number, layout: 'dealt' | 'spread'): RunData => ({
	label: `${scheduler} / majority`,
	scheduler,
	gate: 'majority',
	seed,
	records: syntheticRun({ scheduler, layout, seed, queryCount: 60 }),
});
const all = [1, 2, 3].flatMap((seed) => [
	dataOf('round-robin', seed, 'dealt'),
	dataOf('data-parallel', seed, 'spread'),
]);
const summaries = all.map(({ records }) => summarize(records));
const runs = all.slice(0, 2);
const html = reportHtml({ title: 'tiny <&> "test"', summaries, runs });

const EVIDENCE: GateEvidence = {
	source: '20000 simulated past queries',
	...{ learned: 5000, tested: 15_000, budgetPoints: 0.1, confidence: 0.9, skippedShare: 0.4857 },
	cutTokens: { reasoning: 9000, instruct: null, aggregator: null },
	...{ lossPoints: -0.2, lossBoundPoints: 0.1, note: null, queriesNeeded: null },
	audit: { audited: 40, disagreed: 3, expectedShare: 0.12, drifted: false },
};

function gatesOf(runsOfOneRow: readonly Summary[]): string {
	const page = reportHtml({ title: 'x', summaries: runsOfOneRow, runs: [] });
	return page.slice(page.indexOf('<h2>Gates</h2>'), page.indexOf('<h2>Charts</h2>'));
}

/** The page without what is inside script elements. */
const markup = html.replaceAll(/<script[^>]*>.*?<\/script>/gs, '');

describe('reportHtml', () => {
	it('fetches nothing: no address in markup or styles, and a policy that forbids it', () => {
		expect(markup).not.toMatch(/https?:|\/\/[a-z]|<link|<iframe|<img|@import|url\(|\ssrc=|\shref=/i);
		expect(html).not.toMatch(/<script[^>]+src/);
		expect(markup).toContain(
			`content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src`,
		);
		expect(html).not.toContain('sourceMappingURL');
	});

	it('has as many script ends as script starts, so nothing broke out', () => {
		expect(html.match(/<script/g)?.length).toBe(html.match(/<\/script>/g)?.length);
		expect(html.match(/<script/g)?.length).toBe(7 + 3 + 1);
		expect(html).not.toContain('<!--');
	});

	it('holds the libraries unharmed', () => {
		const scripts = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map((match) => match[1] as string);
		for (const script of scripts) expect(() => new Function(script)).not.toThrow();
		expect(scripts.map((script) => script.length > 50_000)).toEqual([true, true, true, false]);
	});

	it('has a spec with data for every chart that the page shows', () => {
		const shown = [...markup.matchAll(/data-chart="([^"]+)"/g)].map((match) => match[1] as string);
		expect(shown).toEqual(
			['makespan', 'stages', 'gantt', 'idle', 'batch', 'kv', 'latency-tail'].map((name) => `chart-${name}`),
		);
		for (const id of shown) {
			const [, json] = new RegExp(`id="${id}">(.*?)</script>`, 's').exec(html) as unknown as [string, string];
			expect(JSON.parse(json)).toMatchObject({
				data: { values: expect.arrayContaining([expect.anything()]) },
			});
		}
	});

	it('escapes what comes from outside, in markup and in data', () => {
		expect(markup).toContain('<h1>tiny &lt;&amp;&gt; &quot;test&quot;</h1>');
		const evil = '</script><script>alert(1)</script>';
		const hostile = { ...(runs[0] as RunData), label: evil };
		const page = reportHtml({ title: 'x', summaries, runs: [hostile] });
		expect(page).not.toContain('<script>alert');
		expect(page.match(/<script/g)?.length).toBe(page.match(/<\/script>/g)?.length);
	});

	it('states the result with its interval, and every row of the comparison', () => {
		expect(markup).toContain(
			'2 schedulers (round-robin, data-parallel); gate majority; 3 seeds (1, 2, 3); 60 queries',
		);
		expect(markup).toMatch(
			/class="finding">Nothing has a shorter mean makespan than the baseline round-robin/,
		);
		expect(markup).toMatch(/<td>data-parallel<\/td><td>majority<\/td>/);
		const reversed = reportHtml({ title: 'x', summaries, runs, baseline: 'data-parallel' });
		expect(reversed).toMatch(
			/round-robin \/ majority has the shortest mean makespan, [\d.]+ s, [\d.]+ times its lower bound: [\d.]+ \([\d.]+ to [\d.]+\) times as fast as the baseline data-parallel/,
		);
	});

	it('shows the change of accuracy with its interval, and what was promised', () => {
		const changed = [-0.5, 1.5].map((deltaPoints, seed): Summary => {
			const summary = summaries[0] as Summary;
			return { ...summary, seed, accuracy: { ...summary.accuracy, deltaPoints, lossBoundPoints: 0.1 } };
		});
		expect(reportHtml({ title: 'x', summaries: changed, runs: [] })).toContain(
			'>+0.50<small>-12.21 to +13.21</small><small>promised -0.10</small><',
		);
	});

	it('names no winner on one seed', () => {
		const one = reportHtml({ title: 'x', summaries: summaries.slice(0, 2), runs, baseline: 'data-parallel' });
		expect(one).toContain('no winner can be named: more seeds would be needed');
	});

	it('shows plans and idle time of the drawn runs', () => {
		expect(markup).toContain('<td>gpu0 + gpu1 + gpu2 + gpu3</td><td>aggregator-32b</td><td>aggregator</td>');
		expect(markup).toContain('as gated');
		const gpu = (summaries[0] as Summary).gpus[0];
		expect(markup).toContain(`<td class="number">${gpu?.busySeconds.toFixed(1)}</td>`);
	});

	it('warns of interrupted runs and of plans that a clock stopped', () => {
		expect(markup).not.toContain('class="warning"');
		const odd = summaries.map((summary, index) =>
			index === 0 ? { ...summary, status: 'interrupted' as const, reproducible: false } : summary,
		);
		const page = reportHtml({ title: 'x', summaries: odd, runs });
		expect(page).toContain(
			'Interrupted before the end, so the figures cover a part: round-robin/majority seed 1.',
		);
		expect(page).toContain('A time limit stopped the solver');
	});

	it('shows what the gate knew, spent and found, in the report of one run as in that of several seeds', () => {
		expect(markup).not.toContain('<h2>Gates</h2>');
		const [first, , second] = summaries as [Summary, Summary, Summary];
		const spent: Summary = { ...first, gateEvidence: EVIDENCE };
		const single = gatesOf([spent]);
		expect(single).toContain('<td>round-robin</td><td>majority</td><td class="number">48.6 %</td>');
		expect(single).toContain('reasoning at 9000 tokens');
		expect(single).toContain('yes: 0.1 points at 90 %');
		expect(single).toContain('3 of 40 disagree, at most 12 % expected: no alarm');
		expect(single).toContain('20000 simulated past queries: 5000 learned from, 15000 tested');
		expect(single).not.toContain('would do');
		const note = 'so few show <nothing>';
		const unspent: GateEvidence = {
			...EVIDENCE,
			...{ skippedShare: 0, note, queriesNeeded: 3070 },
			cutTokens: { reasoning: null, instruct: null, aggregator: null },
			audit: { audited: 10, disagreed: 8, expectedShare: 0.12, drifted: true },
		};
		const both = gatesOf([spent, { ...second, gateEvidence: unspent }]);
		expect(both).toContain('0 to 48.6 %');
		expect(both).toContain('reasoning at 9000 (in 1 of 2 runs) tokens');
		expect(both).toContain('no (in 1 of 2 runs): so few show &lt;nothing&gt;');
		expect(both).toMatch(/would do \(past queries\)<.*<td class="number">3070<\/td>/s);
		expect(both).toContain('11 of 50 disagree, at most 12 % expected: alarm in 1 of 2 runs');
		// One that takes no cuts has nothing to spend a budget on, and nothing to audit.
		expect(gatesOf([{ ...first, gate: 'never', gateEvidence: unspent }])).toBe('');
	});

	it('reports a single run without a comparison', () => {
		const page = reportHtml({ title: 'x', summaries: summaries.slice(0, 1), runs: runs.slice(0, 1) });
		expect(page).toMatch(
			/The makespan is [\d.]+ s, [\d.]+ times its lower bound; the GPUs did not compute in \d+ % of their time\./,
		);
	});
});

it('tables escape their cells and keep markup', () => {
	const { html: table } = tableOf(
		[{ head: '<a>' }, { head: 'n', number: true }],
		[['<b>', { html: '<i>1</i>' }]],
		0,
	);
	expect(table).toContain('<th scope="col">&lt;a&gt;</th><th scope="col" class="number">n</th>');
	expect(table).toContain('<tr class="marked"><td>&lt;b&gt;</td><td class="number"><i>1</i></td></tr>');
	expect(escapeHtml(`"&'`)).toBe(`&quot;&amp;'`);
});
