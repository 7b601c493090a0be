import { setMaxListeners } from 'node:events';
import type { EngineConfig, SleepLevel } from '../../sim/domain/model.ts';
import type { Question } from '../../sim/domain/question.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import { type MeasuredLength, measureLengths } from './measure-lengths.ts';
import { measureSleep, type SleepMeasurement } from './measure-sleep.ts';
import { type GridResult, measureSteps } from './measure-steps.ts';
import { measureWords, type WordMeasurement } from './measure-words.ts';
import { type MeasuredServer, type MeasuredServerParts, startMeasured } from './measured-server.ts';
import { gpuBytesPerGpu, hostBytes } from './server-memory.ts';

export interface EngineOrders extends MeasuredServerParts {
	/** Times that it is started and stopped at least, and that its loads are to be about equal in a row; at least 1. */
	readonly starts: number;
	/** Times it is put to sleep and woken, for each level. */
	readonly sleeps: number;
	/** To be asked for the lengths of its answers; empty: none. */
	readonly questions: readonly Question[];
	/** Output tokens of such an answer at most. */
	readonly outputLimitTokens: number;
	readonly progress: (remark: string) => void;
}

/** What was measured on one engine. */
export interface EngineMeasurement {
	readonly version: string;
	/** As ordered, but for what the server itself says. */
	readonly engine: EngineConfig;
	/** The last ones, as many as were ordered. */
	readonly loadUs: readonly TimeUs[];
	/** Those before: the machine had not read the files yet, or was at something else. */
	readonly earlyLoadUs: readonly TimeUs[];
	readonly stopUs: readonly TimeUs[];
	/** Null for a level at which it cannot sleep. */
	readonly sleep: Readonly<Record<SleepLevel, SleepMeasurement | null>>;
	readonly grid: readonly GridResult[];
	readonly words: WordMeasurement;
	/** One for each question. */
	readonly lengths: readonly MeasuredLength[];
	/** While awake, after the grid; null when nobody can say. */
	readonly hostBytes: number | null;
	readonly gpuBytesPerGpu: number | null;
}

/**
 * Starts an engine until its loads have settled, and measures the last start of it through and through. On a machine that has not read the weights and the
 * libraries yet a load can take three times as long as the ones that follow, and those are what a run meets.
 */
export async function measureEngine(orders: EngineOrders): Promise<EngineMeasurement> {
	const { backend, start, clock, starts, signal, progress } = orders;
	const { takesScripts } = backend;
	// One for each call that is open.
	setMaxListeners(0, signal);
	const loads: TimeUs[] = [];
	const stopUs: TimeUs[] = [];
	const startNext = (): Promise<MeasuredServer> => {
		progress(`start ${loads.length + 1} of ${Math.max(starts, loads.length + 1)}`);
		return startMeasured(orders);
	};
	let server = await startNext();
	loads.push(server.loadUs);
	while (!hasSettled(loads, starts)) {
		stopUs.push(await server.stop());
		signal.throwIfAborted();
		server = await startNext();
		loads.push(server.loadUs);
	}
	const [earlyLoadUs, loadUs] = [loads.slice(0, -starts), loads.slice(-starts)];
	try {
		const { client } = server;
		const version = await client.version();
		const engine = await engineOf(orders, client);
		const grid = await measureSteps(server, {
			engine,
			clock,
			takesScripts,
			signal,
			progress: (done, of, name) => progress(`${name} (${done + 1} of ${of})`),
		});
		const pids = server.processes();
		const memory = { hostBytes: hostBytes(pids), gpuBytesPerGpu: await gpuBytesPerGpu(pids) };
		const words = await measureWords(client);
		const { questions, outputLimitTokens } = orders;
		if (questions.length > 0) progress(`asking ${questions.length} questions`);
		const lengths = await measureLengths(client, {
			questions,
			...orders.settings.requests,
			limitTokens: outputLimitTokens,
			concurrency: engine.maxNumSeqs,
			signal,
		});
		const asleep = async (level: SleepLevel): Promise<SleepMeasurement | null> => {
			if (backend.sleepRefusal !== null || start.profile.sleep[level] === null) return null;
			progress(`sleep level ${level}`);
			const gpuBytes = () => gpuBytesPerGpu(pids);
			return measureSleep(client, level, orders.sleeps, clock, takesScripts, gpuBytes, signal);
		};
		const sleep = { 1: await asleep(1), 2: await asleep(2) };
		stopUs.push(await server.stop());
		return { version, engine, loadUs, earlyLoadUs, stopUs, sleep, grid, words, lengths, ...memory };
	} catch (error) {
		await server.stop();
		throw error;
	}
}

/** Whether the last ones are about equal; or one has waited long enough for that. */
export function hasSettled(loads: readonly TimeUs[], starts: number): boolean {
	if (loads.length < starts) return false;
	const last = loads.slice(-starts);
	return Math.max(...last) <= SETTLED * Math.min(...last) || loads.length >= starts + MOST_EARLY_STARTS;
}

const SETTLED = 1.25;
const MOST_EARLY_STARTS = 4;

/** Settings as the server has them: the number of blocks is what it found room for. */
async function engineOf(
	{ start }: EngineOrders,
	client: Awaited<ReturnType<typeof startMeasured>>['client'],
): Promise<EngineConfig> {
	const ordered = start.profile.engine;
	const { blockSize, numGpuBlocks, prefixCaching } = await client.gauges();
	const served = (await client.models()).find(({ id }) => id === start.model);
	return {
		...ordered,
		blockSize: blockSize ?? ordered.blockSize,
		numGpuBlocks: numGpuBlocks ?? ordered.numGpuBlocks,
		prefixCaching: prefixCaching ?? ordered.prefixCaching,
		maxModelLen: served?.maxModelLen ?? ordered.maxModelLen,
	};
}
