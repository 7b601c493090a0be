/**
 * What everybody who carries out a controller's orders owes to it, whatever runs behind: the engine model in simulated time, emulators, real
 * vLLM servers. The controller and the schedulers rely on nothing else.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { CallWork, Executor, ExecutorEvent } from '../../../sim/core/executor.ts';
import { type ReplicaId, replicaId } from '../../../sim/domain/ids.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { CASE, contractCall, replicaStart } from './workload.ts';

/** An executor and the world behind it. */
export interface ExecutorWorld {
	readonly setup: Setup;
	readonly executor: Executor;
	/** The next thing that happens, gauge readings left out. */
	event(): Promise<ExecutorEvent>;
	/** Resolves when this many open calls have some tokens, and no sooner. */
	untilRunning(calls: number): Promise<void>;
	/** The engine of a replica dies, now. */
	kill(replica: ReplicaId): void;
	/** Ends it. @returns what had happened and was not taken */
	close(): Promise<readonly ExecutorEvent[]>;
}

export interface ExecutorKind {
	/** @param replicaRestarts times that a replica that died is brought up again */
	readonly open: (replicaRestarts: 0 | 1) => Promise<ExecutorWorld>;
	/** Why sleeping is refused, or null. */
	readonly sleepRefusal: string | null;
	/** Of one case; a start of real servers takes most of it. */
	readonly timeoutMs: number;
}

