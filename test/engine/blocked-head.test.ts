/**
 * When can a head of the queue that does not fit come to fit although nobody ends? The leaping engine stands on the answer: only
 * when blocks become findable, never because free blocks are taken.
 */
import { expect, it } from 'vitest';
import { randomStream } from '../../sim/core/random.ts';
import type { EngineRequest, PromptSegment } from '../../sim/domain/engine.ts';
import { CachingBlockPool } from '../../sim/engine/caching-block-pool.ts';
import { createLeapingEngine, createStepwiseEngine, outputStream } from '../../sim/engine/index.ts';
import { Sequence } from '../../sim/engine/sequence.ts';
import { TokenChains } from '../../sim/engine/token-chains.ts';
import { CONFIG, drive, request } from './drive.ts';

const FLAT = {
	hostUs: 0,
	hostPerSequenceUs: 0,
	baseUs: 1000,
	perTokenOverKneeUs: 0,
	kneeTokens: 0,
	perDecodeSequenceUs: 0,
	perContextTokenUs: 0,
	perPrefillTokenSquaredUs: 0,
	allReduceUs: 0,
};

const prompted = (
	id: string,
	outputTokens: number,
	promptSegments: readonly PromptSegment[],
): EngineRequest =>
	request(
		id,
		promptSegments.reduce((sum, [, , length]) => sum + length, 0),
		outputTokens,
		{ promptSegments },
	);

it.each([
	['stepwise', createStepwiseEngine],
	['leaping', createLeapingEngine],
] as const)(
	'%s: admits a head when a running request fills the block that it asks for',
	(_, createEngine) => {
		// 8 usable blocks. `a` holds 2, so that of the 8 blocks of `b` 2 must be found: the second is full with the call that computes
		// position 8 of `a`, the fifth, and with the next `a` takes a third.
		const config = { ...CONFIG, numGpuBlocks: 9, maxModelLen: 33, prefixCaching: true };
		const { events } = drive(createEngine(config, FLAT), [
			{ atUs: 0, submit: prompted('a', 20, [['p', 0, 4]]) },
			{
				atUs: 1500,
				submit: prompted('b', 1, [
					['p', 0, 4],
					[outputStream('a'), 0, 8],
					['q', 0, 20],
				]),
			},
		]);
		const second = events.find(({ id }) => id === 'b');
		expect(second).toMatchObject({ kind: 'finished', startedUs: 4000, cachedPromptTokens: 8 });
	},
);

it('taking free blocks lets no head in: it finds no more than before, and the room beside what it finds does not grow', () => {
	let lost = 0;
	for (let seed = 0; seed < 300; seed++) {
		const random = randomStream(seed, 'blocked-head');
		const whole = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
		const blockSize = whole(1, 4);
		const usable = whole(10, 60);
		const pool = new CachingBlockPool(usable, blockSize);
		const chains = new TokenChains(blockSize);
		let count = 0;
		const newcomer = (): Sequence => {
			const streams = ['p', 'q', 'r'].slice(0, whole(1, 3));
			const segments = streams.map((stream): PromptSegment => [stream, 0, whole(1, 5 * blockSize)]);
			const asked = prompted(String(count++), 5, segments);
			return new Sequence(asked, count, 0, 1000, chains.chain(asked));
		};
		let running: Sequence[] = [];
		for (let moves = whole(5, 60); moves > 0; moves--) {
			const sequence = newcomer();
			const hits = pool.match(sequence);
			const missing = Math.ceil(sequence.tokens / blockSize) - hits;
			if (missing <= pool.free - pool.freeMatches) {
				pool.claimMatches(sequence, hits);
				pool.take(sequence, missing);
				// Some are cut off before their prompt is computed.
				pool.cache(sequence, whole(0, sequence.tokens));
				running.push(sequence);
			}
			const leaving = running.filter(() => random() < 0.4);
			for (const each of leaving) pool.release(each);
			running = running.filter((each) => !leaving.includes(each));
		}
		const heads = Array.from({ length: 5 }, newcomer);
		const taker = newcomer();
		const look = () =>
			heads.map((head) => {
				const hits = pool.match(head);
				return { hits, room: pool.free - pool.freeMatches };
			});
		for (let before = look(); pool.free > 0; ) {
			pool.take(taker, 1);
			const after = look();
			for (const [index, { hits, room }] of after.entries()) {
				const was = before[index] as (typeof after)[number];
				if (hits < was.hits) lost++;
				expect(hits).toBeLessThanOrEqual(was.hits);
				expect(room).toBeLessThanOrEqual(was.room);
			}
			before = after;
		}
	}
	expect(lost).toBeGreaterThan(300);
});
