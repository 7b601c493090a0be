import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../sim/domain/engine.ts';
import type { EngineConfig } from '../../sim/domain/model.ts';
import { createStepwiseEngine } from '../../sim/engine/index.ts';
import { SchedulerCore } from '../../sim/engine/scheduler-core.ts';
import type { Sequence } from '../../sim/engine/sequence.ts';
import { StepBatch } from '../../sim/engine/step-batch.ts';
import { COST, drive, type Happening, request } from './drive.ts';

const SEED = 20_251;
const MAX_MODEL_LEN = 64;

const config = fc
	.record({
		blockSize: fc.integer({ min: 1, max: 9 }),
		spareBlocks: fc.integer({ min: 0, max: 40 }),
		maxNumSeqs: fc.integer({ min: 1, max: 6 }),
		spareBudget: fc.integer({ min: 0, max: 40 }),
		longPrefillTokenThreshold: fc.constantFrom(0, 0, 1, 5, 20),
		policy: fc.constantFrom('fcfs' as const, 'priority' as const),
		asyncScheduling: fc.boolean(),
		watermark: fc.constantFrom(0, 0, 0.1, 0.4),
		reserveFullIsl: fc.boolean(),
		prefixCaching: fc.boolean(),
	})
	.map(
		({ spareBlocks, spareBudget, ...rest }): EngineConfig => ({
			...rest,
			maxModelLen: MAX_MODEL_LEN,
			numGpuBlocks: Math.ceil((MAX_MODEL_LEN - 1) / rest.blockSize) + 1 + spareBlocks,
			maxNumBatchedTokens: rest.maxNumSeqs + spareBudget,
		}),
	);

/** Arrival, prompt (a part of one of two shared streams), output, stop or limit, priority, abort or none. */
const job = fc.record({
	atUs: fc.integer({ min: 0, max: 400_000 }),
	stream: fc.constantFrom('p', 'q'),
	promptTokens: fc.integer({ min: 1, max: MAX_MODEL_LEN - 1 }),
	outputTokens: fc.integer({ min: 1, max: MAX_MODEL_LEN }),
	spareTokens: fc.integer({ min: 0, max: 5 }),
	endsByStop: fc.boolean(),
	priority: fc.integer({ min: 0, max: 2 }),
	abortAfterUs: fc.option(fc.integer({ min: 0, max: 300_000 }), { freq: 4 }),
});
const jobs = fc.array(job, { minLength: 1, maxLength: 14 });
type Job = typeof job extends fc.Arbitrary<infer T> ? T : never;

function happeningsOf(list: readonly Job[]): Happening[] {
	return list.flatMap((each, index) => {
		const id = String(index);
		const submit = request(id, each.promptTokens, each.outputTokens, {
			endsByStop: each.endsByStop,
			maxOutputTokens: each.outputTokens + (each.endsByStop ? each.spareTokens : 0),
			priority: each.priority,
			promptSegments: [[each.stream, 0, each.promptTokens]],
		});
		const happenings: Happening[] = [{ atUs: each.atUs, submit }];
		if (each.abortAfterUs !== null) happenings.push({ atUs: each.atUs + each.abortAfterUs, abort: id });
		return happenings;
	});
}

const outputOf = ({ promptTokens, outputTokens }: Job): number =>
	Math.min(outputTokens, MAX_MODEL_LEN - promptTokens);

function run(engineConfig: EngineConfig, list: readonly Job[]) {
	const engine = createStepwiseEngine(engineConfig, COST);
	let lastUs = 0;
	const broken: string[] = [];
	const { events, aborted } = drive(engine, happeningsOf(list), () => {
		const { usedBlocks, totalBlocks, running } = engine.gauges();
		const dueUs = engine.nextUs();
		if (usedBlocks < 0 || usedBlocks > totalBlocks) broken.push(`${usedBlocks} of ${totalBlocks} blocks`);
		if (running > engineConfig.maxNumSeqs) broken.push(`${running} running`);
		if (dueUs < lastUs) broken.push(`clock back from ${lastUs} to ${dueUs}`);
		if (dueUs === Number.POSITIVE_INFINITY) return;
		if (!Number.isInteger(dueUs)) broken.push(`a fraction of a microsecond: ${dueUs}`);
		lastUs = dueUs;
	});
	expect(broken).toEqual([]);
	return { events, aborted, gauges: engine.gauges() };
}

