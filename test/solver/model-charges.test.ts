import { describe, expect, it } from 'vitest';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import {
	aggregatorCallId,
	type CallId,
	expertCallId,
	gpuId,
	hostId,
	modelId,
	queryId,
} from '../../sim/domain/ids.ts';
import type { Cluster, ReplicaProfile } from '../../sim/domain/model.ts';
import type { RequiredCall, RequiredWork } from '../../sim/domain/required-work.ts';
import { lowerBoundSeconds } from '../../solver/bounds.ts';
import { createMipSolver } from '../../solver/ilp/highs-solve.ts';
import { Columns, Rows, type Term } from '../../solver/ilp/mip-model.ts';
import { whole } from '../support/random-setup.ts';
import { FLAT_STEP, weightlessProfile } from '../support/setup-builder.ts';

/**
 * The program that the bound is a dual of, in full: so many steps of every set of calls that an engine can serve at once, and so much of every way, W to
 * be minimal, so that every call gets the tokens of its query's ways, the GPUs have W each, and no query is in steps for longer than W. Steps cost F and so much per sequence, so contexts
 * do not matter.
 */
async function leastSeconds({ cluster, profiles, work }: Case): Promise<number> {
	const columns = new Columns();
	const rows = new Rows();
	const longest = columns.add('W', 1, 0, Number.POSITIVE_INFINITY, false);
	// A call that is shorter in some ways than in others is one call.
	const calls = [
		...new Map(work.flatMap(({ ways }) => ways.flat()).map((call) => [call.call, call])).values(),
	];
	const tokens = new Map<CallId, Term[]>(calls.map(({ call }) => [call, []]));
	for (const { query, ways } of work) {
		const shares = ways.map((way): Term => {
			const share = columns.add(`share of a way of ${query}`, 0, 0, 1, false);
			for (const { call, outputTokens } of way) tokens.get(call)?.push([share, -outputTokens]);
			return [share, 1];
		});
		rows.add('shares', 1, 1, shares);
	}
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
			for (const { call } of served) tokens.get(call)?.push([steps, 1]);
			work.forEach(({ query }, index) => {
				if (served.some((call) => queryOf(call) === query)) inSteps[index]?.push([steps, seconds]);
			});
		}
	}
	for (const terms of tokens.values()) rows.add('tokens', 0, Number.POSITIVE_INFINITY, terms);
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

/** Few queries of one expert each, on one or two models, some with an aggregator of one of these, some with ways to choose from; engines over one GPU and two. */
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
		const cut = way.map((call) => ({ ...call, outputTokens: whole(random, 1, call.outputTokens) }));
		const reply: RequiredCall = { call: aggregatorCallId(query), role: 'aggregator', ...size() };
		const other = random() < 0.5 ? cut : [...cut.slice(0, 1), reply];
		return { query, arrivalUs: 0, ways: random() < 0.4 ? [way, other] : [way] };
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
	...weightlessProfile({ maxNumSeqs, numGpuBlocks: 100_000 }, { baseUs, hostPerSequenceUs }),
	model,
	tensorParallel,
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

	it('charges a call of a chain for the length that it has in each way', () => {
		const one = randomCase(randomStream(0, 'ways'));
		const [profile] = one.profiles;
		const call = (slot: number, outputTokens: number): RequiredCall => ({
			call: expertCallId(queryId('q0'), slot),
			role: 'expert',
			model: profile?.model ?? modelId('a'),
			promptTokens: 1,
			outputTokens,
		});
		const work = [
			{ query: queryId('q0'), arrivalUs: 0, ways: [[call(0, 1000)], [call(0, 10), call(1, 20)]] },
		];
		const step = { ...FLAT_STEP, baseUs: 1000 };
		const { seconds } = lowerBoundSeconds({
			...one,
			profiles: one.profiles.map((each) => ({ ...each, step })),
			work,
		});
		expect(seconds).toBeCloseTo(0.02, 5);
	});

	it('leaves models out that fit nowhere', () => {
		const one = randomCase(randomStream(0, 'nowhere'));
		const [first] = one.work;
		const way = first?.ways[0] ?? [];
		const stranger = { ...(way[0] as RequiredCall), model: modelId('x'), outputTokens: 1e5 };
		const ways = [way, [stranger]];
		const bound = lowerBoundSeconds({
			...one,
			work: one.work.map((each, i) => (i === 0 ? { ...each, ways } : each)),
		});
		expect(bound.seconds).toBeGreaterThan(0);
		expect(bound.seconds).toBeLessThanOrEqual(lowerBoundSeconds(one).seconds);
	});
});
