import { describe, expect, it } from 'vitest';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { aggregatorCallId, expertCallId, gpuId, hostId, modelId, queryId } from '../../sim/domain/ids.ts';
import type { Cluster, ReplicaProfile } from '../../sim/domain/model.ts';
import type { RequiredCall, RequiredWork } from '../../sim/domain/required-work.ts';
import { lowerBoundSeconds } from '../../solver/bounds.ts';
import { createMipSolver } from '../../solver/ilp/highs-solve.ts';
import { Columns, Rows, type Term } from '../../solver/ilp/mip-model.ts';
import { whole } from '../support/random-setup.ts';
import { FLAT_STEP, SMALL_ENGINE } from '../support/setup-builder.ts';

/**
 * The program that the bound is a dual of, in full: so many steps of every set of calls that an engine can serve at once, W to be minimal,
 * so that every call gets its tokens, the GPUs have W each, and no query is in steps for longer than W. Steps cost F and so much per sequence, so contexts
 * do not matter.
 */
async function leastSeconds({ cluster, profiles, work }: Case): Promise<number> {
	const columns = new Columns();
	const rows = new Rows();
	const longest = columns.add('W', 1, 0, Number.POSITIVE_INFINITY, false);
	const calls = work.flatMap(({ ways }) => ways.flat());
	const tokens = new Map<RequiredCall, Term[]>(calls.map((call) => [call, []]));
	const busy: Term[] = [[longest, -cluster.gpus.length]];
	const inSteps = work.map((): Term[] => [[longest, -1]]);
	for (const { model, step, engine, tensorParallel } of profiles) {
		const own = calls.filter((call) => call.model === model);
		for (let set = 1; set < 2 ** own.length; set++) {
			const served = own.filter((_, index) => (set >> index) % 2 === 1);
			if (served.length > engine.maxNumSeqs) continue;
			// An aggregator's call begins when its experts have ended.
			if (new Set(served.map(queryOf)).size < served.length) continue;
			const seconds = (step.baseUs + step.hostPerSequenceUs * served.length) / 1e6;
			const steps = columns.add(`steps of ${set}`, 0, 0, Number.POSITIVE_INFINITY, false);
			busy.push([steps, tensorParallel * seconds]);
			for (const call of served) tokens.get(call)?.push([steps, 1]);
			work.forEach(({ query }, index) => {
				if (served.some((call) => queryOf(call) === query)) inSteps[index]?.push([steps, seconds]);
			});
		}
	}
	for (const [call, terms] of tokens) rows.add('tokens', call.outputTokens, call.outputTokens, terms);
	for (const terms of [busy, ...inSteps]) rows.add('time', Number.NEGATIVE_INFINITY, 0, terms);
	const { values, message } = await solve({
		mip: { ...columns.arrays(), ...rows.arrays() },
		start: null,
		limits: { relativeGap: 0, maxNodes: 1, timeLimitSeconds: 60 },
	});
	if (values === null) throw new Error(message);
	return values[longest] ?? Number.NaN;
}

const solve = createMipSolver();

const queryOf = ({ call }: RequiredCall): string => call.split('/')[0] as string;

interface Case {
	readonly cluster: Cluster;
	readonly profiles: readonly ReplicaProfile[];
	readonly work: readonly RequiredWork[];
}

/** Few queries of one expert each, on one or two models, some with an aggregator of one of these; engines over one GPU and two. */
function randomCase(random: RandomStream): Case {
	const models = ['a', 'b'].slice(0, whole(random, 1, 2)).map(modelId);
	const gpus = whole(random, 1, 3);
	const profiles = models.flatMap((model) => {
		const baseUs = 1000 * whole(random, 1, 20);
		const hostPerSequenceUs = 100 * whole(random, 1, 60);
		const one = profileOf(model, 1, baseUs, hostPerSequenceUs, whole(random, 1, 6));
		if (random() < 0.5 || gpus === 1) return [one];
		return [one, profileOf(model, 2, 0.7 * baseUs, 0.5 * hostPerSequenceUs, 6)];
	});
	const work = Array.from({ length: whole(random, 2, 5) }, (_, index): RequiredWork => {
		const query = queryId(`q${index}`);
		const size = () => ({
			model: models[whole(random, 0, models.length - 1)] as RequiredCall['model'],
			promptTokens: 1,
			outputTokens: random() < 0.3 ? whole(random, 500, 1500) : whole(random, 1, 300),
		});
		const way: RequiredCall[] = [{ call: expertCallId(query, 0), role: 'expert', ...size() }];
		if (random() < 0.5) way.push({ call: aggregatorCallId(query), role: 'aggregator', ...size() });
		return { query, arrivalUs: 0, ways: [way] };
	});
	const cluster: Cluster = {
		gpus: Array.from({ length: gpus }, (_, index) => ({
			id: gpuId(`gpu${index}`),
			type: 'test-gpu',
			memoryBytes: 80e9,
			host: hostId('host0'),
		})),
		hosts: [{ id: hostId('host0'), ramBytes: 1e12 }],
		enginesPerGpu: 1,
	};
	return { cluster, profiles, work };
}

const profileOf = (
	model: ReplicaProfile['model'],
	tensorParallel: number,
	baseUs: number,
	hostPerSequenceUs: number,
	maxNumSeqs: number,
): ReplicaProfile => ({
	model,
	gpuType: 'test-gpu',
	tensorParallel,
	engine: { ...SMALL_ENGINE, maxNumSeqs, numGpuBlocks: 100_000 },
	step: { ...FLAT_STEP, baseUs, hostPerSequenceUs },
	loadUs: 1,
	stopUs: 0,
	sleep: { 1: null, 2: null },
	gpuBytesPerGpu: 1,
	sleepingGpuBytesPerGpu: 1,
	sleepingHostBytes: 1,
});

describe('the bound by GPU time', () => {
	it('is no more than the program that it stands for allows, and not far below', async () => {
		const ratios: number[] = [];
		let aboveBoth = 0;
		for (let seed = 0; seed < 150; seed++) {
			const one = randomCase(randomStream(seed, 'bound'));
			const least = await leastSeconds(one);
			const { seconds, lpSeconds, chainSeconds } = lowerBoundSeconds(one);
			expect({ seed, lpSeconds }).toEqual({
				seed,
				lpSeconds: expect.toSatisfy((bound: number) => bound <= least * (1 + 1e-6) + 1e-5),
			});
			if (lpSeconds > 1.001 * chainSeconds) aboveBoth++;
			ratios.push(seconds / least);
		}
		ratios.sort((a, b) => a - b);
		expect(aboveBoth).toBeGreaterThan(30);
		expect(ratios[Math.floor(ratios.length / 2)]).toBeGreaterThan(0.95);
		expect(ratios[0]).toBeGreaterThan(0.7);
	});
});
