/** A live executor on servers that a test holds in its hands. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Backend, ServerCommand } from '../../../live/backend.ts';
import type { LiveClock } from '../../../live/clock.ts';
import type { CallContent, CallPrompt, CallReply } from '../../../live/content.ts';
import { LiveExecutor } from '../../../live/executor/live-executor.ts';
import type { Happening, ProcessRecord } from '../../../live/happening.ts';
import type { ExecutorEvent, ReplicaStart } from '../../../sim/core/executor.ts';
import type { UsageError } from '../../../sim/domain/errors.ts';
import { callId, gpuId, modelId, queryId, replicaId } from '../../../sim/domain/ids.ts';
import type { LiveSettings } from '../../../sim/domain/live.ts';
import type { EngineConfig } from '../../../sim/domain/model.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { FakeVllm } from '../../support/fake-vllm.ts';
import { FLAT_STEP, SMALL_ENGINE, SMALL_LIVE } from '../../support/setup-builder.ts';

export interface StandOptions {
	/** Server of each replica by its id; its address is looked up anew at each start. */
	readonly servers?: Readonly<Record<string, FakeVllm>>;
	/** Words of a real process for a replica instead, after `node`. */
	readonly command?: (start: ReplicaStart, port: number) => readonly string[];
	readonly settings?: Partial<LiveSettings>;
	readonly clock?: LiveClock;
	readonly sampleUs?: number;
	readonly sleepRefusal?: string;
	readonly runId?: string;
	readonly prompt?: (call: Call) => CallPrompt;
}

type EventOf<Kind extends ExecutorEvent['kind']> = Extract<ExecutorEvent, { kind: Kind }>;

export class Stand {
	readonly clock: FakeClock;
	readonly executor: LiveExecutor;
	readonly folder = mkdtempSync(path.join(tmpdir(), 'mosaic-executor-'));
	readonly happenings: Happening[] = [];
	readonly records: ProcessRecord[] = [];
	readonly mistakes: UsageError[] = [];
	readonly read: { readonly call: string; readonly reply: CallReply }[] = [];
	readonly forgotten: string[] = [];
	onRecord: (record: ProcessRecord) => void = () => undefined;
	private taken = 0;
	private wake: () => void = () => undefined;

	constructor(options: StandOptions) {
		stands.add(this);
		this.clock = new FakeClock();
		const { settings, clock = this.clock, sampleUs = 1e12, runId = `stand-${process.pid}` } = options;
		this.executor = new LiveExecutor({
			backend: backendOf(options),
			clock,
			content: this.content(options),
			settings: { ...SMALL_LIVE, firstPort: 18_100 + (process.pid % 1000) * 10, ...settings },
			runId,
			logFolder: this.folder,
			sampleUs,
			happened: (happening) => {
				this.happenings.push(happening);
				this.wake();
			},
			process: (record) => {
				this.records.push(record);
				this.onRecord(record);
			},
			environment: process.env,
			mistake: (error) => this.mistakes.push(error),
		});
	}

	/** The next event that nobody has taken; everything that happens has to be taken in turn. */
	async event(): Promise<ExecutorEvent> {
		while (this.happenings.length <= this.taken)
			await new Promise<void>((resolve) => {
				this.wake = resolve;
			});
		return (this.happenings[this.taken++] as Happening).event;
	}

	/** The next event, which must be of this kind. */
	async expect<Kind extends ExecutorEvent['kind']>(kind: Kind): Promise<EventOf<Kind>> {
		const event = await this.event();
		if (event.kind !== kind) throw new Error(`expected ${kind}, got ${JSON.stringify(event)}`);
		return event as EventOf<Kind>;
	}

	/** Everything that has happened and was not taken. */
	rest(): readonly ExecutorEvent[] {
		return this.happenings.slice(this.taken).map(({ event }) => event);
	}

	/** Tokens that all calls have brought, those of failed attempts included. */
	get tokensSeen(): number {
		// biome-ignore lint/complexity/useLiteralKeys: nothing else tells when a token has arrived
		return [...this.executor['replicas'].values()].reduce((sum, { calls }) => sum + calls.tokensSeen, 0);
	}

	/** Starts a replica and waits until it is awake. */
	async up(replica = 'r0', gpus = ['gpu0']): Promise<void> {
		this.executor.start(startOf(replica, gpus));
		await this.expect('replica-awake');
	}

	async close(): Promise<void> {
		stands.delete(this);
		await this.executor.close();
		rmSync(this.folder, { recursive: true, force: true });
	}

	private content(options: StandOptions): CallContent {
		return {
			prompt: options.prompt ?? ((call) => idPrompt(call)),
			read: (call, reply) => {
				this.read.push({ call: call.id, reply });
				return { answer: reply.text, answerTokens: reply.outputTokens };
			},
			forget: (call) => void this.forgotten.push(call),
		};
	}
}

const stands = new Set<Stand>();

/** For afterEach: a test that fails leaves no process either. */
export async function closeStands(): Promise<void> {
	for (const stand of stands) await stand.close();
}

export const R0 = replicaId('r0');

export const startOf = (
	replica: string,
	gpus = ['gpu0'],
	engine: Partial<EngineConfig> = {},
): ReplicaStart => ({
	replica: replicaId(replica),
	model: modelId('m'),
	gpus: gpus.map(gpuId),
	profile: {
		model: modelId('m'),
		gpuType: 'test-gpu',
		tensorParallel: gpus.length,
		engine: { ...SMALL_ENGINE, ...engine },
		step: FLAT_STEP,
		loadUs: 1e6,
		stopUs: 0,
		sleep: { 1: { sleepUs: 1, wakeUs: 1 }, 2: { sleepUs: 1, wakeUs: 1 } },
		gpuBytesPerGpu: 1e9,
		sleepingGpuBytesPerGpu: 1e9,
		sleepingHostBytes: 1e9,
	},
});

export const callOf = (id: string, promptTokens = 3, maxOutputTokens = 100): Call => ({
	id: callId(id),
	query: queryId('q0'),
	task: 'test',
	role: 'expert',
	slotIndex: 0,
	model: modelId('m'),
	promptTokens,
	maxOutputTokens,
});

export const idPrompt = (call: Call): CallPrompt => ({
	endpoint: 'completions',
	body: { prompt: Array(call.promptTokens).fill(11), ignore_eos: true },
	maxTokens: call.maxOutputTokens,
	promptTokens: call.promptTokens,
});

function backendOf({ servers = {}, command, sleepRefusal = null as never }: StandOptions): Backend {
	return {
		name: command === undefined ? 'endpoint' : 'vllm',
		takesScripts: false,
		sleepRefusal: sleepRefusal ?? null,
		check: async () => undefined,
		command(start, port): ServerCommand | null {
			if (command === undefined) return null;
			return { executable: process.execPath, arguments: command(start, port), environment: {} };
		},
		prepare: () => undefined,
		address(start, port) {
			const fake = servers[start.replica];
			return { baseUrl: fake?.url ?? `http://127.0.0.1:${port}`, servedModel: 'm', apiKey: null };
		},
		released: async () => undefined,
	};
}