export function describeExecutor(name: string, kind: ExecutorKind): void {
	describe(name, { timeout: kind.timeoutMs }, () => {
		const stages = new Stages(kind);

		afterAll(() => stages.close(), kind.timeoutMs);

		it('starts a replica: it is awake, and nothing else happened', async () => {
			const stage = await stages.get(1);
			expect(stage.startEvents).toMatchObject([{ kind: 'replica-awake', replica: stage.replica }]);
			stages.keep(stage);
		});

		it('carries a call out to the token', async () => {
			const stage = await stages.get(1);
			const call = contractCall(stage.setup, CASE.single, 0);
			stage.dispatch(call);
			expect(await stage.event()).toMatchObject({
				kind: 'engine-active',
				replica: stage.replica,
				active: true,
			});
			const ended = await stage.ended(call);
			expect(ended.outcome).toEqual({
				kind: 'finished',
				outputTokens: 12,
				answerTokens: 10,
				finishReason: 'stop',
				answer: 'B',
			});
			checkWork(ended, call);
			expect(await stage.event()).toMatchObject({ kind: 'engine-active', active: false });
			stages.keep(stage);
		});

		it('cuts a call at its limit', async () => {
			const stage = await stages.get(1);
			const call = { ...contractCall(stage.setup, CASE.cut, 0), maxOutputTokens: 7 };
			stage.dispatch(call);
			await stage.active(true);
			const { outcome } = await stage.ended(call);
			expect(outcome).toMatchObject({
				kind: 'finished',
				outputTokens: 7,
				finishReason: 'length',
				answer: null,
			});
			await stage.active(false);
			stages.keep(stage);
		});

		it('carries several calls out at once, each to the token, and is active from the first to the last', async () => {
			const stage = await stages.get(1);
			const calls = CASE.several.calls.map((_, slot) => contractCall(stage.setup, CASE.several, slot));
			for (const call of calls) stage.dispatch(call);
			await stage.active(true);
			const tokens = new Map<string, number>();
			for (const _ of calls) {
				const ended = await stage.callEnded();
				checkWork(ended, calls.find(({ id }) => id === ended.call) as Call);
				tokens.set(ended.call, ended.outcome.kind === 'finished' ? ended.outcome.outputTokens : -1);
			}
			expect(calls.map(({ id }) => tokens.get(id))).toEqual([
				...CASE.several.calls.map((each) => each.outputTokens),
			]);
			await stage.active(false);
			stages.keep(stage);
		});

		it('finds an equal prompt in the prefix cache, block by block', async () => {
			const stage = await stages.get(1);
			const cached: number[] = [];
			for (const slot of [0, 1]) {
				const call = contractCall(stage.setup, CASE.twins, slot);
				stage.dispatch(call);
				await stage.active(true);
				cached.push((await stage.ended(call)).work?.cachedPromptTokens ?? -1);
				await stage.active(false);
			}
			const { blockSize } = stage.engine;
			const promptTokens = CASE.twins.calls[0]?.promptTokens ?? 0;
			expect(cached).toEqual([0, Math.floor((promptTokens - 1) / blockSize) * blockSize]);
			stages.keep(stage);
		});

		it('cancels a call that generates: it ends once, with the tokens it had', async () => {
			const stage = await stages.get(1);
			const call = contractCall(stage.setup, CASE.slow, 0);
			stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(1);
			stage.executor.cancel(call.id);
			const { outcome, work } = await stage.ended(call);
			expect(outcome).toEqual({ kind: 'cancelled' });
			expect(work?.outputTokens).toBeGreaterThan(0);
			expect(work?.outputTokens).toBeLessThan(2000);
			await stage.active(false);
			stages.keep(stage);
		});

		it('cancels a call that waits for its turn: the others do not notice', async () => {
			const stage = await stages.get(1);
			const seats = stage.engine.maxNumSeqs;
			const calls = CASE.crowd.calls.map((_, slot) => contractCall(stage.setup, CASE.crowd, slot));
			expect(calls).toHaveLength(seats + 1);
			// Calls that are sent together may arrive in another order.
			for (const call of calls.slice(0, seats)) stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(seats);
			const waiting = calls.at(-1) as Call;
			stage.dispatch(waiting);
			stage.executor.cancel(waiting.id);
			const ended = await stage.ended(waiting);
			expect(ended).toMatchObject({ outcome: { kind: 'cancelled' }, work: { outputTokens: 0 } });
			for (const _ of calls.slice(1)) expect((await stage.callEnded()).outcome.kind).toBe('finished');
			await stage.active(false);
			stages.keep(stage);
		});

		it('fails a call that can never fit, with the reason', async () => {
			const stage = await stages.get(1);
			const { maxModelLen } = stage.engine;
			const call = { ...contractCall(stage.setup, CASE.huge, 0), promptTokens: maxModelLen + 1 };
			stage.dispatch(call);
			await stage.active(true);
			const { outcome, work } = await stage.ended(call);
			expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining(String(maxModelLen)) });
			expect(work).toBeNull();
			await stage.active(false);
			stages.keep(stage);
		});

		it('moves a call that generates: it ends on the other replica with all its tokens', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.moved, 0);
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			const { moves, ended } = await stage.untilEnded(call);
			expect(moves).toMatchObject([{ from: stage.replica, replica: second }]);
			const carried = moves[0]?.outputTokens ?? 0;
			expect(carried).toBeGreaterThan(0);
			expect(carried).toBeLessThan(800);
			expect(ended).toMatchObject({
				replica: second,
				outcome: { kind: 'finished', outputTokens: 800, finishReason: 'stop', answer: 'B' },
				work: { migrations: 1 },
			});
			checkWork(ended, call);
			expect(ended.work?.startedUs).toBeGreaterThanOrEqual(moves[0]?.timeUs ?? 0);
			// Some of the last tokens may not have been whole characters.
			expect(ended.work?.recomputedTokens).toBeGreaterThanOrEqual(call.promptTokens + carried);
			expect(ended.work?.recomputedTokens).toBeLessThan(call.promptTokens + carried + 20);
			stages.keep(stage);
		});

		it('moves a call that has not begun: nothing is computed twice', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedUnbegun, 0);
			stage.dispatch(call);
			stage.executor.migrate(call.id, second);
			const { moves, ended } = await stage.untilEnded(call);
			expect(moves).toMatchObject([{ from: stage.replica, replica: second, outputTokens: 0 }]);
			expect(ended).toMatchObject({
				replica: second,
				outcome: { kind: 'finished', outputTokens: 12, finishReason: 'stop', answer: 'B' },
				work: { migrations: 1, recomputedTokens: 0 },
			});
			stages.keep(stage);
		});

		it('cuts a call that moved where it would have cut it', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = { ...contractCall(stage.setup, CASE.movedAndCut, 0), maxOutputTokens: 900 };
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			const { ended } = await stage.untilEnded(call);
			expect(ended).toMatchObject({
				replica: second,
				outcome: { kind: 'finished', outputTokens: 900, finishReason: 'length', answer: null },
			});
			stages.keep(stage);
		});

		it('moves a call there and back: every time with all it has', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedTwice, 0);
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, stage.replica);
			const { moves, ended } = await stage.untilEnded(call);
			expect(moves).toMatchObject([
				{ from: stage.replica, replica: second },
				{ from: second, replica: stage.replica },
			]);
			const [first = 0, then = 0] = moves.map(({ outputTokens }) => outputTokens);
			expect(then).toBeGreaterThan(first);
			expect(ended).toMatchObject({
				replica: stage.replica,
				outcome: { kind: 'finished', outputTokens: 1500, finishReason: 'stop', answer: 'B' },
				work: { migrations: 2 },
			});
			expect(ended.work?.recomputedTokens).toBeGreaterThanOrEqual(2 * call.promptTokens + first + then);
			stages.keep(stage);
		});

		it('cancels a call that moves: it ends once, with the tokens it had', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedAndCancelled, 0);
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			stage.executor.cancel(call.id);
			const { moves, ended } = await stage.untilEnded(call);
			expect(ended).toMatchObject({ replica: second, outcome: { kind: 'cancelled' } });
			expect(moves[0]?.outputTokens).toBeGreaterThan(0);
			expect(ended.work?.outputTokens).toBe(moves[0]?.outputTokens);
			stages.keep(stage);
		});

		it('leaves a call that has ended alone', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedTooLate, 0);
			stage.dispatch(call);
			await stage.active(true);
			const ended = await stage.ended(call);
			stage.executor.migrate(call.id, second);
			expect(ended.outcome).toMatchObject({ kind: 'finished', outputTokens: 3 });
			await stage.active(false);
			stages.keep(stage);
		});

		it('parks a call that generates: dispatched again, it ends with all its tokens', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.parked, 0);
			stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(1);
			stage.executor.park(call.id);
			const events = [await stage.event(), await stage.event()];
			const parked = events.find((event) => event.kind === 'call-parked');
			const rest = events.find((event) => event.kind === 'engine-active');
			expect(parked).toMatchObject({ call: call.id, replica: stage.replica });
			expect(rest).toMatchObject({ replica: stage.replica, active: false });
			const tokens = parked?.outputTokens ?? 0;
			expect(tokens).toBeGreaterThan(0);
			stage.executor.dispatch(call, second);
			const { ended, moves } = await stage.untilEnded(call);
			expect(moves).toEqual([]);
			expect(ended).toMatchObject({
				replica: second,
				outcome: { kind: 'finished', outputTokens: 800, finishReason: 'stop', answer: 'B' },
			});
			checkWork(ended, call);
			expect(ended.work?.recomputedTokens).toBeGreaterThanOrEqual(call.promptTokens + tokens);
			stages.keep(stage);
		});

		it('says nothing more of a parked call that is cancelled, and keeps nothing of it', async () => {
			const stage = await stages.get(1);
			const call = contractCall(stage.setup, CASE.parkedForGood, 0);
			stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(1);
			stage.executor.park(call.id);
			stage.executor.cancel(call.id);
			const kinds = [await stage.event(), await stage.event()].map(({ kind }) => kind);
			expect(kinds.sort()).toEqual(['call-parked', 'engine-active']);
			stages.keep(stage);
		});

		it('does not park a call that has ended', async () => {
			const stage = await stages.get(1);
			const call = contractCall(stage.setup, CASE.parkedTooLate, 0);
			stage.dispatch(call);
			await stage.active(true);
			expect((await stage.ended(call)).outcome).toMatchObject({ kind: 'finished', outputTokens: 3 });
			stage.executor.park(call.id);
			await stage.active(false);
			stages.keep(stage);
		});

		it('brings a call that moved to its end when the engine it went to dies: what it brought along is not lost', async () => {
			const stage = await stages.get(1);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedToItsDeath, 0);
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			await stage.world.untilRunning(1);
			stage.world.kill(second);
			const { moves, ended, others } = await stage.untilEnded(call);
			expect(moves).toHaveLength(1);
			expect(others).toMatchObject([
				{ kind: 'replica-restarting', replica: second },
				{ kind: 'replica-awake', replica: second },
			]);
			expect(ended).toMatchObject({
				replica: second,
				outcome: { kind: 'finished', outputTokens: 1500, finishReason: 'stop', answer: 'B' },
				work: { migrations: 1 },
			});
			await stage.stopSecond();
			stages.keep(stage);
		});

		it('stops a replica that loads: it is never awake', async () => {
			const stage = await stages.get(1);
			const other = replicaId('never-awake');
			stage.executor.start(replicaStart(stage.setup, other, 1));
			stage.executor.stop(other);
			expect(await stage.event()).toMatchObject({ kind: 'replica-stopped', replica: other });
			stages.keep(stage);
		});

		it('brings an engine that died up again under its id, and its calls to their ends', async () => {
			const stage = await stages.get(1);
			const calls = CASE.survivors.calls.map((_, slot) => contractCall(stage.setup, CASE.survivors, slot));
			for (const call of calls) stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(calls.length);
			stage.world.kill(stage.replica);
			await stage.active(false);
			const restarting = await stage.event();
			expect(restarting).toMatchObject({ kind: 'replica-restarting', replica: stage.replica });
			expect(await stage.event()).toMatchObject({ kind: 'replica-awake', replica: stage.replica });
			await stage.active(true);
			const ends = [await stage.callEnded(), await stage.callEnded()];
			expect(ends.map(({ call }) => call).sort()).toEqual(calls.map(({ id }) => id).sort());
			for (const { outcome, work } of ends) {
				expect(outcome).toMatchObject({ kind: 'finished', outputTokens: 1500 });
				expect(work?.startedUs).toBeGreaterThanOrEqual(restarting.timeUs);
			}
			await stage.active(false);
			stages.keep(stage);
		});

		it('stops a replica, and then nothing happens any more', async () => {
			const stage = await stages.get(1);
			stage.executor.stop(stage.replica);
			expect(await stage.event()).toMatchObject({ kind: 'replica-stopped', replica: stage.replica });
			expect(await stages.drop(stage)).toEqual([]);
		});

		const { sleepRefusal } = kind;
		if (sleepRefusal === null)
			it.each([1, 2] as const)(
				'puts a replica to sleep (level %i) and wakes it up to serve',
				async (level) => {
					const stage = await stages.get(1);
					stage.executor.sleep(stage.replica, level);
					expect(await stage.event()).toMatchObject({
						kind: 'replica-asleep',
						replica: stage.replica,
						level,
					});
					stage.executor.wake(stage.replica);
					expect(await stage.event()).toMatchObject({ kind: 'replica-awake', replica: stage.replica });
					const call = contractCall(stage.setup, CASE.afterSleep, level - 1);
					stage.dispatch(call);
					await stage.active(true);
					expect((await stage.ended(call)).outcome).toMatchObject({ kind: 'finished', outputTokens: 5 });
					await stage.active(false);
					stages.keep(stage);
				},
			);
		else
			it(`refuses to sleep: ${sleepRefusal}`, async () => {
				const stage = await stages.get(1);
				stage.executor.sleep(stage.replica, 1);
				const event = await stage.event();
				expect(event).toMatchObject({
					kind: 'replica-failed',
					reason: expect.stringContaining(sleepRefusal),
				});
				expect(await stages.drop(stage)).toEqual([]);
			});

		it('gives a call back whose new engine died for good, and all its tokens are lost', async () => {
			const stage = await stages.get(0);
			const second = await stage.startSecond();
			const call = contractCall(stage.setup, CASE.movedForNothing, 0);
			stage.dispatch(call);
			await stage.world.untilRunning(1);
			stage.executor.migrate(call.id, second);
			await stage.world.untilRunning(1);
			stage.world.kill(second);
			const events: ExecutorEvent[] = [];
			while (events.at(-1)?.kind !== 'replica-failed') events.push(await stage.event());
			const [move, returned, failed, ...rest] = events.filter(({ kind: each }) => each !== 'engine-active');
			expect([move, returned, failed, rest]).toMatchObject([
				{ kind: 'call-migrated', replica: second },
				{ kind: 'call-returned', call: call.id, replica: second },
				{ kind: 'replica-failed', replica: second },
				[],
			]);
			const tokens = [move, returned].map((each) => (each && 'outputTokens' in each ? each.outputTokens : 0));
			expect(tokens[0]).toBeGreaterThan(0);
			expect(tokens[1]).toBeGreaterThan(tokens[0] ?? 0);
			stage.forgetSecond();
			stages.keep(stage);
		});

		it('gives the calls of an engine that died for good back, before it has failed', async () => {
			const stage = await stages.get(0);
			const calls = CASE.returned.calls.map((_, slot) => contractCall(stage.setup, CASE.returned, slot));
			for (const call of calls) stage.dispatch(call);
			await stage.active(true);
			await stage.world.untilRunning(calls.length);
			stage.world.kill(stage.replica);
			const events: ExecutorEvent[] = [];
			while (events.at(-1)?.kind !== 'replica-failed') events.push(await stage.event());
			const returned = events.flatMap((event) => (event.kind === 'call-returned' ? [event] : []));
			expect(returned.map(({ call }) => call).sort()).toEqual(calls.map(({ id }) => id).sort());
			for (const { outputTokens, reason } of returned) {
				expect(outputTokens).toBeGreaterThan(0);
				expect(reason).not.toBe('');
			}
			const rest = events.filter(({ kind: each }) => each !== 'call-returned');
			expect(rest).toMatchObject([
				{ kind: 'engine-active', active: false },
				{ kind: 'replica-failed', replica: stage.replica },
			]);
			expect(await stages.drop(stage)).toEqual([]);
		});
	});
}

