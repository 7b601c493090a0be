import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PendingCalls } from '../../sim/core/pending-calls.ts';
import type { Call } from '../../sim/domain/work.ts';
import { expertCall, MODEL } from '../support/expert-call.ts';

const SLOTS = 3;

describe('pending calls', () => {
	it('are listed in workload order, whatever comes and goes, by the answers of their query too', () => {
		const step = fc.record({
			what: fc.constantFrom('add', 'remove', 'answered'),
			query: fc.nat(11),
			slot: fc.nat(SLOTS - 1),
		});
		fc.assert(
			fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
				const pending = new PendingCalls();
				const calls = Array.from({ length: 12 }, (_, query) =>
					Array.from({ length: SLOTS }, (__, slot) => expertCall(query, slot)),
				);
				const answers = calls.map(() => 0);
				// All have come once, so that their order is that of their queries.
				for (const call of calls.flat()) pending.add(call, 0);
				const present = new Set(calls.flat());
				for (const { what, query, slot } of steps) {
					const call = calls[query]?.[slot] as Call;
					if (what === 'answered') {
						pending.answered(calls[query]?.map(({ id }) => id) ?? []);
						answers[query] = (answers[query] ?? 0) + 1;
					} else if (what === 'remove') {
						pending.remove(call);
						present.delete(call);
					} else if (!present.has(call)) {
						pending.add(call, answers[query] ?? 0);
						present.add(call);
					}
					const expected = calls.flat().filter((one) => present.has(one));
					expect(pending.list(MODEL, 'expert')).toEqual(expected);
					const byAnswers = calls.map((__, ended) =>
						calls.flatMap((own, at) => (answers[at] === ended ? own.filter((one) => present.has(one)) : [])),
					);
					const listed = pending.listByAnswers(MODEL, 'expert');
					byAnswers.forEach((own, ended) => {
						expect(listed[ended] ?? []).toEqual(own);
					});
				}
			}),
			{ seed: 7, numRuns: 60 },
		);
	});

	it('are the same list until something changes, and a new one then', () => {
		const pending = new PendingCalls();
		const [first, second] = [expertCall(0, 0), expertCall(0, 1)];
		pending.add(first, 0);
		const one = pending.list(MODEL, 'expert');
		expect(pending.list(MODEL, 'expert')).toBe(one);
		pending.add(second, 0);
		expect(one).toEqual([first]);
		expect(pending.list(MODEL, 'expert')).toEqual([first, second]);
	});
});
