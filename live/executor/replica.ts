import type { ReplicaStart } from '../../sim/core/executor.ts';
import { present } from '../../sim/domain/errors.ts';
import type { CallId, GpuId } from '../../sim/domain/ids.ts';
import type { SleepLevel } from '../../sim/domain/model.ts';
import type { ReplicaSnapshot } from '../happening.ts';
import { ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';
import { timeLimitUs } from '../http/time-limit.ts';
import type { Locks } from '../process/locks.ts';
import type { Launcher, Server } from './launcher.ts';
import type { MovingCall } from './open-call.ts';
import { OpenCalls } from './open-calls.ts';
import type { Outbox } from './outbox.ts';
import type { LiveExecutorParts } from './parts.ts';
import { Sampler } from './sampler.ts';

export interface ReplicaParts extends LiveExecutorParts {
	readonly launcher: Launcher;
	readonly gpuLocks: Locks<GpuId>;
	readonly outbox: Outbox;
	readonly broken: (error: unknown) => void;
}

/** gone: stopped, failed, or closed with the executor. */
type State = 'loading' | 'awake' | 'falling-asleep' | 'asleep' | 'waking' | 'stopping' | 'gone';

/** Time-outs in a row, without a token from anyone between them, by which an engine that still answers is known to hang. */
const TIMEOUTS_OF_A_HANGING_ENGINE = 2;

/**
 * The life of one replica as a small state machine: orders and misfortunes change the state at once, what follows from them is done one after
 * the other. A replica whose engine dies comes up again under its id, within its budget; its open calls are sent again. An order that was
 * given before such a misfortune could be known does not apply any more and is passed over: what has happened is on its way.
 */
export class LiveReplica {
	readonly calls: OpenCalls;
	private readonly parts: ReplicaParts;
	private readonly begin: ReplicaStart;
	private readonly sampler: Sampler;
	private state: State = 'loading';
	private sleepLevel: SleepLevel = 1;
	private server: Server | null = null;
	private restarts = 0;
	private timeouts = 0;
	/** The look at a server that all calls which failed together wait for. */
	private looking: { readonly server: Server; readonly done: Promise<void> } | null = null;
	/** Everything that was begun, in order. */
	private work: Promise<void> = Promise.resolve();
	/** Of what is being done now; aborted by whatever makes that pointless. */
	private task = new AbortController();

	constructor(begin: ReplicaStart, parts: ReplicaParts) {
		this.parts = parts;
		this.begin = begin;
		const { replica, profile } = begin;
		this.sampler = new Sampler({
			...parts,
			replica,
			engine: profile.engine,
			tokensSeen: () => this.calls.tokensSeen,
		});
		this.calls = new OpenCalls({
			...parts,
			replica,
			maxModelLen: profile.engine.maxModelLen,
			onTokens: () => {
				this.timeouts = 0;
			},
			onActive: (client) => this.sampler.follow(client),
			onDoubt: (failure) => this.doubt(failure),
		});
	}

	start(): void {
		this.state = 'loading';
		this.next((signal) => this.load(signal));
	}

	/** @param before what must be over before it can be called stopped */
	stop(before?: Promise<unknown>): void {
		if (this.state === 'gone') return;
		this.state = 'stopping';
		this.next(async () => {
			await before;
			await this.endServer();
			this.state = 'gone';
			this.parts.outbox.put({ kind: 'replica-stopped', replica: this.begin.replica });
		});
	}

	sleep(level: SleepLevel): void {
		if (this.state !== 'awake') return;
		this.state = 'falling-asleep';
		this.sleepLevel = level;
		this.next(async (signal) => {
			const { sleepRefusal } = this.parts.backend;
			const failure =
				sleepRefusal ??
				(await this.ask(signal, (client, limitUs) => client.sleep(level, limitUs, signal)))?.message;
			if (signal.aborted) return;
			if (failure !== undefined) {
				this.giveUp(`did not fall asleep: ${failure}`);
				return;
			}
			this.state = 'asleep';
			this.parts.outbox.put({ kind: 'replica-asleep', replica: this.begin.replica, level });
		});
	}

	/** A server that a controller before this one had put to sleep is gone; it is started instead. */
	wake(): void {
		if (this.state !== 'asleep') return;
		this.state = 'waking';
		this.next(async (signal) => {
			if (this.server === null) {
				await this.load(signal);
				return;
			}
			const failure = await this.ask(signal, (client, limitUs) =>
				client.wake(this.sleepLevel, limitUs, signal),
			);
			if (signal.aborted) return;
			if (failure === null) this.serve();
			else this.restart(`did not wake: ${failure.message}`);
		});
	}

	/** A call that comes from the scheduler, or from another replica. */
	takeIn(arriving: MovingCall): void {
		this.calls.add(arriving);
		// It failed while this order was on its way.
		if (this.state === 'gone') this.calls.returnAll('its replica is gone');
	}

	/** @returns false when no such call is open here */
	cancel(call: CallId): boolean {
		return this.calls.cancel(call);
	}

	/** Starts again what a controller before this one had running. */
	bringBack(reason: string, calls: readonly MovingCall[]): void {
		for (const call of calls) this.calls.add(call);
		this.parts.outbox.put({ kind: 'replica-restarting', replica: this.begin.replica, reason });
		this.start();
	}

	/**
	 * Its server slept when its controller died, and is ended by now: it is asleep for the scheduler, and started when it is to wake.
	 * @param reported whether the scheduler knows that it sleeps
	 */
	keepAsleep(reported: boolean): void {
		this.state = 'asleep';
		// What such a replica keeps, weights in host RAM included, is nothing.
		if (!reported) this.parts.outbox.put({ kind: 'replica-asleep', replica: this.begin.replica, level: 2 });
	}

	/** Ends it without a word to the scheduler. */
	close(): Promise<void> {
		this.calls.disconnect();
		this.state = 'gone';
		this.next(async () => {
			if (this.server !== null) await this.parts.launcher.end(this.server);
			this.server = null;
		});
		return this.work;
	}

	/** Null when nothing of it is left. */
	snapshot(): ReplicaSnapshot | null {
		if (this.state === 'gone') return null;
		const { replica, model, gpus } = this.begin;
		const { runningCount, size } = this.calls;
		return {
			replica,
			model,
			gpus,
			state: this.state === 'asleep' ? `asleep-${this.sleepLevel}` : this.state,
			runningCalls: runningCount,
			waitingCalls: size - runningCount,
			tokensPerSecond: this.sampler.tokensPerSecond,
		};
	}

	/** Does something when everything before it is done; that is told to hurry. */
	private next(task: (signal: AbortSignal) => Promise<void>): void {
		this.task.abort();
		this.task = new AbortController();
		const { signal } = this.task;
		// What comes after it, such as the end of its server, is done all the same.
		this.work = this.work.then(() => task(signal)).catch((error: unknown) => this.parts.broken(error));
	}

	private async load(signal: AbortSignal): Promise<void> {
		await this.endServer();
		const { launcher } = this.parts;
		const outcome = await this.onGpus(signal, () => launcher.launch(this.begin, signal));
		if (outcome === null) return;
		if ('client' in outcome) {
			this.server = outcome;
			void outcome.process?.exited.then((how) => this.died(outcome, `the server ${how}`));
			// Whatever came meanwhile finds it here and ends it.
			if (!signal.aborted) this.serve();
		} else if (signal.aborted) return;
		else if (outcome.isFinal) this.giveUp(outcome.reason);
		else this.restart(outcome.reason);
	}

	private serve(): void {
		this.state = 'awake';
		this.timeouts = 0;
		this.parts.outbox.put({ kind: 'replica-awake', replica: this.begin.replica });
		this.calls.connect(present(this.server, 'server').client);
	}

	/** Asks the server for something that changes what its GPUs hold. @returns how it failed */
	private async ask(
		signal: AbortSignal,
		request: (client: ServerClient, limitUs: number) => Promise<void>,
	): Promise<ServerFailure | null> {
		const { clock, settings } = this.parts;
		const { client } = present(this.server, 'server');
		const limitUs = timeLimitUs(clock, settings.timeouts.startSeconds);
		return this.onGpus(signal, async () => {
			try {
				await request(client, limitUs);
				return null;
			} catch (error) {
				if (error instanceof ServerFailure) return error;
				throw error;
			}
		});
	}

	/** One thing at a time on a GPU: two servers that start, or one that starts while another frees memory, miscount it. */
	private async onGpus<T>(signal: AbortSignal | null, work: () => Promise<T | null>): Promise<T | null> {
		const release = await this.parts.gpuLocks.take(this.begin.gpus, signal);
		if (release === null) return null;
		try {
			return await work();
		} finally {
			release();
		}
	}

	private async endServer(): Promise<void> {
		const { server } = this;
		if (server === null) return;
		this.server = null;
		await this.onGpus(null, async () => {
			await this.parts.launcher.end(server);
			return null;
		});
	}

	private async doubt(failure: ServerFailure): Promise<void> {
		const { server } = this;
		if (this.state !== 'awake' || server === null) return;
		if (failure.kind === 'first-token' || failure.kind === 'silence') this.timeouts++;
		if (this.timeouts >= TIMEOUTS_OF_A_HANGING_ENGINE) {
			this.died(server, `the engine hangs: ${failure.message}`);
			return;
		}
		if (this.looking?.server !== server) {
			const looking = { server, done: this.look(server) };
			this.looking = looking;
			const forget = (): void => {
				if (this.looking === looking) this.looking = null;
			};
			void looking.done.then(forget, forget);
		}
		await this.looking?.done;
	}

	private async look(server: Server): Promise<void> {
		try {
			if (!(await server.client.isHealthy())) this.died(server, 'the engine is dead (/health says 503)');
		} catch (error) {
			if (!(error instanceof ServerFailure)) throw error;
			// Any answer is a sign of life.
			if (error.kind === 'status') return;
			const how = server.process?.how ?? null;
			this.died(server, how === null ? `the server does not answer: ${error.message}` : `the server ${how}`);
		}
	}

	/** The server that was up is no more. */
	private died(server: Server, reason: string): void {
		if (server !== this.server) return;
		if (this.state === 'awake' || this.state === 'waking') this.restart(reason);
		// Its memory may have been given to others, so it cannot come back by itself.
		else if (this.state === 'falling-asleep' || this.state === 'asleep') this.giveUp(reason);
	}

	private restart(reason: string): void {
		if (this.restarts >= this.parts.settings.retries.replicaRestarts) {
			this.giveUp(this.restarts === 0 ? reason : `${reason} (restarted ${this.restarts} times before)`);
			return;
		}
		this.restarts++;
		this.calls.disconnect();
		this.parts.outbox.put({ kind: 'replica-restarting', replica: this.begin.replica, reason });
		this.start();
	}

	private giveUp(reason: string): void {
		this.state = 'gone';
		this.calls.returnAll(reason);
		this.parts.outbox.put({ kind: 'replica-failed', replica: this.begin.replica, reason });
		this.next(() => this.endServer());
	}
}