type CallMigrated = Extract<ExecutorEvent, { kind: 'call-migrated' }>;
type CallEnded = Extract<ExecutorEvent, { kind: 'call-ended' }>;

/** What was done for a call that finished makes sense. */
function checkWork({ work, outcome, timeUs }: CallEnded, call: Call): void {
	expect(outcome.kind).toBe('finished');
	const done = work as CallWork;
	expect(done.startedUs).toBeLessThanOrEqual(done.firstTokenUs);
	expect(done.firstTokenUs).toBeLessThanOrEqual(timeUs);
	expect(done.promptTokens ?? call.promptTokens).toBe(call.promptTokens);
	expect(done.outputTokens).toBe(outcome.kind === 'finished' ? outcome.outputTokens : -1);
}

/** A world with one replica, awake and at rest. */
class Stage {
	readonly world: ExecutorWorld;
	readonly replica: ReplicaId;
	readonly replicaRestarts: 0 | 1;
	startEvents: readonly ExecutorEvent[] = [];
	/** On a GPU of its own, awake and at rest; null when it was not needed so far. */
	private second: ReplicaId | null = null;

	constructor(world: ExecutorWorld, replica: ReplicaId, replicaRestarts: 0 | 1) {
		this.world = world;
		this.replica = replica;
		this.replicaRestarts = replicaRestarts;
	}