describe('every workload', () => {
	it('ends each request exactly once, whole or aborted, on a clock that never goes back', () => {
		fc.assert(
			fc.property(config, jobs, (engineConfig, list) => {
				const { events, aborted, gauges } = run(engineConfig, list);
				const ended = new Map(events.map((event) => [event.id, event] as const));
				expect(ended.size).toBe(events.length);
				expect(ended.size + aborted.size).toBe(list.length);
				let lastUs = 0;
				for (const event of events) {
					expect(event.timeUs).toBeGreaterThanOrEqual(lastUs);
					lastUs = event.timeUs;
					checkEnd(event, list[Number(event.id)] as Job);
				}
				for (const [id, tokens] of aborted) {
					expect(ended.has(id)).toBe(false);
					expect(tokens).toBeLessThan(outputOf(list[Number(id)] as Job));
				}
				expect([gauges.running, gauges.waiting, gauges.usedBlocks]).toEqual([0, 0, 0]);
			}),
			{ seed: SEED, numRuns: 400 },
		);
	});

	it('is the same twice', () => {
		fc.assert(
			fc.property(config, jobs, (engineConfig, list) => {
				expect(run(engineConfig, list)).toEqual(run(engineConfig, list));
			}),
			{ seed: SEED + 1, numRuns: 60 },
		);
	});

	it('computes prompt + output - 1 positions, plus what preemption lost, minus what the cache held', () => {
		fc.assert(
			fc.property(config, jobs, (engineConfig, list) => {
				const core = new SchedulerCore({ ...engineConfig, asyncScheduling: false });
				const scheduled = list.map(() => 0);
				const saved = list.map(() => 0);
				const recomputed = list.map(() => 0);
				const waiting = happeningsOf(list).flatMap(({ atUs, submit }) =>
					submit === undefined ? [] : [{ step: Math.floor(atUs / 20_000), submit }],
				);
				const batch = new StepBatch(engineConfig.maxNumSeqs);
				for (let now = 0; core.openCount > 0 || waiting.some(({ step }) => step >= now); now++) {
					for (const { step, submit } of waiting) if (step === now) core.submit(submit, now);
					expect(now).toBeLessThan(20_000);
					core.schedule(batch);
					expect(batch.count > 0 || batch.preempted.length > 0 || core.openCount === 0).toBe(true);
					expect(batch.tokens).toBeLessThanOrEqual(engineConfig.maxNumBatchedTokens);
					let prefillTokens = 0;
					let prefillChunkSquares = 0;
					for (let i = 0; i < batch.count; i++) {
						const sequence = batch.sequences[i] as Sequence;
						const granted = batch.granted[i] as number;
						const index = Number(sequence.id);
						scheduled[index] = (scheduled[index] as number) + granted;
						recomputed[index] = sequence.recomputedTokens;
						if (sequence.computed - granted >= sequence.prefillEnd) continue;
						prefillTokens += granted;
						prefillChunkSquares += granted ** 2;
					}
					expect(prefillTokens + batch.decodeSequences).toBe(batch.tokens);
					expect(batch.prefillChunkSquares).toBe(prefillChunkSquares);
					for (const { id, hitTokens } of batch.admitted) saved[Number(id)] = hitTokens;
					// Of a resumed sequence the cache holds only what it had computed, or what others computed of its prompt.
					for (const { id, hitTokens, lostEnd } of batch.resumed)
						saved[Number(id)] = (saved[Number(id)] as number) + Math.max(0, hitTokens - lostEnd);
					core.processOutput(batch);
				}
				for (const [index, each] of list.entries())
					expect(
						(scheduled[index] as number) - (recomputed[index] as number) + (saved[index] as number),
					).toBe(each.promptTokens + outputOf(each) - 1);
			}),
			{ seed: SEED + 2, numRuns: 300 },
		);
	});
});

function checkEnd(event: EngineEvent, of: Job): void {
	if (event.kind !== 'finished') throw new Error(`${event.id} was rejected`);
	expect(event.outputTokens).toBe(outputOf(of));
	expect(event.finishReason).toBe(
		of.endsByStop && of.promptTokens + of.outputTokens <= MAX_MODEL_LEN ? 'stop' : 'length',
	);
	expect(event.startedUs).toBeGreaterThanOrEqual(of.atUs);
	expect(event.firstTokenUs).toBeGreaterThan(event.startedUs);
	expect(event.timeUs).toBeGreaterThanOrEqual(event.firstTokenUs);
	expect(event.recomputedTokens === 0 || event.preemptions > 0).toBe(true);
	expect(event.cachedPromptTokens).toBeLessThan(of.promptTokens);
}
