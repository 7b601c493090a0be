import { describe, expect, it } from 'vitest';
import type { PromptSegment } from '../../sim/domain/engine.ts';
import { outputStream } from '../../sim/engine/index.ts';
import { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import { CONFIG, request, scheduleStep, step } from './drive.ts';

const CACHING = { ...CONFIG, prefixCaching: true, maxNumBatchedTokens: 64 };

const prompted = (id: string, segments: readonly PromptSegment[], outputTokens = 1) =>
	request(
		id,
		segments.reduce((sum, [, , length]) => sum + length, 0),
		outputTokens,
		{ promptSegments: segments },
	);

/** Submits it alone, runs it to its end, and says what was found of it. */
function cachedTokens(core: SchedulerCore, id: string, segments: readonly PromptSegment[]): number {
	core.submit(prompted(id, segments), 0);
	const { batch } = scheduleStep(core);
	core.processOutput(batch);
	return batch.admitted[0]?.cachedPromptTokens ?? -1;
}

describe('hits', () => {
	it('finds full blocks of the common beginning only, and leaves one token to compute', () => {
		const core = new SchedulerCore(CACHING);
		expect(cachedTokens(core, 'a', [['p', 0, 12]])).toBe(0);
		expect(cachedTokens(core, 'b', [['p', 0, 12]])).toBe(8);
		expect(cachedTokens(core, 'c', [['p', 0, 13]])).toBe(12);
		expect(
			cachedTokens(core, 'd', [
				['p', 0, 11],
				['q', 0, 9],
			]),
		).toBe(8);
		expect(
			cachedTokens(core, 'e', [
				['q', 0, 1],
				['p', 0, 12],
			]),
		).toBe(0);
		expect(cachedTokens(core, 'f', [['p', 4, 12]])).toBe(0);
	});

	it('sees tokens, not how a prompt is cut into segments', () => {
		const core = new SchedulerCore(CACHING);
		cachedTokens(core, 'a', [['p', 0, 12]]);
		expect(
			cachedTokens(core, 'b', [
				['p', 0, 5],
				['x', 0, 0],
				['p', 5, 8],
			]),
		).toBe(12);
	});

	it('needs the same blocks before it, not the same block', () => {
		const core = new SchedulerCore(CACHING);
		cachedTokens(core, 'a', [
			['x', 0, 4],
			['p', 0, 8],
		]);
		expect(
			cachedTokens(core, 'b', [
				['y', 0, 4],
				['p', 0, 8],
			]),
		).toBe(0);
	});

	it('lets an equal prompt of the same step hit already', () => {
		const core = new SchedulerCore(CACHING);
		core.submit(prompted('a', [['p', 0, 10]]), 0);
		core.submit(prompted('b', [['p', 0, 10]]), 0);
		const { text } = scheduleStep(core);
		expect(text).toBe('a:10 b:2');
		expect(core.usedBlocks).toBe(4);
	});

	it.each([false, true])(
		'caches answers for prompts that quote them (asynchronous: %s)',
		(asyncScheduling) => {
			const core = new SchedulerCore({ ...CACHING, asyncScheduling });
			core.submit(prompted('a', [['p', 0, 6]], 7), 0);
			while (core.openCount > 0) step(core);
			// 12 of its 13 tokens were computed.
			expect(
				cachedTokens(core, 'b', [
					['p', 0, 6],
					[outputStream('a'), 0, 7],
					['u', 0, 5],
				]),
			).toBe(12);
		},
	);

	it('shares nothing with a prompt of unknown tokens, except with itself after a preemption', () => {
		const core = new SchedulerCore({ ...CACHING, numGpuBlocks: 1 + 5, maxModelLen: 20 });
		core.submit(request('a', 8, 5), 0);
		core.submit(request('b', 8, 5), 0);
		expect(step(core)).toBe('a:8 b:8');
		expect(step(core)).toBe('a:1');
		const batches = [];
		while (core.openCount > 0) {
			const { batch } = scheduleStep(core);
			batches.push(batch.resumed.map(({ id, hitTokens }) => `${id} ${hitTokens}`));
			core.processOutput(batch);
		}
		expect(batches.flat()).toEqual(['b 8']);
	});
});

describe('eviction', () => {
	it('forgets the least recently used first, the tail of a sequence before its head', () => {
		const core = new SchedulerCore({ ...CACHING, numGpuBlocks: 1 + 8, maxModelLen: 33 });
		cachedTokens(core, 'a', [['p', 0, 12]]);
		cachedTokens(core, 'b', [['q', 0, 12]]);
		// 2 blocks were never used; the third comes from the oldest, whose last block goes first.
		cachedTokens(core, 'c', [['r', 0, 12]]);
		expect(cachedTokens(core, 'd', [['p', 0, 13]])).toBe(8);
		// d used p's beginning again, so the two blocks it needed besides came from the end of q.
		expect(cachedTokens(core, 'e', [['q', 0, 13]])).toBe(4);
	});

	it('takes blocks without a hash before cached ones', () => {
		const core = new SchedulerCore({ ...CACHING, numGpuBlocks: 1 + 4, maxModelLen: 16 });
		cachedTokens(core, 'a', [['p', 0, 8]]);
		// One full and one partly filled block: the second is free without a hash afterwards.
		cachedTokens(core, 'b', [['q', 0, 6]]);
		cachedTokens(core, 'c', [['r', 0, 3]]);
		expect(cachedTokens(core, 'd', [['p', 0, 9]])).toBe(8);
	});

	it('keeps copies of equal blocks apart: losing one leaves the other', () => {
		const core = new SchedulerCore({ ...CACHING, numGpuBlocks: 1 + 4, maxModelLen: 16 });
		// The last block of a full hit is computed again: two copies of [p 0..4).
		cachedTokens(core, 'a', [['p', 0, 4]]);
		cachedTokens(core, 'b', [['p', 0, 4]]);
		cachedTokens(core, 'c', [['q', 0, 12]]);
		expect(cachedTokens(core, 'd', [['p', 0, 5]])).toBe(4);
	});

	it('counts hits that lie in the free list as blocks needed', () => {
		const core = new SchedulerCore({ ...CACHING, numGpuBlocks: 1 + 5, maxModelLen: 20 });
		cachedTokens(core, 'a', [['p', 0, 16]]);
		core.submit(prompted('b', [['q', 0, 7]], 2), 1);
		core.submit(prompted('c', [['p', 0, 16]]), 1);
		// b holds 2 of 5. c finds 3 of its 4 blocks, all of them free, which leaves none for the fourth.
		expect(scheduleStep(core).text).toBe('b:7');
	});
});
