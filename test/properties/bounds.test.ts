import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSetupGate } from '../../sim/aggregate/index.ts';
import { randomStream } from '../../sim/core/random.ts';
import type { PastQuery } from '../../sim/domain/calibration.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { EndRecord, RunRecord } from '../../sim/domain/run-log.ts';
import type { Scheduler } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Gate, Query } from '../../sim/domain/work.ts';
import { requiredWork, withOwnWays } from '../../sim/run/required-work.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { lowerBoundSeconds } from '../../solver/bounds.ts';
import { schedulerNames } from '../../solver/index.ts';
import { policyFor, SLOW_POLICIES } from '../support/policies.ts';
import { randomGate } from '../support/random-gate.ts';
import { randomPolicy } from '../support/random-policy.ts';
import {
	randomSetup,
	type SetupShape,
	setupShapes,
	sharingShapes,
	whole,
	withTwoTypes,
} from '../support/random-setup.ts';

interface Run {
	readonly records: readonly RunRecord[];
	/** When the last query was settled. */
	readonly seconds: number;
	/** From what gate and limits require alone. */
	readonly boundSeconds: number;
	/** With the ways that the run itself went where it went another. */
	readonly ownBoundSeconds: number;
}

/** @returns null where the scheduler refuses the setup */
async function run(
	shape: SetupShape,
	scheduler: Scheduler,
	setup: Setup = randomSetup(shape),
	gate: Gate = randomGate(shape),
): Promise<Run | null> {
	const { cluster, profiles } = setup;
	const work = requiredWork(setup, gate, scheduler.takesCuts ?? false);
	const records: RunRecord[] = [];
	const options = { version: 'test', onRecord: (record: RunRecord) => records.push(record) };
	try {
		await simulate(setup, scheduler, gate, options);
	} catch (error) {
		if (error instanceof UsageError) return null;
		throw error;
	}
	const ended = records.filter(
		(record): record is EndRecord => record.type === 'call-finished' || record.type === 'query-settled',
	);
	return {
		records,
		seconds: (ended.findLast(({ type }) => type === 'query-settled')?.timeUs ?? 0) / 1e6,
		boundSeconds: lowerBoundSeconds({ cluster, profiles, work }).seconds,
		ownBoundSeconds: lowerBoundSeconds({ cluster, profiles, work: withOwnWays(work, ended) }).seconds,
	};
}

/** What happened in the runs of a property, so that it cannot hold for want of cases. */
class Seen {
	private readonly counts = new Map<string, number>();

	run({ records, seconds, boundSeconds }: Run): void {
		this.add('compared');
		if (boundSeconds > 0.9 * seconds) this.add('close');
		const types = new Set<string>(records.map(({ type }) => type));
		const all = new Set([
			...types,
			...records.flatMap((record) => {
				if (record.type === 'query-settled') return [`by ${record.by}`];
				if (record.type !== 'call-finished') return [];
				return record.preemptions > 0 ? ['preempted'] : [];
			}),
		]);
		for (const what of all) this.add(what);
	}

	atLeast(least: Readonly<Record<string, number>>): void {
		const seen = Object.fromEntries(Object.keys(least).map((what) => [what, this.counts.get(what) ?? 0]));
		for (const [what, count] of Object.entries(least))
			expect(seen).toMatchObject({ [what]: expect.toSatisfy((times: number) => times >= count) });
	}

	private add(what: string): void {
		this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
	}
}

/** Past queries of the same models, mostly right, so that a wide budget lets a gate skip and cut; a part of the skipped is audited. */
function withPast(setup: Setup, seed: number): Setup {
	const random = randomStream(seed, 'past');
	const said = (): string => (random() < 0.8 ? 'A' : 'B');
	const pastQuery = ({ slots, slotPromptTokens }: Query): PastQuery => {
		const reply = said();
		return {
			task: 'task',
			slots,
			slotPromptTokens,
			answers: slots.map(said),
			outputTokens: slots.map(() => whole(random, 1, 150)),
			correctAnswer: 'A',
			aggregator: { promptTokens: 50, outputTokens: whole(random, 1, 100), answer: () => reply },
		};
	};
	const past = Array.from({ length: 30 }, () => setup.queries.map(pastQuery)).flat();
	return {
		...setup,
		gateOptions: { ...setup.gateOptions, budgetPoints: 20, confidence: 0.6, auditShare: 0.1, cuts: true },
		calibration: { source: 'made up', queries: () => past },
	};
}

