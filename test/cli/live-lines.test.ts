import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ReplicaSnapshot } from '../../live/happening.ts';
import { givenUpCalls } from '../../sim/cli/given-up.ts';
import { FailureNote } from '../../sim/cli/live-failure-note.ts';
import { liveLines } from '../../sim/cli/live-lines.ts';
import { TimeLeftEstimate } from '../../sim/cli/live-time-left.ts';
import { callId, gpuId, modelId, queryId, replicaId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { ReplicaState } from '../../sim/domain/scheduler.ts';
import { smallSetup } from '../support/setup-builder.ts';
import { temporaryFolder } from './temporary-folder.ts';

const plan = { evidence: { objectiveSeconds: 100 } } as Plan;

const snapshot = (change: Partial<ReplicaSnapshot>): ReplicaSnapshot => ({
	replica: replicaId('s0-a'),
	model: 'a',
	gpus: [gpuId('gpu0')],
	state: 'awake',
	runningCalls: 12,
	waitingCalls: 3,
	tokensPerSecond: 1234.4,
	...change,
});

const setup = smallSetup({
	gpus: 4,
	queries: Array.from({ length: 4 }, () => ({
		calls: [
			{ model: 'long', outputTokens: 900 },
			{ model: 'short', outputTokens: 100 },
		],
	})),
	aggregator: { model: 'agg', tensorParallel: 1 },
});

describe('the lines of a live run', () => {
	const request = {
		setup,
		progress: {
			nowUs: 3_723_000_000,
			settledQueries: 2,
			plan,
			replicas: [
				snapshot({ state: 'stopped', replica: replicaId('s9-z'), gpus: [gpuId('gpu3')] }),
				snapshot({}),
				snapshot({ replica: replicaId('s1-bigger'), model: 'bigger', gpus: [gpuId('gpu1'), gpuId('gpu2')] }),
			],
		},
		left: { seconds: 600, basis: 'plan' as const },
		speed: 1,
		width: 200,
		height: 20,
	};

	it('one for each GPU or group of GPUs, then how far it is', () => {
		expect(liveLines(request)).toEqual([
			'gpu0       a       awake  12 running  3 waiting  1234 tokens/s',
			'gpu1+gpu2  bigger  awake  12 running  3 waiting  1234 tokens/s',
			'gpu3       -',
			"2 of 4 queries decided, 1:02:03 of run time, about 10 min left by the plan's forecast",
		]);
	});

	it('what is left is said in time of the wall', () => {
		const left = { seconds: 600, basis: 'calls so far' as const };
		expect(liveLines({ ...request, left, speed: 20 }).at(-1)).toBe(
			'2 of 4 queries decided, 1:02:03 of run time (20 times real time), about 30 s left by the calls so far',
		);
		const progress = { ...request.progress, nowUs: 7_000_000, plan: null, replicas: [] };
		expect(liveLines({ ...request, progress }).at(-1)).toBe(
			'2 of 4 queries decided, 0:07 of run time, planning',
		);
	});

	it('fits the terminal', () => {
		const lines = liveLines({ ...request, width: 20, height: 3 });
		expect(lines).toEqual(['gpu0  a  awake  12 ', 'and 2 more lines', '2 of 4 queries deci']);
	});
});

describe('time left', () => {
	/** Mean tokens: long 900, short 100, the aggregator 200; so 4000 of experts, 800 of aggregators. */
	const tokens: Readonly<Record<string, number>> = { long: 900, short: 100, agg: 200 };
	const estimate = () =>
		new TimeLeftEstimate(setup, { outputTokens: (model) => ({ mean: tokens[model] ?? 0, max: 0 }) });
	const seconds = (count: number) => count * 1_000_000;
	const awake = { type: 'replica-changed', state: 'awake', timeUs: seconds(10) } as RunRecord;
	const finished = (model: string) =>
		({ type: 'call-finished', role: 'expert', model: modelId(model), call: callId('x') }) as RunRecord;
	const needed = (id: string) =>
		({ type: 'aggregation-needed', call: callId(`${id}/agg`), query: queryId(id) }) as RunRecord;
	const aggregated = (id: string) =>
		({
			type: 'call-finished',
			role: 'aggregator',
			model: modelId('agg'),
			call: callId(`${id}/agg`),
		}) as RunRecord;

	it('by the plan until the work says more', () => {
		const left = estimate();
		expect(left.at(0, null)).toBeNull();
		expect(left.at(seconds(30), plan)).toEqual({ seconds: 70, basis: 'plan' });
		left.take(awake);
		left.take(finished('short'));
		expect(left.at(seconds(30), plan)).toEqual({ seconds: 70, basis: 'plan' });
		expect(left.at(seconds(130), plan)).toBeNull();
	});

	it('then by the rate of the calls so far, counted in their expected tokens', () => {
		const left = estimate();
		left.take(awake);
		left.take(finished('long'));
		left.take(finished('short'));
		// 1000 in 20 s; 3000 of experts and 4 aggregations of 200 to come.
		expect(left.at(seconds(30), plan)).toEqual({ seconds: 76, basis: 'calls so far' });
	});

	it('a vote saves an aggregation, and makes others less likely', () => {
		const left = estimate();
		left.take(awake);
		for (const model of ['long', 'short', 'long', 'short']) left.take(finished(model));
		left.take({ type: 'query-settled', by: 'vote' } as RunRecord);
		left.take(needed('q1'));
		// 2000 in 20 s; 2000 of experts, one aggregation that is needed, and every second of two that are open.
		expect(left.at(seconds(30), plan)).toEqual({ seconds: 24, basis: 'calls so far' });
		left.take(aggregated('q1'));
		expect(left.at(seconds(32), plan)).toEqual({ seconds: (22 * 2200) / 2200, basis: 'calls so far' });
	});
});

describe('the first server that fails', () => {
	const folder = (): { file: (name: string) => string; note: FailureNote } => {
		const root = temporaryFolder();
		mkdirSync(path.join(root, 'logs'));
		return {
			file: (name) => {
				const file = path.join(root, 'logs', name);
				writeFileSync(file, `first line of ${name}\n\nlast line of ${name}\n`);
				return file;
			},
			note: new FailureNote((file) => path.basename(file)),
		};
	};
	const replica = replicaId('s0-a');
	const spawning = (logFile: string) =>
		({ kind: 'spawning', replica, gpus: [], port: 1, command: [], logFile }) as const;
	const failure = (kind: 'replica-failed' | 'replica-restarting', reason = 'it died') =>
		({ event: { kind, timeUs: 1, replica, reason } }) as const;

	it('is shown with its last words, once', () => {
		const { file, note } = folder();
		note.keep(spawning(file('one.log')));
		note.keep({ kind: 'exited', replica, pid: 1, how: 'exited with code 1' });
		// The next one was started before its failure was told.
		note.keep(spawning(file('two.log')));
		expect(note.take(failure('replica-restarting'))).toBe(
			'server of s0-a failed: it died\nlast lines of one.log:\n  | first line of one.log\n  | last line of one.log\n',
		);
		expect(note.take(failure('replica-failed'))).toBeNull();
	});

	it('is told without a log when the server is not ours', () => {
		const { note } = folder();
		expect(note.take(failure('replica-failed', 'the server does not answer'))).toMatch(
			/^server of .* failed: the server does not answer\n$/,
		);
	});

	it('is none that a resumed run brings up again', () => {
		const { file, note } = folder();
		note.keep(spawning(file('one.log')));
		expect(note.take(failure('replica-restarting', 'the controller was restarted'))).toBeNull();
		expect(note.take({ event: { kind: 'replica-awake', timeUs: 1, replica } })).toBeNull();
		expect(note.take(failure('replica-failed'))).toMatch(/one\.log/);
	});
});

it('calls are given up when they are cancelled and no server of their model is left', () => {
	const replica = (id: string, model: string, state: ReplicaState) =>
		({ type: 'replica-changed', replica: replicaId(id), model: modelId(model), state }) as RunRecord;
	const cancelled = (model: string, on: string | null = null) =>
		({ type: 'call-cancelled', model: modelId(model), replica: on }) as RunRecord;
	const two = [replica('r1', 'a', 'loading'), replica('r2', 'a', 'awake')];
	expect(givenUpCalls([...two, cancelled('a')])).toBe(0);
	expect(givenUpCalls([...two, replica('r1', 'a', 'failed'), cancelled('a')])).toBe(0);
	const none = [...two, replica('r1', 'a', 'failed'), replica('r2', 'a', 'stopped')];
	expect(givenUpCalls([...none, cancelled('a'), cancelled('a'), cancelled('b'), cancelled('a', 'r1')])).toBe(
		2,
	);
	expect(givenUpCalls([...none, replica('r3', 'a', 'loading'), cancelled('a')])).toBe(0);
});