	get setup(): Setup {
		return this.world.setup;
	}

	get executor(): Executor {
		return this.world.executor;
	}

	get engine() {
		return replicaStart(this.setup, this.replica, 0).profile.engine;
	}

	async start(): Promise<void> {
		this.executor.start(replicaStart(this.setup, this.replica, 0));
		this.startEvents = [await this.event()];
	}

	/** A second replica, for calls to move to. */
	async startSecond(): Promise<ReplicaId> {
		if (this.second !== null) return this.second;
		const second = replicaId('second');
		this.executor.start(replicaStart(this.setup, second, 1));
		expect(await this.event()).toMatchObject({ kind: 'replica-awake', replica: second });
		this.second = second;
		return second;
	}

	async stopSecond(): Promise<void> {
		const { second } = this;
		if (second === null) return;
		this.second = null;
		this.executor.stop(second);
		expect(await this.event()).toMatchObject({ kind: 'replica-stopped', replica: second });
	}

	/** It is gone. */
	forgetSecond(): void {
		this.second = null;
	}

	/** Takes everything that happens until a call has ended and all engines are at rest. Each is active from its first call to its last. */
	async untilEnded({ id }: Call): Promise<{
		readonly moves: readonly CallMigrated[];
		readonly ended: CallEnded;
		readonly others: readonly ExecutorEvent[];
	}> {
		const events: ExecutorEvent[] = [];
		const active = new Set<ReplicaId>();
		let ended: CallEnded | null = null;
		while (ended === null || active.size > 0) {
			const event = await this.event();
			if (event.kind === 'engine-active') {
				expect(active.has(event.replica)).toBe(!event.active);
				if (event.active) active.add(event.replica);
				else active.delete(event.replica);
			} else if (event.kind === 'call-ended') {
				expect(event.call).toBe(id);
				expect(ended).toBeNull();
				ended = event;
			} else events.push(event);
		}
		return {
			moves: events.filter((event) => event.kind === 'call-migrated'),
			ended,
			others: events.filter((event) => event.kind !== 'call-migrated'),
		};
	}

