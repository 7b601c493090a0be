import { describe, expect, it } from 'vitest';
import { DriftWatch } from '../../sim/aggregate/audit.ts';
import { createGate } from '../../sim/aggregate/gates.ts';
import { hashShare } from '../../sim/aggregate/hash-share.ts';
import { randomStream } from '../../sim/core/random.ts';
import { queryId } from '../../sim/domain/ids.ts';
import type { Query } from '../../sim/domain/work.ts';
import { sumPast } from '../support/past-run.ts';
import { AGGREGATOR, contextOn, drawPast, experts } from '../support/past-world.ts';

const slots = experts.map(({ id }) => id);
const query = (id: string): Query => ({
	id: queryId(id),
	task: 't',
	arrivalUs: 0,
	slots,
	slotPromptTokens: [1, 1, 1],
});

describe('hashShare', () => {
	it('spreads evenly, and always says the same', () => {
		const tenths = Array<number>(10).fill(0);
		for (let i = 0; i < 20_000; i++) {
			const tenth = Math.floor(10 * hashShare(`7/audit/q${i}`));
			tenths[tenth] = (tenths[tenth] ?? 0) + 1;
		}
		for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(5 * Math.sqrt(1800));
		expect(hashShare('a')).toBe(hashShare('a'));
	});
});

describe('the watch for drift', () => {
	const share = (chance: number, runs: number, audits: number): number => {
		let drifted = 0;
		for (let run = 0; run < runs; run++) {
			const random = randomStream(run, 'audits');
			const watch = new DriftWatch(0.05, 0.1);
			for (let i = 0; i < audits && !watch.hasDrifted; i++) watch.observe(random() < chance);
			if (watch.hasDrifted) drifted++;
		}
		return drifted / runs;
	};

	it('cries wolf in no more than a tenth of 400 runs, however long one watches', () => {
		// A chance of 0.1 each comes to more than 0.135 once in 50 times.
		expect(share(0.05, 400, 2000)).toBeLessThanOrEqual(0.135);
	});

	it('finds three times as many disagreements in 200 audits', () => {
		expect(share(0.15, 100, 200)).toBeGreaterThan(0.9);
	});
});

describe('audits of a gate', () => {
	const past = drawPast(
		{ unanimous: { better: 0.01, worse: 0.012 }, split: { better: 0.1, worse: 0.05 }, longRight: 0.02 },
		12_000,
		1,
	);
	const all = ['A', 'A', 'A'];

	it.each(['calibrated', 'unanimous'])(
		'%s: a share of what would skip goes to the aggregator, never before its last answer',
		(name) => {
			const gate = createGate(name, contextOn(past, { auditShare: 0.05 }));
			let audited = 0;
			for (let i = 0; i < 4000; i++) {
				const each = query(`q${i}`);
				const decision = gate.decide(all, each);
				expect(gate.decide(all, each)).toEqual(decision);
				// Whether others are audited is not said of votes that would not stand.
				expect(gate.decide(['A', 'B', 'C'], each)).toEqual({ verdict: 'aggregate', answer: null });
				if (decision.audit !== true) {
					expect(decision.verdict).toBe('accept');
					continue;
				}
				audited++;
				expect(decision).toEqual({ verdict: 'aggregate', answer: 'A', audit: true });
				expect(gate.foresee(['A', 'A', undefined], each)).toBeUndefined();
				expect(gate.decide(['A', 'A', undefined], each).verdict).toBe('open');
			}
			expect(Math.abs(audited - 200)).toBeLessThan(60);
		},
	);

	it('pair waits for all three of an audited query', () => {
		const gate = createGate('pair', contextOn(past, { auditShare: 1 }));
		expect(gate.decide(['A', 'A', undefined], query('q0')).verdict).toBe('open');
		expect(gate.decide(all, query('q0'))).toMatchObject({ verdict: 'aggregate', audit: true });
	});

	it('goes on while the aggregator agrees as often as it did, and stops skipping and cutting when it does not', () => {
		const gate = createGate('unanimous', contextOn(past, { auditShare: 0.05 }, true));
		const free = query(
			Array.from({ length: 100 }, (_, i) => `q${i}`).find(
				(id) => gate.decide(all, query(id)).verdict === 'accept',
			) ?? '',
		);
		const isCut = (): boolean =>
			[
				...slots.map((model) => ({ model, role: 'expert' as const })),
				{ model: AGGREGATOR, role: 'aggregator' as const },
			].some((call) => Number.isFinite(gate.cutTokens({ ...call, task: 't' })));
		expect(isCut()).toBe(true);
		for (let i = 0; i < 300; i++) gate.observe(all, query(`a${i}`), i % 60 === 0 ? 'Z' : 'A');
		expect(gate.evidence?.().audit).toMatchObject({ audited: 300, disagreed: 5, drifted: false });
		expect(gate.hasDrifted).toBe(false);
		expect(gate.decide(all, free).verdict).toBe('accept');
		expect(isCut()).toBe(true);
		for (let i = 0; i < 60; i++) gate.observe(all, query(`b${i}`), i % 2 === 0 ? 'Z' : 'A');
		expect(gate.evidence?.().audit).toMatchObject({ audited: 360, disagreed: 35, drifted: true });
		expect(gate.hasDrifted).toBe(true);
		expect(gate.decide(all, free)).toEqual({ verdict: 'aggregate', answer: 'A' });
		expect(gate.foresee(['A', 'A', undefined], free)).toBeUndefined();
		expect(isCut()).toBe(false);
	});

	it.each([0, 0.05, 0.2, 0.5, 1])(
		'a share of %s leaves cuts no more than what the votes that stand pay for',
		(auditShare) => {
			const world = {
				unanimous: { better: 0.002, worse: 0.04 },
				split: { better: 0.25, worse: 0 },
				longRight: 0.15,
			};
			const options = { budgetPoints: 0.5, auditShare };
			const gate = createGate('calibrated', contextOn(drawPast(world, 12_000, 1), options, true));
			const { lossPoints, votedShare } = sumPast(gate, drawPast(world, 60_000, 2));
			expect(lossPoints).toBeLessThan(0.5);
			expect(Math.abs(votedShare - (gate.evidence?.().skippedShare ?? 0))).toBeLessThan(0.03);
		},
	);

	it('says nothing of audits where there are none', () => {
		expect(createGate('calibrated', contextOn(past)).evidence?.().audit).toBeNull();
	});
});
