import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT_RANK, EventQueue, type EventRank } from '../../sim/run/event-queue.ts';

const ranks = Object.values(EVENT_RANK);

describe('EventQueue', () => {
	it('comes out in the order of (time, rank, insertion), as a stable sort would have it', () => {
		const entry = fc.record({ timeUs: fc.integer({ min: 0, max: 5 }), rank: fc.constantFrom(...ranks) });
		fc.assert(
			fc.property(fc.array(entry, { maxLength: 60 }), (entries) => {
				const queue = new EventQueue<number>();
				entries.forEach(({ timeUs, rank }, i) => {
					queue.push(timeUs, rank as EventRank, i);
				});
				const expected = entries
					.map(({ timeUs, rank }, i) => ({ timeUs, rank, i }))
					.sort((a, b) => a.timeUs - b.timeUs || a.rank - b.rank);
				for (const { timeUs, i } of expected) expect(queue.pop()).toMatchObject({ timeUs, value: i });
				expect(queue.pop()).toBeUndefined();
				expect(queue.nextUs()).toBe(Number.POSITIVE_INFINITY);
			}),
			{ seed: 2, numRuns: 200 },
		);
	});

	it('ranks of one instant: failure, plan, arrival, replica, engine, step, sample', () => {
		const queue = new EventQueue<string>();
		for (const name of ['sample', 'step', 'engine', 'replica', 'arrival', 'plan', 'failure'] as const)
			queue.push(7, EVENT_RANK[name], name);
		const names = Array.from({ length: 7 }, () => queue.pop()?.value);
		expect(names).toEqual(['failure', 'plan', 'arrival', 'replica', 'engine', 'step', 'sample']);
	});

	it('takes equals of one instant in a given order, whoever came first', () => {
		const queue = new EventQueue<string>();
		queue.push(7, EVENT_RANK.engine, 'second', 2);
		queue.push(7, EVENT_RANK.engine, 'first', 1);
		expect([queue.pop()?.value, queue.pop()?.value]).toEqual(['first', 'second']);
	});

	it('says whether more of one kind comes at this moment', () => {
		const queue = new EventQueue<string>();
		queue.push(7, EVENT_RANK.failure, 'one');
		queue.push(7, EVENT_RANK.failure, 'two');
		queue.push(8, EVENT_RANK.failure, 'later');
		for (const more of [true, false, false]) {
			queue.pop();
			expect(queue.continuesWith(EVENT_RANK.failure)).toBe(more);
		}
	});

	it('never goes back in time and keeps whole microseconds', () => {
		const queue = new EventQueue<string>();
		queue.push(10, EVENT_RANK.engine, 'a');
		queue.pop();
		expect(() => queue.push(9, EVENT_RANK.engine, 'b')).toThrow(/before the clock/);
		expect(() => queue.push(10.5, EVENT_RANK.engine, 'b')).toThrow(/whole number/);
		expect(() => queue.push(Number.NaN, EVENT_RANK.engine, 'b')).toThrow(/whole number/);
	});
});