	dispatch(call: Call): void {
		this.executor.dispatch(call, this.replica);
	}

	event(): Promise<ExecutorEvent> {
		return this.world.event();
	}

	async active(active: boolean): Promise<void> {
		expect(await this.event()).toMatchObject({ kind: 'engine-active', replica: this.replica, active });
	}

	async callEnded(): Promise<CallEnded> {
		const event = await this.event();
		expect(event).toMatchObject({ kind: 'call-ended', replica: this.replica });
		return event as CallEnded;
	}

	async ended({ id }: Call): Promise<CallEnded> {
		const event = await this.callEnded();
		expect(event.call).toBe(id);
		return event;
	}
}

/** Starting a real server takes a minute, so a case that leaves its replica awake and at rest leaves it to the next one. */
class Stages {
	private readonly kind: ExecutorKind;
	private readonly open = new Set<Stage>();
	private kept: Stage | null = null;

	constructor(kind: ExecutorKind) {
		this.kind = kind;
	}

	async get(replicaRestarts: 0 | 1): Promise<Stage> {
		const { kept } = this;
		this.kept = null;
		if (kept?.replicaRestarts === replicaRestarts) return kept;
		// Whatever a case that failed left behind takes no room from this one.
		await this.close();
		const stage = new Stage(await this.kind.open(replicaRestarts), replicaId('replica'), replicaRestarts);
		this.open.add(stage);
		await stage.start();
		return stage;
	}

	keep(stage: Stage): void {
		this.kept = stage;
	}

	/** @returns what had happened and was not taken */
	drop(stage: Stage): Promise<readonly ExecutorEvent[]> {
		this.open.delete(stage);
		return stage.world.close();
	}

	async close(): Promise<void> {
		this.kept = null;
		for (const stage of this.open) await this.drop(stage);
	}
}
