/** Engines that share GPUs, and a slow simulation of them as an oracle. */
import fc from 'fast-check';
import type { Setup } from '../../sim/domain/setup.ts';
import { smallSetup } from '../support/setup-builder.ts';

/** One sequence at a time, steps of a few microseconds: small enough to follow microsecond by microsecond. */
export interface FluidCase {
	readonly speeds: readonly (readonly number[] | undefined)[];
	readonly engines: readonly {
		readonly gpus: readonly number[];
		readonly stepUs: number;
		readonly calls: readonly { readonly tokens: number; readonly arrivalUs: number }[];
	}[];
}

/** Speeds of which 720720 parts are whole numbers, so that the slow simulation counts exactly. */
const measured = fc.constantFrom(undefined, [1, 0.5], [1, 0.8, 0.6], [1, 0.75, 0.5, 0.4], [1, 1, 0.9]);
export const fluidCases: fc.Arbitrary<FluidCase> = fc
	.record({ gpuCount: fc.integer({ min: 1, max: 3 }), seed: fc.nat(1_000_000) })
	.chain(({ gpuCount, seed }) =>
		fc.record({
			speeds: fc.array(measured, { minLength: gpuCount, maxLength: gpuCount }),
			engines: fc.array(
				fc.record({
					gpus: fc.constantFrom(...groups(gpuCount)),
					stepUs: fc.integer({ min: 1, max: 9 }),
					calls: fc.array(
						fc.record({
							tokens: fc.integer({ min: 1, max: 12 }),
							arrivalUs: fc.integer({ min: 0, max: 150 }),
						}),
						{ minLength: 1, maxLength: 4 },
					),
				}),
				{ minLength: 1, maxLength: 4 },
			),
			seed: fc.constant(seed),
		}),
	);

const groups = (gpuCount: number): number[][] => [
	...Array.from({ length: gpuCount }, (_, i) => [i]),
	...(gpuCount >= 2 ? [[0, 1]] : []),
	...(gpuCount >= 3 ? [[2, 1]] : []),
];

const PARTS = 720_720;

/**
 * What should come out, counted out microsecond by microsecond: in each, every engine with work gets the share that its GPUs give it
 * by how many of those on them have work, and what was completed is seen at its end. All engines load from time 0, for
 * 1 us.
 * @returns for each engine and call when it started, had its first token and ended
 */
export function fluid({ speeds, engines }: FluidCase): number[][][] {
	const awakeUs = 1;
	const running = engines.map(({ gpus, stepUs, calls }) => ({
		gpus,
		stepUs,
		tokens: calls.map(({ tokens }) => tokens),
		comeUs: calls.map(({ arrivalUs }) => Math.max(awakeUs, arrivalUs)),
		waiting: [...calls.keys()].sort((a, b) => (calls[a]?.arrivalUs ?? 0) - (calls[b]?.arrivalUs ?? 0)),
		queue: [] as number[],
		isActive: false,
		/** Parts of the first call of the queue that are done. */
		done: 0,
		times: calls.map((): number[] => []),
	}));
	const shareOf = (engine: (typeof running)[number]): number =>
		Math.min(
			...engine.gpus.map((gpu) => {
				const active = running.filter((other) => other.isActive && other.gpus.includes(gpu)).length;
				return Math.round(PARTS * (speeds[gpu]?.[active - 1] ?? 1 / active));
			}),
		);
	for (let nowUs = 0; running.some(({ waiting, queue }) => waiting.length + queue.length > 0); nowUs++) {
		for (const engine of running) {
			while (engine.comeUs[engine.waiting[0] ?? -1] === nowUs) {
				const call = engine.waiting.shift() as number;
				if (engine.queue.push(call) === 1 && !engine.isActive) engine.times[call]?.push(nowUs);
				engine.isActive = true;
			}
			for (let call = engine.queue[0]; call !== undefined; call = engine.queue[0]) {
				const stepParts = engine.stepUs * PARTS;
				const callParts = (engine.tokens[call] ?? 0) * stepParts;
				const times = engine.times[call] as number[];
				if (times.length === 1 && engine.done >= stepParts) times.push(nowUs);
				if (engine.done < callParts) break;
				times.push(nowUs);
				engine.done -= callParts;
				engine.queue.shift();
				const next = engine.queue[0];
				if (next !== undefined) engine.times[next]?.push(nowUs);
			}
			if (engine.queue.length > 0) continue;
			engine.isActive = false;
			engine.done = 0;
		}
		const shares = running.map((engine) => (engine.isActive ? shareOf(engine) : 0));
		running.forEach((engine, i) => {
			engine.done += shares[i] as number;
		});
	}
	return running.map(({ times }) => times);
}

export function fluidSetup({ speeds, engines }: FluidCase, engineMode: Setup['engineMode']): Setup {
	const queries = engines.flatMap(({ calls }, i) =>
		calls.map(({ tokens, arrivalUs }) => ({ calls: [{ model: `e${i}`, outputTokens: tokens }], arrivalUs })),
	);
	const sorted = queries.toSorted((a, b) => a.arrivalUs - b.arrivalUs);
	const setup = smallSetup({
		gpus: speeds.length,
		enginesPerGpu: engines.length,
		gpuBytesPerGpu: 10e9,
		aggregator: null,
		queries: sorted,
		loadSeconds: 1e-6,
		// A block for each token, so that the gauges tell one step from the next.
		engine: { maxNumSeqs: 1, blockSize: 1, maxModelLen: 512 },
	});
	return {
		...setup,
		engineMode,
		// Gauges are read often, so that both executions must agree on them between two microseconds of an engine as well.
		sampleSeconds: 7e-6,
		cluster: {
			...setup.cluster,
			gpus: setup.cluster.gpus.map((gpu, i) => {
				const sharedSpeeds = speeds[i];
				return sharedSpeeds === undefined ? gpu : { ...gpu, sharedSpeeds };
			}),
		},
		profiles: setup.profiles.map((profile) => ({
			...profile,
			step: { ...profile.step, baseUs: engines[Number(profile.model.slice(1))]?.stepUs ?? 1 },
		})),
	};
}
