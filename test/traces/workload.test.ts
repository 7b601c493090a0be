import { describe, expect, it } from 'vitest';
import { normalQuantile } from '../../sim/domain/distribution.ts';
import { expertCallId, queryId } from '../../sim/domain/ids.ts';
import { loadExperiment } from '../../traces/index.ts';
import { bucketOf, bucketTokens, fitEaseLengthCorrelation } from './ease-length.ts';
import { atSeeds, correlation, drawnQueries, mean, ranks } from './sample.ts';

// MOSAIC, arXiv 2606.03014: slots of table 3, vote buckets, mean tokens; single accuracy as the fitted answer model implies.
const published = {
	'mmlu-pro': {
		slots: { Gemma: 1632, QwenR1: 1428, Qwen: 956, LlamaR1: 1070, Exaone: 547, GLM: 667 },
		buckets: { unanimous: 960, split: 817, scattered: 323 },
		singleAccuracy: 0.556,
	},
	medmcqa: {
		slots: { Gemma: 4195, QwenR1: 144, Qwen: 5682, LlamaR1: 620, Exaone: 625, GLM: 1283 },
		buckets: { unanimous: 1986, split: 1786, scattered: 411 },
		singleAccuracy: 0.559,
	},
	gpqa: {
		slots: { Gemma: 4, QwenR1: 158, LlamaR1: 429, Exaone: 3 },
		buckets: { unanimous: 74, split: 99, scattered: 25 },
		singleAccuracy: 0.5,
	},
} as const;
const seedCounts = { 'mmlu-pro': 12, medmcqa: 8, gpqa: 60 } as const;

describe.each(['mmlu-pro', 'medmcqa', 'gpqa'] as const)('workload %s', (name) => {
	const setups = atSeeds(name, seedCounts[name]);
	const { slots, buckets, singleAccuracy } = published[name];

	it('has exactly the published slots at every seed, three to a query', () => {
		for (const setup of setups) {
			const counts = new Map<string, number>();
			expect(setup.queries.filter((query) => query.slots.length !== 3)).toEqual([]);
			for (const query of setup.queries) {
				for (const model of query.slots) counts.set(model, (counts.get(model) ?? 0) + 1);
			}
			expect(Object.fromEntries(counts)).toEqual(slots);
		}
	});

	it('agrees as often as published', () => {
		const total = Object.values(buckets).reduce((sum, count) => sum + count, 0);
		const found = { unanimous: 0, split: 0, scattered: 0 };
		for (const setup of setups) for (const query of setup.queries) found[bucketOf(setup, query)]++;
		for (const bucket of ['unanimous', 'split', 'scattered'] as const) {
			const points = 100 * (found[bucket] / (total * setups.length) - buckets[bucket] / total);
			expect(Math.abs(points), bucket).toBeLessThan(2.5);
		}
	});

	it('is right as often as the answer model implies, outputs at their limit aside', () => {
		const calls = setups.flatMap((setup) => drawnQueries(setup).flat());
		const right = mean(calls.filter((call) => !call.truncated).map((call) => (call.right ? 1 : 0)));
		expect(Math.abs(right - singleAccuracy)).toBeLessThan(0.02);
	});

	it('makes wrong answers longer', () => {
		const calls = setups.flatMap((setup) => drawnQueries(setup).flat()).filter((call) => !call.truncated);
		for (const model of Object.keys(slots).filter((id) => id.endsWith('R1'))) {
			const ofModel = calls.filter((call) => call.model === model);
			const wrong = mean(ofModel.filter((call) => !call.right).map((call) => call.outputTokens));
			const right = mean(ofModel.filter((call) => call.right).map((call) => call.outputTokens));
			expect(wrong / right, model).toBeGreaterThan(1.25);
		}
	});

	it('has an answer exactly when the output is whole, and reads at most the output', () => {
		const odd = setups
			.flatMap((setup) => drawnQueries(setup).flat())
			.filter((call) => {
				const { outputTokens, answerTokens, truncated } = call;
				if ((call.answer === null) !== truncated || outputTokens < 1 || answerTokens > outputTokens)
					return true;
				return call.model.endsWith('R1') ? truncated && answerTokens > 0 : answerTokens !== outputTokens;
			});
		expect(odd).toEqual([]);
	});
});

