import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../sim/aggregate/index.ts';
import { createProblem } from '../../sim/core/problem.ts';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { expertCallId, gpuId, modelId, queryId, replicaId } from '../../sim/domain/ids.ts';
import type { EngineConfig, ReplicaProfile, StepCost } from '../../sim/domain/model.ts';
import type { RequiredCall, RequiredWork } from '../../sim/domain/required-work.ts';
import type { CallFinished } from '../../sim/domain/run-log.ts';
import type { Action, Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { createEngine } from '../../sim/engine/index.ts';
import { createForecaster } from '../../sim/run/forecaster.ts';
import { requiredWork } from '../../sim/run/required-work.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { type LowerBound, lowerBoundSeconds } from '../../solver/bounds.ts';
import { borneCharges, type Charges, sharedCharges } from '../../solver/call-charges.ts';
import { latencyUs } from '../../solver/call-latency.ts';
import { expectedBoundSeconds } from '../../solver/expected-bound.ts';
import { createScheduler } from '../../solver/index.ts';
import { FORM_KINDS, formOf } from '../../solver/step-forms.ts';
import { randomSetup, sharingShapes, whole } from '../support/random-setup.ts';
import { type SmallQuery, type SmallSetup, smallSetup, weightlessProfile } from '../support/setup-builder.ts';
import { sharingPolicy } from '../support/sharing-policy.ts';

const deps = { clockSeconds: () => 0 };

async function boundAndTime(
	setup: Setup,
	scheduler: Scheduler,
): Promise<{
	readonly bound: LowerBound;
	readonly seconds: number;
	readonly calls: readonly CallFinished[];
}> {
	const calls: CallFinished[] = [];
	const gate = createGate(setup.gate);
	let settledUs = 0;
	await simulate(setup, scheduler, gate, {
		version: 'test',
		onRecord: (record) => {
			if (record.type === 'call-finished') calls.push(record);
			else if (record.type === 'query-settled') settledUs = record.timeUs;
		},
	});
	const { cluster, profiles } = setup;
	const work = requiredWork(setup, gate, false);
	return { bound: lowerBoundSeconds({ cluster, profiles, work }), seconds: settledUs / 1e6, calls };
}

describe('the lower bound', () => {
	it('meets a run that keeps every GPU busy in full batches', async () => {
		const { bound, seconds } = await boundAndTime(
			smallSetup(fullBatches),
			createScheduler('round-robin', deps),
		);
		// 2 s of load, then on each of two GPUs 4 batches of 8 calls, 100 steps of 10 ms each.
		expect(seconds).toBe(6);
		expect(bound.areaSeconds).toBeCloseTo(6, 5);
		expect(bound.chainSeconds).toBeCloseTo(3, 5);
		expect(bound.seconds).toBe(bound.areaSeconds);
	});

	it('meets a run that is one long call and its aggregator', async () => {
		const small: SmallSetup = {
			gpus: 1,
			loadSeconds: 2,
			step: {
				hostUs: 1000,
				perTokenOverKneeUs: 50,
				kneeTokens: 1,
				perContextTokenUs: 2,
				perDecodeSequenceUs: 5,
				perPrefillTokenSquaredUs: 0.1,
			},
			queries: [
				{ calls: [{ model: 'a', outputTokens: 800, promptTokens: 700 }], aggregatorOutputTokens: 300 },
			],
		};
		const { bound, seconds } = await boundAndTime(smallSetup(small), createScheduler('round-robin', deps));
		// The bound lets the aggregator load beside the expert; here it has to wait for the GPU.
		expect(bound.chainSeconds).toBeGreaterThan(0.99 * (seconds - 2));
		expect(bound.chainSeconds).toBeLessThanOrEqual(seconds - 2);
	});

	it('adds the loads of several models where a GPU holds one engine at a time', async () => {
		const queries = ['a', 'b', 'c'].map((model): SmallQuery => ({ calls: [{ model, outputTokens: 1 }] }));
		const small: SmallSetup = { gpus: 1, loadSeconds: 20, aggregator: null, queries };
		const one = await boundAndTime(smallSetup(small), createScheduler('round-robin', deps));
		expect(one.bound.areaSeconds).toBeGreaterThan(60);
		expect(one.seconds - one.bound.areaSeconds).toBeLessThan(0.03);
		const shared = smallSetup({ ...small, gpuBytesPerGpu: 30e9, enginesPerGpu: 2 });
		const { bound } = await boundAndTime(shared, createScheduler('round-robin', deps));
		expect(bound.areaSeconds).toBeLessThan(21);
	});

	it.each([
		['equal shares', undefined, 10],
		['measured speeds that add up to more than 1', [1, 0.8], 7],
		['measured speeds that add up to less than 1', [1, 0.4], 12],
	])('meets two engines in full batches on one GPU, with %s', async (_, sharedSpeeds, expectedSeconds) => {
		const small: SmallSetup = { ...fullBatches, gpus: 1, enginesPerGpu: 2, gpuBytesPerGpu: 30e9 };
		const setup = smallSetup(sharedSpeeds === undefined ? small : { ...small, sharedSpeeds });
		const { bound, seconds } = await boundAndTime(setup, sharingPolicy({ a: [0], b: [0] }));
		expect(seconds).toBe(expectedSeconds);
		// Where sharing loses, one after the other would be quicker but for the load.
		expect(bound.areaSeconds).toBeCloseTo(Math.min(10, expectedSeconds), 5);
	});

	it('holds where engines share GPUs, whatever the speeds', async () => {
		let shared = 0;
		await fc.assert(
			fc.asyncProperty(sharingShapes, async (shape) => {
				const random = randomStream(shape.seed, 'places');
				const setup = randomSetup({ ...shape, enginesPerGpu: shape.models });
				const roomy = setup.profiles.map((profile) => ({ ...profile, gpuBytesPerGpu: 5e9 }));
				const places = setup.models.map(({ id }) => {
					const first = whole(random, 0, shape.gpus - 1);
					return [
						id,
						shape.gpus > 1 && random() < 0.3 ? [first, (first + 1) % shape.gpus] : [first],
					] as const;
				});
				const policy = sharingPolicy(Object.fromEntries(places));
				const { bound, seconds } = await boundAndTime({ ...setup, profiles: roomy }, policy);
				expect(bound.seconds).toBeLessThanOrEqual(seconds);
				if (setup.cluster.gpus.some(({ sharedSpeeds }) => 2 * (sharedSpeeds?.[1] ?? 0) > 1)) shared++;
			}),
			{ seed: 20254, numRuns: 150 },
		);
		expect(shared).toBeGreaterThan(30);
	});

	it('is close to the time of a GPU that serves a long batch at real speed', async () => {
		const { bound, seconds } = await boundAndTime(
			smallSetup(longBatch),
			createScheduler('round-robin', deps),
		);
		// Prompts, the growing and the draining of the batch are what it cannot count.
		expect(bound.areaSeconds / seconds).toBeGreaterThan(0.85);
		expect(bound.areaSeconds).toBeLessThanOrEqual(seconds);
	});

	it.each([true, false])(
		'holds where preempted calls get tokens without decoding (prefix cache: %s)',
		async (prefixCaching) => {
			// Context is all that costs, and computing again costs nothing: what preemption saves would break a bound that forgets it.
			const small: SmallSetup = {
				gpus: 1,
				aggregator: null,
				loadSeconds: 1e-6,
				engine: { numGpuBlocks: 23, maxModelLen: 200, prefixCaching },
				step: { baseUs: 1e-3, perContextTokenUs: 10 },
				queries: Array.from({ length: 8 }, () => ({
					calls: [{ model: 'a', promptTokens: 150, outputTokens: 40 }],
				})),
			};
			const { bound, seconds, calls } = await boundAndTime(
				smallSetup(small),
				createScheduler('round-robin', deps),
			);
			expect(calls.reduce((sum, { preemptions }) => sum + preemptions, 0)).toBeGreaterThan(3);
			expect(bound.seconds).toBeLessThanOrEqual(seconds);
		},
	);

	it('takes the cheaper GPU type for each call', () => {
		const setup = smallSetup(fullBatches);
		const slow = setup.profiles.filter(({ tensorParallel }) => tensorParallel === 1);
		const fast = slow.map((profile) => ({
			...profile,
			gpuType: 'fast',
			step: { ...profile.step, baseUs: profile.step.baseUs / 10 },
		}));
		const gpus = [
			...setup.cluster.gpus,
			{ ...setup.cluster.gpus[0], type: 'fast' },
		] as typeof setup.cluster.gpus;
		const work = oneWay(requiredCalls(64, 20, 100));
		const cluster = { ...setup.cluster, gpus };
		const bound = lowerBoundSeconds({ cluster, profiles: [...slow, ...fast], work });
		const fastEverywhere = gpus.map((gpu) => ({ ...gpu, type: 'fast' }));
		const all = lowerBoundSeconds({ cluster: { ...cluster, gpus: fastEverywhere }, profiles: fast, work });
		expect(bound.areaSeconds).toBeCloseTo(all.areaSeconds, 9);
	});

	it.each([1, 2, 4])(
		'shares work out between GPU types as the linear program does, the second %s times as fast',
		(speed) => {
			const setup = smallSetup(fullBatches);
			const slow = setup.profiles.filter(({ tensorParallel }) => tensorParallel === 1);
			const fast = slow.map((profile) => ({
				...profile,
				gpuType: 'fast',
				step: { ...profile.step, baseUs: profile.step.baseUs / speed },
			}));
			const [gpu] = setup.cluster.gpus;
			const gpus = [gpu, { ...gpu, type: 'fast' }] as typeof setup.cluster.gpus;
			const work = oneWay(requiredCalls(64, 20, 100));
			const bound = lowerBoundSeconds({
				cluster: { ...setup.cluster, gpus },
				profiles: [...slow, ...fast],
				work,
			});
			// 64 calls in 8 full batches of 1 s on the slow one, of 1 s / speed on the fast one, after 2 s of load: any division over both.
			const optimum = (share: number): number => 2 + Math.max(8 * share, (8 / speed) * (1 - share));
			const shares = Array.from({ length: 1001 }, (_, i) => optimum(i / 1000));
			expect(bound.lpSeconds).toBeLessThanOrEqual(Math.min(...shares));
			expect(bound.lpSeconds).toBeGreaterThan(0.99 * Math.min(...shares));
			expect(bound.areaSeconds).toBeCloseTo(2 + 4 / speed, 4);
		},
	);

	it('takes the cheapest way of each query, and its quickest', async () => {
		const small: SmallSetup = {
			gpus: 1,
			aggregator: null,
			loadSeconds: 2,
			gate: 'majority',
			engine: { maxNumSeqs: 1 },
			queries: [
				{
					calls: [
						{ model: 'a', outputTokens: 100, answer: 'A' },
						{ model: 'a', outputTokens: 90, answer: 'B' },
						{ model: 'a', outputTokens: 50, answer: 'A' },
					],
				},
			],
		};
		const { cluster, profiles, ...setup } = smallSetup(small);
		const work = requiredWork({ ...setup, cluster, profiles }, createGate('majority'), false);
		const bound = lowerBoundSeconds({ cluster, profiles, work });
		// The first and the third, one after the other: the best of all orders in which the three can run.
		expect(bound.areaSeconds).toBeCloseTo(3.5, 4);
		expect(bound.chainSeconds).toBeCloseTo(3, 4);
	});

	it('knows that late queries cannot be served early', () => {
		const { cluster, profiles } = smallSetup(fullBatches);
		const late = oneWay(requiredCalls(64, 20, 100)).map((work) => ({ ...work, arrivalUs: 50_000_000 }));
		expect(lowerBoundSeconds({ cluster, profiles, work: late }).areaSeconds).toBeCloseTo(54, 4);
		expect(lowerBoundSeconds({ cluster, profiles, work: late.slice(0, 1) }).chainSeconds).toBeCloseTo(51, 4);
	});

	it('is 0 without calls', () => {
		const { cluster, profiles } = smallSetup(fullBatches);
		expect(lowerBoundSeconds({ cluster, profiles, work: [] }).seconds).toBe(0);
		const free = [{ query: queryId('q0'), arrivalUs: 0, ways: [requiredCalls(1, 20, 100), []] }];
		expect(lowerBoundSeconds({ cluster, profiles, work: free }).seconds).toBe(0);
	});
});

describe('the expected bound', () => {
	const expected = (small: SmallSetup): number => {
		const setup = smallSetup(small);
		const forecaster = createForecaster(setup, (config, step) => createEngine('leaping', config, step));
		return expectedBoundSeconds(createProblem(setup, createGate(setup.gate), forecaster));
	};

	it('is the area of calls that are as long as they are expected to be', () => {
		// 2 s of load, then 32 of 100 tokens on each GPU, 8 at a time.
		expect(expected(fullBatches)).toBeCloseTo(6, 4);
	});

	it('counts the aggregator calls that the gate is expected to ask for: all while nothing is known', () => {
		const queries = Array.from(
			{ length: 64 },
			(): SmallQuery => ({
				calls: [{ model: 'a', outputTokens: 100 }],
			}),
		);
		const aggregator = { model: 'a', tensorParallel: 1 };
		// 64 more of the 5 tokens that aggregators of small setups are expected to say.
		expect(expected({ ...fullBatches, queries, aggregator })).toBeCloseTo(6.2, 4);
	});
});

describe('the charges behind the area', () => {
	it('never exceed the time of a step', () => {
		let tight = 0;
		for (const { seed, profile, price, step } of pricedSteps('step')) {
			const leftUs = price * stepUs(profile, step) * (1 + 1e-9);
			for (const kind of FORM_KINDS)
				for (const charges of sharedCharges(profile, formOf(profile, kind), price)) {
					const us = chargedUs(charges, step);
					expect({ seed, us }).toEqual({
						seed,
						us: expect.toSatisfy((charged: number) => charged <= leftUs),
					});
					if (us > 0.9 * leftUs) tight++;
				}
		}
		expect(tight).toBeGreaterThan(1000);
	});

	it('never exceed it, and what the time of the bearers is worth, where these pay for what is fixed', () => {
		let tight = 0;
		for (const { seed, random, profile, price, step } of pricedSteps('borne')) {
			const chainPrice = random() < 0.3 ? 0 : 2 * random() ** 4;
			for (const kind of FORM_KINDS) {
				const form = formOf(profile, kind);
				const bearer = bearerIn(random, step);
				const rest = without(step, bearer);
				const aloneUs =
					form.fixedUs +
					form.perSequenceUs +
					bearer.decodes * form.perDecodeUs +
					bearer.context * form.perContextUs;
				for (const { bearers, others } of borneCharges(profile, form, price, chainPrice)) {
					const us = chargedUs(bearers, bearer) + chargedUs(others, rest) + chainPrice * aloneUs;
					const withoutUs = chargedUs(others, step);
					const leftUs = stepUs(profile, step) * (1 + 1e-9);
					expect({ seed, us, withoutUs }).toEqual({
						seed,
						us: expect.toSatisfy((charged: number) => charged <= (price + chainPrice) * leftUs),
						withoutUs: expect.toSatisfy((charged: number) => charged <= price * leftUs),
					});
					if (us > 0.9 * (price + chainPrice) * leftUs) tight++;
				}
			}
		}
		expect(tight).toBeGreaterThan(1000);
	});
});

describe('a call that moves where another GPU becomes quicker', () => {
	it('ends no sooner than the bound', async () => {
		const small = smallSetup({
			gpus: 2,
			aggregator: null,
			engine: { maxModelLen: 40_000, numGpuBlocks: 3001, maxNumBatchedTokens: 8192 },
			queries: [{ calls: [{ model: 'a', outputTokens: 20_000 }] }],
		});
		const [base] = small.profiles;
		if (base === undefined) throw new Error('no profile');
		// One is quicker for short contexts, the other, which takes long to load, for long ones.
		const quick = {
			...base.step,
			kneeTokens: 256,
			perTokenOverKneeUs: 30,
			baseUs: 10_000,
			perContextTokenUs: 1,
		};
		const steady = { ...quick, baseUs: 15_000, perContextTokenUs: 0.2 };
		const setup: Setup = {
			...small,
			models: small.models.map((model) => ({ ...model, outputLimitTokens: 30_000 })),
			profiles: [
				{ ...base, loadUs: 2_000_000, step: quick },
				{ ...base, gpuType: 'other', loadUs: 82_000_000, step: steady },
			],
			cluster: {
				...small.cluster,
				gpus: small.cluster.gpus.map((gpu, i) => (i === 0 ? gpu : { ...gpu, type: 'other' })),
			},
		};
		const gate = createGate('never');
		const work = requiredWork(setup, gate, false);
		const bound = lowerBoundSeconds({ cluster: setup.cluster, profiles: setup.profiles, work });
		const plan = createScheduler('round-robin', { clockSeconds: () => 0 });
		const settled = async (moves: boolean): Promise<number> => {
			let endUs = 0;
			const mover: Scheduler = {
				...plan,
				name: 'mover',
				decide: (view) => {
					const [first, second] = view.replicas;
					if (first === undefined || second === undefined)
						return ['gpu0', 'gpu1'].map((gpu) => ({
							type: 'start',
							replica: replicaId(gpu),
							model: modelId('a'),
							gpus: [gpuId(gpu)],
						}));
					const calls = first.state === 'awake' ? view.pending(modelId('a'), 'expert') : [];
					const open = moves && second.state === 'awake' ? view.openOn(first.id) : [];
					return [
						...view.acceptable.map((query): Action => ({ type: 'settle', query })),
						...calls.map(({ id }): Action => ({ type: 'dispatch', call: id, replica: first.id })),
						...open.map(({ call }): Action => ({ type: 'migrate', call: call.id, replica: second.id })),
					];
				},
			};
			await simulate(setup, mover, gate, {
				version: 'test',
				onRecord: (record) => {
					if (record.type === 'query-settled') endUs = record.timeUs;
				},
			});
			return endUs / 1e6;
		};
		const moved = await settled(true);
		expect(moved).toBeLessThan(0.9 * (await settled(false)));
		expect(bound.seconds).toBeLessThanOrEqual(moved);
		expect(bound.seconds).toBeGreaterThan(0.6 * moved);
	});
});

describe('the time of one call alone', () => {
	it('is what the engine takes, or a little less where chunks could be smaller', () => {
		let tight = 0;
		for (let seed = 0; seed < 300; seed++) {
			const random = randomStream(seed, 'alone');
			const profile = randomProfile(random);
			const size = { promptTokens: whole(random, 1, 600), outputTokens: whole(random, 1, 60) };
			const engineConfig = { ...profile.engine, numGpuBlocks: 100, maxModelLen: 1024 };
			const engine = createEngine('stepwise', engineConfig, profile.step);
			engine.submit(
				{ id: 'x', ...size, maxOutputTokens: size.outputTokens, endsByStop: false, priority: 0 },
				0,
			);
			let endUs = 0;
			for (let nextUs = engine.nextUs(); nextUs !== Number.POSITIVE_INFINITY; nextUs = engine.nextUs()) {
				engine.advance(nextUs);
				endUs = nextUs;
			}
			const boundUs = latencyUs([{ ...profile, engine: engineConfig }], size);
			expect({ seed, boundUs }).toEqual({ seed, boundUs: expect.toSatisfy((us: number) => us <= endUs + 1) });
			if (boundUs > 0.98 * endUs) tight++;
		}
		expect(tight).toBeGreaterThan(150);
	});
});

/** Each of two GPUs gets one model of 32 equal calls; a batch holds 8. */
const fullBatches: SmallSetup = {
	gpus: 2,
	aggregator: null,
	loadSeconds: 2,
	queries: Array.from({ length: 64 }, (_, i) => ({
		calls: [{ model: i % 2 === 0 ? 'a' : 'b', outputTokens: 100 }],
	})),
};

/** One model on one GPU with coefficients of an 8B model on an A100: 64 seats, 1000 calls of 100 to 300 tokens. */
const longBatch: SmallSetup = {
	gpus: 1,
	aggregator: null,
	loadSeconds: 40,
	engine: { maxNumSeqs: 64, maxNumBatchedTokens: 2048, numGpuBlocks: 20_000 },
	step: {
		hostUs: 3500,
		baseUs: 12_466,
		perTokenOverKneeUs: 50.6,
		kneeTokens: 84,
		perDecodeSequenceUs: 4.1,
		perContextTokenUs: 0.0845,
		perPrefillTokenSquaredUs: 0.0045,
	},
	queries: Array.from({ length: 1000 }, (_, i) => ({
		calls: [{ model: 'a', promptTokens: 100, outputTokens: 100 + ((i * 37) % 201) }],
	})),
};

const requiredCalls = (count: number, promptTokens: number, outputTokens: number): RequiredCall[] =>
	Array.from({ length: count }, (_, i) => ({
		call: expertCallId(queryId(`q${i}`), 0),
		role: 'expert',
		model: modelId('a'),
		promptTokens,
		outputTokens,
	}));

const oneWay = (calls: readonly RequiredCall[]): RequiredWork[] =>
	calls.map((call, i) => ({ query: queryId(`q${i}`), arrivalUs: 0, ways: [[call]] }));

function randomProfile(random: RandomStream): ReplicaProfile {
	const step: StepCost = {
		hostUs: 4000 * random(),
		hostPerSequenceUs: random() < 0.5 ? 0 : 100 * random(),
		baseUs: 15_000 * random(),
		perTokenOverKneeUs: random() < 0.2 ? 0 : 60 * random(),
		kneeTokens: random() < 0.2 ? 0 : whole(random, 1, 150),
		perDecodeSequenceUs: 10 * random(),
		perContextTokenUs: random(),
		perPrefillTokenSquaredUs: random() < 0.5 ? 0 : 0.05 * random(),
		allReduceUs: random() < 0.5 ? 0 : 1000,
	};
	const engine: Partial<EngineConfig> = {
		numGpuBlocks: whole(random, 20, 400),
		maxNumSeqs: whole(random, 1, 64),
		maxNumBatchedTokens: whole(random, 64, 512),
		asyncScheduling: random() < 0.4,
		prefixCaching: random() < 0.3,
	};
	return weightlessProfile(engine, step);
}

interface Step {
	readonly sequences: number;
	readonly tokens: number;
	readonly prefillChunkSquares: number;
	readonly decodes: number;
	readonly context: number;
	readonly held: number;
}

/** Steps of as many engines, each with a price of GPU time and the stream that more can be drawn from. */
function* pricedSteps(name: string) {
	for (let seed = 0; seed < 3000; seed++) {
		const random = randomStream(seed, name);
		const profile = randomProfile(random);
		const price = 0.1 + random();
		yield { seed, random, profile, price, step: randomStep(random, profile.engine) };
	}
}

/** A step that an engine may run: within its seats, its token budget and, unless blocks are shared, its memory. */
function randomStep(random: RandomStream, engine: EngineConfig): Step {
	const sequences = whole(random, 1, Math.min(engine.maxNumSeqs, engine.maxNumBatchedTokens));
	const decodes = random() < 0.3 ? sequences : whole(random, 0, sequences);
	const prefills = sequences - decodes;
	const prefill = prefills === 0 ? 0 : whole(random, prefills, engine.maxNumBatchedTokens - decodes);
	const tokens = decodes + prefill;
	const memory = (engine.numGpuBlocks - 1) * engine.blockSize;
	const held = Math.max(tokens, whole(random, tokens, Math.max(tokens, memory)));
	const context = Math.floor((held - tokens) * (prefills === 0 ? 1 : random()));
	return {
		sequences,
		tokens,
		prefillChunkSquares: leastSquares(prefill, prefills),
		decodes,
		context: decodes === 0 ? 0 : context,
		held: Math.min(held, memory),
	};
}

const chargedUs = (charges: Charges, step: Step): number =>
	charges.perSequenceUs * step.sequences +
	charges.perTokenUs * step.tokens +
	charges.perHeldUs * step.held +
	charges.perDecodeUs * step.decodes +
	charges.perContextUs * step.context;

/** One sequence of a step: a decode with some of the context, or a chunk of one token. */
function bearerIn(random: RandomStream, step: Step): Step {
	const context = step.decodes === 0 ? 0 : Math.floor(step.context * random() ** 2);
	const decodes = Math.min(1, step.decodes);
	return { sequences: 1, tokens: 1, prefillChunkSquares: 0, decodes, context, held: context + 1 };
}

const without = (step: Step, part: Step): Step => ({
	sequences: step.sequences - part.sequences,
	tokens: step.tokens - part.tokens,
	prefillChunkSquares: step.prefillChunkSquares,
	decodes: step.decodes - part.decodes,
	context: step.context - part.context,
	held: step.held - part.held,
});

/** Sum of the squares of `tokens` dealt out as evenly as can be. */
function leastSquares(tokens: number, sequences: number): number {
	let sum = 0;
	for (let left = sequences, rest = tokens; left > 0; left--) {
		const chunk = Math.floor(rest / left);
		sum += chunk ** 2;
		rest -= chunk;
	}
	return sum;
}

/** The cost formula of the domain, term by term. */
function stepUs({ step, engine }: ReplicaProfile, load: Step): number {
	const hostUs = step.hostUs + step.hostPerSequenceUs * load.sequences;
	const gpuUs =
		step.baseUs +
		step.perTokenOverKneeUs * Math.max(0, load.tokens - step.kneeTokens) +
		step.perDecodeSequenceUs * load.decodes +
		step.perContextTokenUs * load.context +
		step.perPrefillTokenSquaredUs * load.prefillChunkSquares +
		step.allReduceUs;
	return engine.asyncScheduling ? Math.max(hostUs, gpuUs) : hostUs + gpuUs;
}
