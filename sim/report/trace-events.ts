import type { RunRecord } from '../domain/run-log.ts';
import type { TimeUs } from '../domain/units.ts';
import { type GpuInterval, gpuTimeline } from './gpu-time.ts';

/** The part of the Trace Event Format that a run needs; times and durations are microseconds. */
type TraceEvent =
	| {
			readonly ph: 'M';
			readonly name: string;
			readonly pid: number;
			readonly tid?: number;
			readonly args: { readonly name: string };
	  }
	| {
			readonly ph: 'X';
			readonly name: string;
			readonly cat: string;
			readonly pid: number;
			readonly tid: number;
			readonly ts: TimeUs;
			readonly dur: TimeUs;
			readonly args: Readonly<Record<string, string>>;
	  }
	| {
			readonly ph: 'i';
			readonly name: string;
			readonly pid: number;
			readonly ts: TimeUs;
			/** Drawn across the tracks of its process. */
			readonly s: 'p';
			readonly args: Readonly<Record<string, string>>;
	  }
	| {
			readonly ph: 'C';
			readonly name: string;
			readonly pid: number;
			readonly ts: TimeUs;
			readonly args: Readonly<Record<string, number>>;
	  };

export interface TraceDocument {
	readonly displayTimeUnit: 'ms';
	readonly traceEvents: readonly TraceEvent[];
}

const GPUS = 1;
const ENGINES = 2;

/**
 * A run for trace viewers (Perfetto, chrome://tracing): one track per GPU with what it does at every microsecond, and per engine the
 * sequences running and waiting and the KV blocks in use. Replicas that failed and calls that they gave back are marked.
 */
export function traceEvents(records: readonly RunRecord[]): TraceDocument {
	const timeline = gpuTimeline(records);
	const tracks = [...new Set(timeline.map(({ gpu }) => gpu))];
	return {
		displayTimeUnit: 'ms',
		traceEvents: [
			{ ph: 'M', name: 'process_name', pid: GPUS, args: { name: 'GPUs' } },
			{ ph: 'M', name: 'process_name', pid: ENGINES, args: { name: 'engines' } },
			...tracks.map(
				(gpu, index): TraceEvent => ({
					ph: 'M',
					name: 'thread_name',
					pid: GPUS,
					tid: index,
					args: { name: gpu },
				}),
			),
			...timeline.map((interval) => span(interval, tracks.indexOf(interval.gpu))),
			...records.flatMap(gauges),
			...records.flatMap(mishaps),
		],
	};
}

function span({ state, model, replica, fromUs, toUs }: GpuInterval, tid: number): TraceEvent {
	const what = model === null ? state : state === 'busy' ? model : `${state} ${model}`;
	const args = replica === null ? {} : { replica };
	return { ph: 'X', name: what, cat: state, pid: GPUS, tid, ts: fromUs, dur: toUs - fromUs, args };
}

function mishaps(record: RunRecord): readonly TraceEvent[] {
	const { timeUs: ts } = record;
	const mark = (name: string, reason: string): TraceEvent[] => [
		{ ph: 'i', name, pid: ENGINES, ts, s: 'p', args: { reason } },
	];
	if (record.type === 'call-returned') return mark(`${record.call} returned`, record.reason);
	if (record.type !== 'replica-changed' || record.reason === undefined) return [];
	return mark(`${record.replica} ${record.state === 'failed' ? 'failed' : 'restarts'}`, record.reason);
}

function gauges(record: RunRecord): readonly TraceEvent[] {
	if (record.type !== 'engine-sample') return [];
	const { timeUs: ts, replica, running, waiting, usedBlocks } = record;
	return [
		{ ph: 'C', name: `${replica} sequences`, pid: ENGINES, ts, args: { running, waiting } },
		{ ph: 'C', name: `${replica} KV blocks`, pid: ENGINES, ts, args: { used: usedBlocks } },
	];
}
