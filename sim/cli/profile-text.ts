import type { MeasuredProfile } from '../../traces/index.ts';
import { columns } from './columns.ts';

/** What was measured, for people. `refusal`: why the engine cannot sleep, where it cannot. */
export function profileText(profile: MeasuredProfile, refusal: string | null): string {
	const { model, gpu, tensorParallel, engine, step, stepFit, times, memory } = profile;
	const time = ({ seconds, lowSeconds, highSeconds, samples }: MeasuredProfile['times']['load']): string =>
		`${seconds.toFixed(2)} s (${lowSeconds.toFixed(2)} to ${highSeconds.toFixed(2)}, ${samples} times)`;
	const sleep = (level: MeasuredProfile['times']['sleep1']): string =>
		level === null
			? `cannot${refusal === null ? '' : `: ${refusal}`}`
			: `asleep in ${time(level.sleep)}, awake in ${time(level.wake)}`;
	const { config } = engine;
	const rows = [
		['model', `${model.id} on ${tensorParallel} x ${gpu.type}`],
		['engine', `${engine.name} ${engine.version}`],
		['load', time(times.load)],
		['stop', time(times.stop)],
		['sleep level 1', sleep(times.sleep1)],
		['sleep level 2', sleep(times.sleep2)],
		['memory', `${gigabytes(memory.gpuBytesPerGpu)} on each GPU`],
		[
			'KV cache',
			`${config.numGpuBlocks} blocks of ${config.blockSize} tokens, ${gigabytes(config.numGpuBlocks * config.blockSize * model.kvBytesPerToken)}`,
		],
		['step', stepText(step)],
		[
			'error of a step',
			`mean ${stepFit.meanErrorPercent.toFixed(1)} %, p95 ${stepFit.p95ErrorPercent.toFixed(1)} %, worst ${stepFit.maxErrorPercent.toFixed(1)} % (${stepFit.steps} steps)`,
		],
		['source', profile.source.note ?? ''],
	];
	return `${columns(rows).join('\n')}\n`;
}

function stepText(step: MeasuredProfile['step']): string {
	const value = (number: number): string => String(Number(number.toPrecision(4)));
	return Object.entries(step)
		.filter(([name, number = 0]) => number > 0 || name === 'baseUs')
		.map(([name, number = 0]) => `${name} ${value(number)}`)
		.join(', ');
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
