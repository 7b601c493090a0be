import { describe, expect, it } from 'vitest';
import { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import { CONFIG, request, scheduleStep, step } from './drive.ts';

describe('token budget', () => {
	it('serves running sequences first, cuts the last admitted prompt, and never starves decodes', () => {
		const core = new SchedulerCore(CONFIG);
		for (const id of ['a', 'b', 'c']) core.submit(request(id, 10, 3), 0);
		expect(step(core)).toBe('a:10 b:6');
		expect(step(core)).toBe('a:1 b:4 c:10');
		expect(step(core)).toBe('a:1 b:1 c:1');
		expect(step(core)).toBe('b:1 c:1');
		expect(step(core)).toBe('');
		expect(core.openCount).toBe(0);
	});

	it('caps long prefills by the threshold only while somebody else is there', () => {
		const core = new SchedulerCore({ ...CONFIG, longPrefillTokenThreshold: 3 });
		core.submit(request('a', 20, 2), 0);
		expect(step(core)).toBe('a:16');
		core.submit(request('b', 7, 1), 1);
		expect(step(core)).toBe('a:3 b:3');
		expect(step(core)).toBe('a:1 b:3');
		expect(step(core)).toBe('a:1 b:1');
	});

	it('admits up to max_num_seqs, in order of arrival', () => {
		const core = new SchedulerCore({ ...CONFIG, maxNumSeqs: 2 });
		for (const id of ['a', 'b', 'c']) core.submit(request(id, 2, 2), 0);
		expect(step(core)).toBe('a:2 b:2');
		expect([core.runningCount, core.waitingCount]).toEqual([2, 1]);
		expect(step(core)).toBe('a:1 b:1');
		expect(step(core)).toBe('c:2');
	});
});

describe('blocks', () => {
	it('takes whole blocks, P + O - 1 positions in the end', () => {
		const core = new SchedulerCore(CONFIG);
		core.submit(request('a', 7, 3), 0);
		const used = [];
		for (let i = 0; i < 3; i++) {
			const { batch } = scheduleStep(core);
			used.push(core.usedBlocks);
			core.processOutput(batch);
		}
		expect(used).toEqual([2, 2, 3]);
		expect(core.usedBlocks).toBe(0);
	});

	it('stops at a head of the queue that has no room, without letting others pass', () => {
		const core = new SchedulerCore({ ...CONFIG, numGpuBlocks: 1 + 5, maxModelLen: 20 });
		core.submit(request('a', 8, 9), 0);
		core.submit(request('b', 16, 1), 0);
		core.submit(request('c', 1, 1), 0);
		expect(step(core)).toBe('a:8');
		expect(step(core)).toBe('a:1');
	});

	it('asks for room for the whole prompt only with reserveFullIsl', () => {
		const config = { ...CONFIG, maxNumBatchedTokens: 10, numGpuBlocks: 1 + 5, maxModelLen: 20 };
		const reserving = new SchedulerCore(config);
		const lenient = new SchedulerCore({ ...config, reserveFullIsl: false });
		for (const core of [reserving, lenient]) {
			core.submit(request('a', 7, 2), 0);
			core.submit(request('b', 16, 1), 0);
		}
		expect(step(reserving)).toBe('a:7');
		expect(step(lenient)).toBe('a:7 b:3');
	});

	it('keeps the watermark free at admission, but not when nothing runs', () => {
		// floor(0.5 * 11) = 5 of 10 usable blocks are kept free.
		const core = new SchedulerCore({ ...CONFIG, numGpuBlocks: 11, maxModelLen: 40, watermark: 0.5 });
		core.submit(request('a', 14, 2), 0);
		core.submit(request('b', 2, 1), 0);
		core.submit(request('c', 1, 1), 0);
		expect(step(core)).toBe('a:14 b:2');
		// 10 - 4 blocks are free now that b has ended: room for one more above the watermark.
		expect(step(core)).toBe('a:1 c:1');
		core.submit(request('d', 36, 1), 2);
		expect(step(core)).toBe('d:16');
	});
});

describe('preemption', () => {
	it('takes the last admitted, admits nobody in that step, and resumes it before anything newer', () => {
		const core = new SchedulerCore({ ...CONFIG, numGpuBlocks: 1 + 5, maxModelLen: 20 });
		core.submit(request('a', 8, 6), 0);
		core.submit(request('b', 8, 6), 0);
		expect(step(core)).toBe('a:8 b:8');
		core.submit(request('c', 1, 1), 1);
		// a takes the fifth block; b finds none and displaces itself.
		const { text, batch } = scheduleStep(core);
		expect(text).toBe('a:1');
		expect(batch.preempted.map(({ id }) => id)).toEqual(['b']);
		expect([core.runningCount, core.waitingCount, core.usedBlocks]).toEqual([1, 2, 3]);
		core.processOutput(batch);
		// b needs 3 blocks for prompt and output together, 2 are free; c has to wait behind it.
		for (let i = 0; i < 4; i++) expect(step(core)).toBe('a:1');
		expect(step(core)).toBe('b:9 c:1');
		expect(core.preemptions).toBe(1);
	});

	it('ends the phase when a sequence is its own victim, even with an empty step', () => {
		const core = new SchedulerCore({ ...CONFIG, asyncScheduling: true, numGpuBlocks: 1 + 2, maxModelLen: 8 });
		core.submit(request('a', 4, 2), 0);
		core.submit(request('b', 4, 3), 0);
		const first = scheduleStep(core);
		expect(first.text).toBe('a:4 b:4');
		const second = scheduleStep(core);
		// a displaced b.
		expect(second.text).toBe('a:1');
		// a's last token is on the way and b is not admitted beside it.
		core.processOutput(first.batch);
		expect(scheduleStep(core).text).toBe('');
		core.processOutput(second.batch);
		expect(scheduleStep(core).text).toBe('b:5');
	});

	it('counts a token that was on its way when its sequence was preempted (asynchronous)', () => {
		const core = new SchedulerCore({ ...CONFIG, asyncScheduling: true, numGpuBlocks: 1 + 2, maxModelLen: 8 });
		core.submit(request('a', 4, 4), 0);
		core.submit(request('b', 4, 1, { endsByStop: true, maxOutputTokens: 3 }), 0);
		const first = scheduleStep(core);
		const second = scheduleStep(core);
		expect(second.batch.preempted.map(({ id }) => id)).toEqual(['b']);
		core.processOutput(first.batch);
		// b's only token arrived: it ended while it waited.
		expect(first.batch.finished.map(({ id }) => id)).toEqual(['b']);
		expect([core.openCount, core.waitingCount]).toEqual([1, 0]);
	});

	it('priority: displaces the least urgent, which leaves the step and gives its tokens back', () => {
		const core = new SchedulerCore({
			...CONFIG,
			blockSize: 8,
			policy: 'priority',
			maxNumSeqs: 4,
			maxNumBatchedTokens: 4,
			reserveFullIsl: false,
			numGpuBlocks: 1 + 3,
		});
		core.submit(request('low', 1, 30, { priority: 9 }), 0);
		expect(step(core)).toBe('low:1');
		core.submit(request('urgent', 7, 9, { priority: 0 }), 1);
		core.submit(request('middle', 20, 1, { priority: 1 }), 1);
		expect(step(core)).toBe('low:1 urgent:3');
		expect(step(core)).toBe('low:1 urgent:3');
		expect(step(core)).toBe('low:1 urgent:1 middle:2');
		expect(step(core)).toBe('low:1 urgent:1 middle:2');
		const { text, batch } = scheduleStep(core);
		expect(text).toBe('urgent:1 middle:3');
		expect(batch.preempted.map(({ id }) => id)).toEqual(['low']);
		const { tokens, prefillChunkSquares, decodeSequences, decodeContextTokens } = batch;
		expect([tokens, prefillChunkSquares, decodeSequences, decodeContextTokens]).toEqual([4, 3 ** 2, 1, 9]);
	});
});

describe('priority queue', () => {
	it('orders by priority, then arrival, then submission', () => {
		const core = new SchedulerCore({ ...CONFIG, policy: 'priority', maxNumSeqs: 1 });
		core.submit(request('late', 1, 1, { priority: 1 }), 0);
		core.submit(request('early', 1, 1, { priority: 0 }), 5);
		core.submit(request('second', 1, 1, { priority: 0 }), 5);
		core.submit(request('first', 1, 1, { priority: -3 }), 9);
		expect([0, 1, 2, 3].map(() => step(core))).toEqual(['first:1', 'early:1', 'second:1', 'late:1']);
	});
});

describe('asynchronous scheduling', () => {
	const ends = { length: {}, stop: { endsByStop: true, maxOutputTokens: 9 } };

	it.each([
		['length', ['a:3', 'a:1', '']],
		['stop', ['a:3', 'a:1', 'a:1']],
	] as const)('foresees an end by %s as vLLM does', (end, steps) => {
		const core = new SchedulerCore({ ...CONFIG, asyncScheduling: true });
		core.submit(request('a', 3, 2, ends[end]), 0);
		const first = scheduleStep(core);
		const second = scheduleStep(core);
		core.processOutput(first.batch);
		const third = scheduleStep(core);
		expect([first.text, second.text, third.text]).toEqual(steps);
		core.processOutput(second.batch);
		expect(second.batch.finished.map(({ id }) => id)).toEqual(['a']);
		core.processOutput(third.batch);
		expect(third.batch.finished).toEqual([]);
		expect(core.usedBlocks).toBe(0);
	});

	it('foresees the end of the context too', () => {
		const core = new SchedulerCore({ ...CONFIG, asyncScheduling: true, maxModelLen: 5 });
		core.submit(request('a', 3, 50, { endsByStop: true }), 0);
		const first = scheduleStep(core);
		const second = scheduleStep(core);
		core.processOutput(first.batch);
		expect(scheduleStep(core).text).toBe('');
		core.processOutput(second.batch);
		expect(second.batch.finished.map(({ outputTokens }) => outputTokens)).toEqual([2]);
	});
});

describe('abort', () => {
	it.each([false, true])(
		'frees blocks at once and ignores what is on the way (asynchronous: %s)',
		(asyncScheduling) => {
			const core = new SchedulerCore({ ...CONFIG, asyncScheduling });
			core.submit(request('a', 5, 5), 0);
			core.submit(request('b', 5, 5), 0);
			step(core);
			const { batch } = scheduleStep(core);
			expect(core.abort('a')).toBe(1);
			expect([core.usedBlocks, core.runningCount]).toEqual([2, 1]);
			core.processOutput(batch);
			expect(core.abort('a')).toBeUndefined();
			expect(core.abort('never seen')).toBeUndefined();
			expect(core.abort('b')).toBe(2);
			expect([core.usedBlocks, core.openCount]).toEqual([0, 0]);
		},
	);

	it('takes a waiting request out of the queue', () => {
		const core = new SchedulerCore({ ...CONFIG, maxNumSeqs: 1 });
		for (const id of ['a', 'b', 'c']) core.submit(request(id, 1, 1), 0);
		expect(core.abort('b')).toBe(0);
		expect([step(core), step(core)]).toEqual(['a:1', 'c:1']);
	});
});