describe('workload mmlu-pro', () => {
	const setups = atSeeds('mmlu-pro', 20);

	it.each([
		['LlamaR1', 3146],
		['QwenR1', 3734],
		['Gemma', 291],
		['Qwen', 200],
		['Exaone', 200],
		['GLM', 200],
	])('%s writes %d tokens on average', (model, tokens) => {
		const lengths = setups
			.flatMap((setup) => drawnQueries(setup).flat())
			.filter((call) => call.model === model)
			.map((call) => call.outputTokens);
		expect(Math.abs(mean(lengths) / tokens - 1)).toBeLessThan(0.03);
	});

	it('keeps the correlation of lengths within a query, as normal scores by model', () => {
		const first: number[] = [];
		const second: number[] = [];
		for (const setup of setups.slice(0, 5)) {
			const queries = drawnQueries(setup);
			const byModel = new Map<string, number[]>();
			for (const call of queries.flat()) {
				byModel.set(call.model, [...(byModel.get(call.model) ?? []), call.outputTokens]);
			}
			const sorted = new Map([...byModel].map(([model, tokens]) => [model, tokens.sort((a, b) => a - b)]));
			const score = (model: string, tokens: number): number => {
				const all = sorted.get(model) ?? [];
				return normalQuantile((all.indexOf(tokens) + all.lastIndexOf(tokens) + 1) / 2 / all.length);
			};
			for (const [a, b] of queries) {
				if (a === undefined || b === undefined) continue;
				first.push(score(a.model, a.outputTokens));
				second.push(score(b.model, b.outputTokens));
			}
		}
		expect(Math.abs(correlation(first, second) - 0.62)).toBeLessThan(0.03);
	});

	it('is longer where experts disagree, in the published ratios', () => {
		const { unanimous, split, scattered } = bucketTokens(setups);
		expect(Math.abs(split / unanimous / (1915 / 1064) - 1)).toBeLessThan(0.04);
		expect(Math.abs(scattered / unanimous / (2696 / 1064) - 1)).toBeLessThan(0.04);
	});

	it('ranks confidence against tokens about as published (-0.27)', () => {
		const confidence = { unanimous: 3, split: 2, scattered: 1 };
		const xs: number[] = [];
		const ys: number[] = [];
		for (const setup of setups.slice(0, 10)) {
			const queries = drawnQueries(setup);
			setup.queries.forEach((query, index) => {
				xs.push(confidence[bucketOf(setup, query)]);
				ys.push(mean((queries[index] ?? []).map((call) => call.outputTokens)));
			});
		}
		expect(Math.abs(correlation(ranks(xs), ranks(ys)) + 0.27)).toBeLessThan(0.04);
	});

	it('the fit of the correlation between ease and length finds the value of the profile', () => {
		const load = (rho: number) => atSeeds('mmlu-pro', 6, [`workload.easeLengthCorrelation=${rho}`]);
		expect(Math.abs(fitEaseLengthCorrelation(load, 2696 / 1064) - 0.8)).toBeLessThan(0.06);
	});

	it('prompts of one question differ by tokenizer and wrapper only', () => {
		const [setup] = setups;
		const queries = setup === undefined ? [] : drawnQueries(setup);
		const wrapper: Record<string, number> = { Qwen: 29, QwenR1: 4 };
		let pairs = 0;
		for (const calls of queries) {
			const qwens = calls.filter((call) => call.model in wrapper);
			const questions = new Set(qwens.map((call) => call.promptTokens - (wrapper[call.model] ?? 0)));
			expect(questions.size).toBeLessThanOrEqual(1);
			if (new Set(qwens.map((call) => call.model)).size > 1) pairs++;
		}
		expect(pairs).toBeGreaterThan(100);
		const prompts = queries.flat().map((call) => call.promptTokens);
		expect(Math.abs(mean(prompts) / 248 - 1)).toBeLessThan(0.05);
	});
});

