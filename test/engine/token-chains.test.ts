import { describe, expect, it } from 'vitest';
import type { EngineFactory, PromptSegment } from '../../sim/domain/engine.ts';
import { LeapingCore } from '../../sim/engine/leaping-core.ts';
import { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import { StepwiseEngine } from '../../sim/engine/stepwise.ts';
import { TokenChains } from '../../sim/engine/token-chains.ts';
import { randomWorkload, witness } from './agreement.ts';
import { CONFIG, request, step } from './drive.ts';

const never = (blockSize: number) => new TokenChains(blockSize, Number.POSITIVE_INFINITY);
const early = (blockSize: number) => new TokenChains(blockSize, 0);

describe('numbers of blocks', () => {
	const stepwise =
		(chains: (blockSize: number) => TokenChains): EngineFactory =>
		(config, cost) =>
			new StepwiseEngine(config, cost, new SchedulerCore(config, undefined, true, chains(config.blockSize)));
	const counting: EngineFactory = (config, cost) =>
		new StepwiseEngine(config, cost, new LeapingCore(config, early(config.blockSize)));

	it('are given up without anybody noticing, whether blocks are kept one by one or as runs', () => {
		for (let index = 0; index < 300; index++) {
			const workload = randomWorkload(5, index);
			const caching = { ...workload, config: { ...workload.config, prefixCaching: true } };
			const expected = witness(stepwise(never), caching);
			expect(witness(stepwise(early), caching), `workload ${index}`).toEqual(expected);
			expect(witness(counting, caching), `workload ${index}`).toEqual(expected);
		}
	});

	it('follow what is open and cached, not what was ever asked', () => {
		const config = { ...CONFIG, prefixCaching: true, maxNumBatchedTokens: 64 };
		const counts = [early, never].map((chainsOf) => {
			const chains = chainsOf(config.blockSize);
			const core = new SchedulerCore(config, undefined, true, chains);
			for (let id = 0; id < 500; id++) {
				const promptSegments: PromptSegment[] = [
					['common', 0, 10],
					[`own${id}`, 0, 30],
				];
				core.submit(request(String(id), 40, 3, { promptSegments }), id);
				while (core.openCount > 0) step(core);
			}
			return chains.count;
		});
		// 100 blocks are cached, and numbers are looked through when twice as many are given out as were kept.
		expect(counts[0]).toBeLessThan(250);
		// Two blocks that all share, and eight of their own.
		expect(counts[1]).toBe(2 + 500 * 8);
	});
});
