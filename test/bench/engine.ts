import type { EngineMode } from '../../sim/domain/engine.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import { createEngine } from '../../sim/engine/index.ts';
import { compareWithInferenceLab } from './inference-lab.ts';
import { measure, ratio } from './measure.ts';
import { say, show, showRatio, showSpeedup } from './report.ts';
import {
	AMPLE,
	COST,
	drawLengths,
	type Outcome,
	poissonArrivalsUs,
	reasoningCalls,
	serve,
} from './workload.ts';

interface Load {
	readonly calls: number;
	readonly engines?: number;
	readonly mode?: EngineMode;
	readonly config?: Partial<EngineConfig>;
	readonly lengthScale?: number;
	readonly shared?: boolean;
	readonly callsPerSecond?: number | undefined;
	/** So many runs one after the other, each with calls of its own, count as one. */
	readonly runs?: number;
}

/** What the leaping engine costs. */
export const engineScenarios = {
	million() {
		const run = prepare({ calls: 1_000_000 });
		let peakKilobytes = 0;
		const { million } = measure(3, {
			million() {
				const outcome = run();
				peakKilobytes ||= process.resourceUsage().maxRSS;
				return outcome;
			},
		});
		show('4 engines', million);
		say(
			`  peak memory after the first run ${Math.round(peakKilobytes / 1024)} MB; events are read, none written`,
		);
	},
	arrivals() {
		const { all, stream } = measure(3, {
			all: prepare({ calls: 1_000_000 }),
			stream: prepare({ calls: 1_000_000, callsPerSecond: 2 }),
		});
		show('all there from the start', all);
		show('arriving 2 a second', stream);
		showRatio(stream, all);
	},
	scaling() {
		scale('all there from the start');
		scale('arriving 2 a second', 2);
	},
	lengths() {
		const config = { maxModelLen: 400_000, numGpuBlocks: 6_000_000 };
		const { once, tenfold } = measure(5, {
			once: prepare({ calls: 100_000, config }),
			tenfold: prepare({ calls: 100_000, config, lengthScale: 10 }),
		});
		show('reasoning lengths', once);
		show('outputs ten times as long', tenfold);
		showRatio(tenfold, once);
	},
	stepwise() {
		const { leaping, stepwise } = measure(5, modes({ calls: 10_000 }));
		show('leaping', leaping);
		show('stepwise', stepwise);
		showSpeedup(leaping, stepwise);
	},
	'inference-lab': compareWithInferenceLab,
	prefix() {
		const config = { prefixCaching: true };
		const { off, on } = measure(3, {
			off: prepare({ calls: 200_000 }),
			on: prepare({ calls: 200_000, config, shared: true }),
		});
		show('prefix caching off', off);
		show('on, two calls to each prompt', on);
		showRatio(on, off);
		const { leaping, stepwise } = measure(5, modes({ calls: 4_000, config, shared: true }));
		show('on, leaping', leaping);
		show('on, stepwise', stepwise);
		showSpeedup(leaping, stepwise);
	},
	tight() {
		const config = { numGpuBlocks: TIGHT_BLOCKS };
		const { ample, tight } = measure(3, {
			ample: prepare({ calls: 200_000 }),
			tight: prepare({ calls: 200_000, config }),
		});
		show('ample memory', ample);
		show(`${TIGHT_BLOCKS} blocks of 16 tokens`, tight);
		showRatio(tight, ample);
		const { leaping, stepwise } = measure(5, modes({ calls: 20_000, config }));
		show('tight, leaping', leaping);
		show('tight, stepwise', stepwise);
		showSpeedup(leaping, stepwise);
	},
	engines() {
		const { four, many } = measure(5, {
			four: prepare({ calls: 200_000 }),
			many: prepare({ calls: 200_000, engines: 64 }),
		});
		show('4 engines', four);
		show('64 engines', many);
		showRatio(many, four);
	},
};

/** Room for so many that about one call in ten is preempted. */
const TIGHT_BLOCKS = 103_000;

/** Equal numbers of calls in all, so that each size pays its share of garbage collection. */
function scale(what: string, callsPerSecond?: number): void {
	const load = (calls: number) => prepare({ calls, callsPerSecond, runs: 1_000_000 / calls });
	const { small, medium, large } = measure(5, {
		small: load(10_000),
		medium: load(100_000),
		large: load(1_000_000),
	});
	show(`${what}, 100 runs of 10,000 calls`, small);
	show('10 runs of 100,000', medium);
	show('one of 1,000,000', large);
	say(`  10,000 to 100,000: ten times the calls, ${(10 * ratio(medium, small)).toFixed(2)} times the time`);
	say(`  100,000 to 1,000,000: ${(10 * ratio(large, medium)).toFixed(2)} times the time`);
}

/** Draws the lengths, and leaves the rest to be measured. */
function prepare(load: Load): () => Outcome {
	const { calls, engines = 4, mode = 'leaping', lengthScale = 1, shared = false, runs = 1 } = load;
	const { callsPerSecond } = load;
	const config = { ...AMPLE, ...load.config };
	const lengths = Array.from({ length: runs }, (_, run) => drawLengths(calls, 1 + run));
	return () => {
		const outcomes = lengths.map((drawn) => {
			const fleet = Array.from({ length: engines }, () => createEngine(mode, config, COST));
			const arrivals = callsPerSecond === undefined ? undefined : poissonArrivalsUs(callsPerSecond);
			return serve(fleet, reasoningCalls(drawn, lengthScale, shared), arrivals);
		});
		return outcomes.reduce(sum);
	};
}

function modes(load: Load): Record<EngineMode, () => Outcome> {
	return { leaping: prepare(load), stepwise: prepare({ ...load, mode: 'stepwise' }) };
}

function sum(a: Outcome, b: Outcome): Outcome {
	return {
		calls: a.calls + b.calls,
		outputTokens: a.outputTokens + b.outputTokens,
		steps: a.steps + b.steps,
		preemptedCalls: a.preemptedCalls + b.preemptedCalls,
		endUs: a.endUs + b.endUs,
	};
}