describe('no run ends before its bound', () => {
	it.each(schedulerNames)('under %s', async (name) => {
		const numRuns = SLOW_POLICIES.has(name) ? 10 : 150;
		const seen = new Seen();
		await fc.assert(
			fc.asyncProperty(setupShapes, async (shape) => {
				const result = await run(shape, policyFor(name, randomSetup(shape)));
				if (result === null) return;
				expect(result.boundSeconds).toBeLessThanOrEqual(result.seconds);
				expect(result.ownBoundSeconds).toBeLessThanOrEqual(result.seconds);
				seen.run(result);
			}),
			{ seed: 20253, numRuns },
		);
		// One call at a time is never put back.
		seen.atLeast({ compared: numRuns / 2, preempted: name === 'worst' ? 0 : numRuns / 30 });
	});

	it.each([
		['one engine a GPU', setupShapes],
		['shared GPUs', sharingShapes],
	])('under a random policy that settles early, cancels, moves and cuts; %s', async (_, shapes) => {
		const seen = new Seen();
		await fc.assert(
			fc.asyncProperty(shapes, async (shape) => {
				const result = await run(shape, randomPolicy(shape.seed, { sociable: true, loyal: true }));
				if (result === null) return;
				expect(result.boundSeconds).toBeLessThanOrEqual(result.seconds);
				// A call that was refused finishes nothing.
				if (!result.records.some(({ type }) => type === 'call-failed'))
					expect(result.ownBoundSeconds).toBe(result.boundSeconds);
				seen.run(result);
			}),
			{ seed: 20254, numRuns: 1000 },
		);
		seen.atLeast({
			compared: 900,
			preempted: 50,
			close: 30,
			'call-migrated': 40,
			'call-parked': 40,
			'call-cancelled': 20,
		});
	});

	it('where GPUs are of two types', async () => {
		const seen = new Seen();
		await fc.assert(
			fc.asyncProperty(sharingShapes, fc.integer({ min: 1, max: 8 }), async (shape, factor) => {
				const setup = withTwoTypes(randomSetup(shape), factor / 2);
				const policy = randomPolicy(shape.seed, { sociable: true, loyal: true });
				const result = await run(shape, policy, setup);
				if (result === null) return;
				expect(result.boundSeconds).toBeLessThanOrEqual(result.seconds);
				seen.run(result);
			}),
			{ seed: 20256, numRuns: 400 },
		);
		seen.atLeast({ compared: 350, close: 5 });
	});

	it('under a gate that learnt from past queries what to skip and cut, and goes on learning', async () => {
		const seen = new Seen();
		await fc.assert(
			fc.asyncProperty(setupShapes, async (given) => {
				const shape = { ...given, gate: 'calibrated', aggregator: true };
				const setup = withPast(randomSetup(shape), shape.seed);
				const policy = randomPolicy(shape.seed, { sociable: true, loyal: true });
				const result = await run(shape, policy, setup, createSetupGate(setup, true));
				if (result === null) return;
				// What it learns may let it skip a query that it would have asked about at first.
				expect(result.ownBoundSeconds).toBeLessThanOrEqual(result.seconds);
				seen.run(result);
			}),
			{ seed: 20257, numRuns: 100 },
		);
		seen.atLeast({ compared: 90, 'by vote': 20, 'by aggregator': 20 });
	});

	it('under one that gives up what it needs, too', async () => {
		let otherwise = 0;
		await fc.assert(
			fc.asyncProperty(sharingShapes, async (shape) => {
				const result = await run(shape, randomPolicy(shape.seed, { sociable: true }));
				if (result === null) return;
				expect(result.ownBoundSeconds).toBeLessThanOrEqual(result.seconds);
				if (result.ownBoundSeconds < result.boundSeconds) otherwise++;
			}),
			{ seed: 20255, numRuns: 500 },
		);
		expect(otherwise).toBeGreaterThan(20);
	});
});
