/**
 * What the leaping engine costs: `npm run bench` for everything, `npm run bench -- NAME...` for some. Prints times, and
 * ratios to something measured in the same process; asserts nothing, since seconds belong to a machine.
 */
import { cpus } from 'node:os';
import type { EngineMode } from '../../sim/domain/engine.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import { createEngine } from '../../sim/engine/index.ts';
import { AMPLE, COST, drawLengths, type Outcome, reasoningCalls, serve } from './workload.ts';

interface Load {
	readonly calls: number;
	readonly engines?: number;
	readonly mode?: EngineMode;
	readonly config?: Partial<EngineConfig>;
	readonly lengthScale?: number;
	readonly shared?: boolean;
	readonly callsPerSecond?: number;
	/** Measured so often; the quickest counts. */
	readonly times?: number;
}

interface Measured extends Outcome {
	readonly ms: number;
}

const scenarios: Readonly<Record<string, () => void>> = {
	million() {
		show('1,000,000 calls, 4 engines', measure({ calls: 1_000_000 }));
		const { maxRSS } = process.resourceUsage();
		say(`  peak memory of the process so far ${Math.round(maxRSS / 1024)} MB; events are read, none written`);
	},
	arrivals() {
		const all = show('1,000,000 calls, all there from the start', measure({ calls: 1_000_000 }));
		const stream = show('arriving 2 a second', measure({ calls: 1_000_000, callsPerSecond: 2 }));
		say(`  ${ratio(stream, all)} times the time`);
	},
	scaling() {
		let before: Measured | undefined;
		for (const calls of [10_000, 100_000, 1_000_000]) {
			const now = show(`${calls} calls, 4 engines`, measure({ calls, times: calls < 1e6 ? 5 : 2 }));
			if (before !== undefined) say(`  ten times the calls: ${ratio(now, before)} times the time`);
			before = now;
		}
	},
	lengths() {
		const config = { maxModelLen: 400_000, numGpuBlocks: 6_000_000 };
		const load = { calls: 100_000, config, times: 3 };
		const once = show('100,000 calls', measure(load));
		const tenfold = show('outputs ten times as long', measure({ ...load, lengthScale: 10 }));
		say(`  ${ratio(tenfold, once)} times the time`);
	},
	stepwise() {
		const load = { calls: 10_000, times: 3 };
		const leaping = show('10,000 calls, leaping', measure(load));
		const stepwise = show('the same, stepwise', measure({ ...load, mode: 'stepwise' }));
		say(
			`  leaping is ${ratio(stepwise, leaping)} times as fast; same end: ${leaping.endUs === stepwise.endUs}`,
		);
	},
	prefix() {
		const load = { calls: 200_000, times: 2 };
		const off = show('200,000 calls, prefix caching off', measure(load));
		const config = { prefixCaching: true };
		const on = show('on, two calls to each prompt', measure({ ...load, config, shared: true }));
		say(`  ${ratio(on, off)} times the time`);
		const small = { calls: 4_000, config, shared: true };
		const leaping = show('4,000 calls, caching on, leaping', measure({ ...small, times: 3 }));
		const stepwise = show('the same, stepwise', measure({ ...small, mode: 'stepwise' }));
		say(
			`  leaping is ${ratio(stepwise, leaping)} times as fast; same end: ${leaping.endUs === stepwise.endUs}`,
		);
	},
	tight() {
		const load = { calls: 200_000, times: 2 };
		const ample = show('200,000 calls, ample memory', measure(load));
		const config = { numGpuBlocks: TIGHT_BLOCKS };
		const tight = show(`${TIGHT_BLOCKS} blocks of 16 tokens`, measure({ ...load, config }));
		say(`  ${ratio(tight, ample)} times the time`);
		const small = { calls: 20_000, config };
		const leaping = show('20,000 calls, tight, leaping', measure({ ...small, times: 3 }));
		const stepwise = show('the same, stepwise', measure({ ...small, mode: 'stepwise' }));
		say(
			`  leaping is ${ratio(stepwise, leaping)} times as fast; same end: ${leaping.endUs === stepwise.endUs}`,
		);
	},
	engines() {
		const load = { calls: 200_000, times: 2 };
		const four = show('200,000 calls, 4 engines', measure(load));
		const many = show('64 engines', measure({ ...load, engines: 64 }));
		say(`  ${ratio(many, four)} times the time`);
	},
};

/** Room for so many that about one call in ten is preempted. */
const TIGHT_BLOCKS = 103_000;

function measure(load: Load): Measured {
	const { calls, engines = 4, mode = 'leaping', lengthScale = 1, shared = false, times = 1 } = load;
	const { callsPerSecond = Number.POSITIVE_INFINITY } = load;
	const config = { ...AMPLE, ...load.config };
	const lengths = drawLengths(calls, 1);
	let best: Measured | undefined;
	for (let time = 0; time < times; time++) {
		const startMs = performance.now();
		const fleet = Array.from({ length: engines }, () => createEngine(mode, config, COST));
		const outcome = serve(fleet, reasoningCalls(lengths, lengthScale, shared), callsPerSecond);
		const ms = performance.now() - startMs;
		if (best === undefined || ms < best.ms) best = { ...outcome, ms };
	}
	return best as Measured;
}

function show(what: string, measured: Measured): Measured {
	const { calls, ms, steps, outputTokens, preemptedCalls } = measured;
	const preempted =
		preemptedCalls === 0 ? '' : `, ${((100 * preemptedCalls) / calls).toFixed(1)} % preempted`;
	say(
		`${what}: ${(ms / 1000).toFixed(2)} s, ${((1000 * ms) / calls).toFixed(2)} us a call (mean output ${Math.round(outputTokens / calls)} tokens, ${steps} steps${preempted})`,
	);
	return measured;
}

const ratio = (a: Measured, b: Measured): string => (a.ms / b.ms).toFixed(2);

function say(line: string): void {
	process.stdout.write(`${line}\n`);
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => scenarios[name] === undefined);
if (unknown.length > 0) {
	process.stderr.write(
		`unknown benchmark '${unknown[0]}'; expected some of ${Object.keys(scenarios).join(', ')}\n`,
	);
	process.exit(2);
}
const [cpu] = cpus();
say(`${cpu?.model ?? 'unknown processor'}, ${cpus().length} cores seen, one used; node ${process.version}`);
measure({ calls: 5_000, times: 3 });
for (const [name, run] of Object.entries(scenarios)) {
	if (wanted.length > 0 && !wanted.includes(name)) continue;
	say(`\n${name}`);
	run();
}