describe('aggregator outputs', () => {
	const tokensOf = (sets: readonly string[]) =>
		atSeeds('mmlu-pro', 4, sets).map((setup) =>
			setup.queries.map((query) => setup.truth.query(query.id).aggregatorOutputTokens),
		);
	const unscaled = tokensOf(['aggregator.lengthScale=1']);

	it('are as long as the model writes, by the scale of that role', () => {
		expect(Math.abs(mean(unscaled.flat()) / 3146 - 1)).toBeLessThan(0.06);
		const short = tokensOf(['aggregator.lengthScale=0.1', 'workload.lengthScale.factor=2']);
		short.flat().forEach((tokens, index) => {
			const whole = unscaled.flat()[index] ?? 0;
			if (whole < 32_768) expect(Math.abs(tokens - 0.1 * whole)).toBeLessThanOrEqual(1);
		});
	});

	it('go with the lengths of the query', () => {
		const shared: number[] = [];
		const own: number[] = [];
		atSeeds('mmlu-pro', 4).forEach((setup, seed) => {
			drawnQueries(setup).forEach((calls, index) => {
				const call = calls.find(({ model }) => model === 'LlamaR1');
				if (call === undefined) return;
				shared.push(Math.log(call.outputTokens));
				own.push(Math.log(unscaled[seed]?.[index] ?? 1));
			});
		});
		expect(Math.abs(correlation(shared, own) - 0.62)).toBeLessThan(0.04);
	});
});

describe('what seed 0 produces', () => {
	it('is a promise: the first queries of mmlu-pro', () => {
		const setup = loadExperiment('mmlu-pro', { seed: 0, sets: ['workload.keepQueries=3'] });
		const drawn = drawnQueries(setup).map((calls, index) => [
			setup.truth.query(setup.queries[index]?.id ?? queryId('none')).correctAnswer,
			...calls.map((call) =>
				[call.model, call.promptTokens, call.outputTokens, call.answerTokens, call.answer].join(' '),
			),
		]);
		expect(drawn).toMatchInlineSnapshot(`
			[
			  [
			    "H",
			    "LlamaR1 174 6317 92 F",
			    "Gemma 188 290 290 J",
			    "GLM 186 324 324 F",
			  ],
			  [
			    "I",
			    "Gemma 158 562 562 G",
			    "GLM 156 360 360 G",
			    "QwenR1 150 11592 637 G",
			  ],
			  [
			    "H",
			    "Gemma 209 319 319 H",
			    "Gemma 209 259 259 J",
			    "Gemma 209 343 343 D",
			  ],
			]
		`);
	});
});

describe('common random numbers', () => {
	const base = loadExperiment('mmlu-pro', { seed: 4 });
	const truthOf = (setup: typeof base) =>
		setup.queries.map((query) => ({
			query,
			correct: setup.truth.query(query.id).correctAnswer,
			calls: query.slots.map((_, slotIndex) => setup.truth.call(expertCallId(query.id, slotIndex))),
		}));

	it.each([
		[{ scheduler: 'greedy' }],
		[{ gate: 'majority' }],
		[{ engineMode: 'leaping' }],
		[{ sets: ['cluster.gpuCount=8'] }],
		[{ sets: ['cluster.gpuType=H100-SXM-80GB', 'engine.profile=vllm-v1'] }],
		[{ sets: ['aggregator.lengthScale=3', 'aggregator.unanimousOverrideRate=0.05'] }],
		[{ sets: ['aggregator=null'] }],
		[{ sets: ['plan.maxModelsPerWorker=3', 'engine.hostPerSequenceUs=0'] }],
	])('experts draw the same under %j', (options) => {
		expect(truthOf(loadExperiment('mmlu-pro', { seed: 4, ...options }))).toEqual(truthOf(base));
	});

	it('a length scale changes lengths only, never the other class, never answers that are whole in both', () => {
		const scaled = loadExperiment('mmlu-pro', {
			seed: 4,
			sets: ['workload.lengthScale.factor=1.5', 'workload.lengthScale.appliesTo=instruct'],
		});
		const before = drawnQueries(base).flat();
		drawnQueries(scaled)
			.flat()
			.forEach((call, index) => {
				const old = before[index];
				expect(call.model).toBe(old?.model);
				if (call.model.endsWith('R1')) expect(call).toEqual(old);
				else expect(call.outputTokens).toBeGreaterThanOrEqual(old?.outputTokens ?? 0);
				if (!call.truncated && old?.truncated === false) expect(call.answer).toBe(old.answer);
			});
	});

	it('fewer queries are the beginning of more', () => {
		const few = loadExperiment('mmlu-pro', { seed: 4, sets: ['workload.keepQueries=50'] });
		expect(truthOf(few)).toEqual(truthOf(base).slice(0, 50));
	});

	it('seeds differ', () => {
		expect(truthOf(loadExperiment('mmlu-pro', { seed: 5 }))).not.toEqual(truthOf(base));
	});
});
