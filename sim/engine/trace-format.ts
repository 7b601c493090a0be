import type { PromptSegment } from '../domain/engine.ts';
import { UsageError } from '../domain/errors.ts';
import type { EngineConfig } from '../domain/model.ts';
import { TraceField } from './trace-field.ts';

/** One recording of vLLM's scheduler: a workload and what every step of it did. Time is counted in steps. */
export interface SchedulerTrace {
	readonly name: string;
	readonly config: EngineConfig;
	readonly requests: readonly TraceRequest[];
	readonly steps: readonly TraceRow[];
}

/** Its id is its position. */
export interface TraceRequest {
	/** Step before which it is submitted. */
	readonly arrive: number;
	readonly prompt: readonly PromptSegment[];
	/** Tokens it produces. */
	readonly output: number;
	readonly end: 'length' | 'stop';
	readonly maxTokens: number;
	readonly priority: number;
	/** Step before which it is aborted, after that step's arrivals. */
	readonly abort: number | null;
	/** How often it was preempted. */
	readonly preemptions: number;
}

/** `n` equal steps in a row. Ids are positions of requests. */
export interface TraceRow {
	/** Number of the first of them. */
	readonly t: number;
	readonly n: number;
	/** [id, tokens] in the order scheduled; empty when the call only preempted. */
	readonly s: readonly IdAndTokens[];
	/** [id, cached tokens] of admitted, then of resumed requests. */
	readonly adm: readonly IdAndTokens[];
	readonly pre: readonly number[];
	/** Ended by the output of the last of the steps. */
	readonly fin: readonly number[];
	readonly abo: readonly number[];
	/** Aborted before a later call that left no row. */
	readonly late: readonly number[];
	readonly run: number;
	readonly wait: number;
	/** Blocks not free after scheduling the first step, and the last. */
	readonly used: number;
	readonly used2: number;
}

export type IdAndTokens = readonly [id: number, tokens: number];

/**
 * Reads one line of a scheduler recording.
 * @param where file and line, for the message, e.g. `scheduler-small.jsonl.gz:17`
 * @throws UsageError E_TRACE: not JSON, a field missing or of another kind, an id that names no request, what no scheduler could carry out
 */
export function parseTrace(line: string, where: string): SchedulerTrace {
	let json: unknown;
	try {
		json = JSON.parse(line);
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		throw new UsageError('E_TRACE', `${where}: expected one JSON object a line, got broken JSON (${reason})`);
	}
	const trace = new TraceField(where, '', json);
	trace.oneOf('format', [1]);
	const config = parseConfig(trace.child('config'));
	const requests = trace.list('requests').map((request) => parseRequest(request, config));
	return {
		name: trace.text('name'),
		config,
		requests,
		steps: trace.list('steps').map((row) => parseRow(row, requests.length)),
	};
}

function parseConfig(config: TraceField): EngineConfig {
	const maxNumSeqs = config.whole('maxNumSeqs', 1);
	const maxNumBatchedTokens = config.whole('maxNumBatchedTokens', 1);
	if (maxNumBatchedTokens < maxNumSeqs)
		throw config.child('maxNumBatchedTokens').error(`at least maxNumSeqs (${maxNumSeqs})`);
	return {
		blockSize: config.whole('blockSize', 1),
		numGpuBlocks: config.whole('numGpuBlocks', 2),
		maxNumSeqs,
		maxNumBatchedTokens,
		maxModelLen: config.whole('maxModelLen', 2),
		longPrefillTokenThreshold: config.whole('longPrefillTokenThreshold'),
		policy: config.oneOf('policy', ['fcfs', 'priority']),
		asyncScheduling: config.oneOf('asyncScheduling', [false, true]),
		watermark: config.share('watermark'),
		reserveFullIsl: config.oneOf('reserveFullIsl', [false, true]),
		prefixCaching: config.oneOf('prefixCaching', [false, true]),
	};
}

function parseRequest(request: TraceField, config: EngineConfig): TraceRequest {
	const { maxModelLen, blockSize, numGpuBlocks } = config;
	const prompt = request
		.list('prompt')
		.map((segment): PromptSegment => [segment.text(0), segment.whole(1), segment.whole(2)]);
	const promptTokens = prompt.reduce((sum, [, , length]) => sum + length, 0);
	if (promptTokens < 1 || promptTokens >= maxModelLen)
		throw request.child('prompt').error(`lengths that add up to 1 to ${maxModelLen - 1} tokens`);
	const output = request.whole('output', 1);
	const maxTokens = request.whole('maxTokens', 1);
	const abort = request.isNull('abort') ? null : request.whole('abort');
	// The last token is never computed. One that is aborted may wait in vain.
	const computed = Math.min(promptTokens + Math.min(output, maxTokens), maxModelLen) - 1;
	const mostTokens = (numGpuBlocks - 1) * blockSize;
	if (abort === null && computed > mostTokens)
		throw request.child('output').error(`an end within the ${mostTokens} tokens of numGpuBlocks`);
	return {
		arrive: request.whole('arrive'),
		prompt,
		output,
		end: request.oneOf('end', ['length', 'stop']),
		maxTokens,
		priority: request.whole('priority', Number.MIN_SAFE_INTEGER),
		abort,
		preemptions: request.whole('preemptions'),
	};
}

function parseRow(row: TraceField, requestCount: number): TraceRow {
	const ids = (key: string) => row.list(key).map((id) => id.position(requestCount));
	const pairs = (key: string) =>
		row.list(key).map((pair): IdAndTokens => [pair.child(0).position(requestCount), pair.whole(1)]);
	const n = row.whole('n', 1);
	const used = row.whole('used');
	if (n === 1) row.oneOf('used2', [used]);
	return {
		t: row.whole('t'),
		n,
		s: pairs('s'),
		adm: pairs('adm'),
		pre: ids('pre'),
		fin: ids('fin'),
		abo: ids('abo'),
		late: row.has('late') ? ids('late') : [],
		run: row.whole('run'),
		wait: row.whole('wait'),
		used,
		used2: row.whole('used2'),
	};
}
