import type { ReplicaSnapshot } from '../../live/happening.ts';
import type { LiveProgress } from '../../live/run/parts.ts';
import type { GpuId } from '../domain/ids.ts';
import type { Setup } from '../domain/setup.ts';
import { secondsFromUs } from '../domain/units.ts';
import { columns } from './columns.ts';
import type { TimeLeft } from './live-time-left.ts';
import { plural } from './plural.ts';

export interface LiveLinesRequest {
	readonly setup: Pick<Setup, 'cluster' | 'queries'>;
	readonly progress: LiveProgress;
	readonly left: TimeLeft | null;
	/** Run seconds in a wall second. */
	readonly speed: number;
	readonly width: number;
	/** At most so many lines. */
	readonly height: number;
}

/** The state of a live run for a terminal: a line for each GPU, or group of GPUs that serve together, then how far the run is. */
export function liveLines({ setup, progress, left, speed, width, height }: LiveLinesRequest): string[] {
	const rows = gpuRows(
		setup.cluster.gpus.map(({ id }) => id),
		progress.replicas,
	);
	const shown = rows.length + 1 > height ? rows.slice(0, Math.max(0, height - 2)) : rows;
	return [
		...columns(shown, 3),
		...(shown.length < rows.length ? [`and ${plural(rows.length - shown.length, 'more line')}`] : []),
		runLine(setup.queries.length, progress, left, speed),
	].map((line) => line.slice(0, Math.max(1, width - 1)));
}

function gpuRows(gpus: readonly GpuId[], replicas: readonly ReplicaSnapshot[]): string[][] {
	const there = replicas.filter(({ state }) => state !== 'stopped' && state !== 'failed');
	const rows = new Map<string, string[]>();
	for (const gpu of gpus) {
		const here = there.filter((replica) => replica.gpus.includes(gpu));
		if (here.length === 0) rows.set(gpu, [gpu, '-', '', '', '', '']);
		for (const replica of here) {
			const { model, state, runningCalls, waitingCalls, tokensPerSecond } = replica;
			rows.set(replica.replica, [
				replica.gpus.join('+'),
				model,
				state,
				`${runningCalls} running`,
				`${waitingCalls} waiting`,
				`${Math.round(tokensPerSecond)} tokens/s`,
			]);
		}
	}
	return [...rows.values()];
}

function runLine(total: number, progress: LiveProgress, left: TimeLeft | null, speed: number): string {
	const scaled = speed === 1 ? '' : ` (${speed} times real time)`;
	const parts = [
		`${progress.settledQueries} of ${total} queries decided`,
		`${clockText(secondsFromUs(progress.nowUs))} of run time${scaled}`,
	];
	if (progress.plan === null) parts.push('planning');
	else if (left !== null) {
		const basis = left.basis === 'plan' ? "the plan's forecast" : 'the calls so far';
		parts.push(`about ${durationText(left.seconds / speed)} left by ${basis}`);
	}
	return parts.join(', ');
}

/** `0:07`, `12:34`, `1:02:03`. */
function clockText(seconds: number): string {
	const whole = Math.floor(seconds);
	const pad = (part: number): string => String(part).padStart(2, '0');
	const minutes = Math.floor(whole / 60);
	return minutes < 60
		? `${minutes}:${pad(whole % 60)}`
		: `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/** With as much precision as such an estimate deserves. */
function durationText(seconds: number): string {
	if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
	if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
	return `${(seconds / 3600).toFixed(1)} h`;
}
