import { arch, cpus, release, type as systemName, totalmem } from 'node:os';
import type { EngineMeasurement } from '../../live/measure/measure-engine.ts';
import type { SleepMeasurement } from '../../live/measure/measure-sleep.ts';
import type { MeasuredProfile } from '../../traces/index.ts';
import { present } from '../domain/errors.ts';
import type { BackendName } from '../domain/live.ts';
import type { ReplicaProfile } from '../domain/model.ts';
import type { Setup } from '../domain/setup.ts';
import { secondsFromUs, type TimeUs } from '../domain/units.ts';
import { fitLengths } from '../study/fit-lengths.ts';
import type { ProfileFit } from './profile-fit.ts';

export interface ProfileParts {
	readonly setup: Setup;
	/** As it was started. */
	readonly replica: ReplicaProfile;
	readonly measurement: EngineMeasurement;
	readonly fitted: ProfileFit;
	/** Tasks of the questions that were asked. */
	readonly tasks: readonly string[];
	readonly backend: BackendName;
	/** What was typed after `mosaic`. */
	readonly command: readonly string[];
	readonly version: string;
	readonly now: Date;
}

/** All tasks of a question file share one distribution: each alone has too few questions for one. */
function lengthsOf({ measurement, tasks, setup, replica }: ProfileParts): MeasuredProfile['lengths'] {
	const { lengths } = measurement;
	const model = setup.models.find(({ id }) => id === replica.model);
	if (lengths.length === 0 || model === undefined) return {};
	const { distribution, samples, ksDistance } = fitLengths(lengths, model.outputLimitTokens);
	const { scale: _, ...parameters } = distribution;
	const expert = { ...parameters, samples, ksDistance } as NonNullable<
		MeasuredProfile['lengths'][string]['expert']
	>;
	return Object.fromEntries(tasks.map((task) => [task, { expert }]));
}

type Timing = MeasuredProfile['times']['load'];

/** Everything that was measured, as a profile file that experiments take as it is. */
export function profileDocument(parts: ProfileParts): MeasuredProfile {
	const { setup, replica, measurement, fitted, backend, command, version, now } = parts;
	const model = present(
		setup.models.find(({ id }) => id === replica.model),
		`model ${replica.model}`,
	);
	const { fit, basis, unread } = fitted;
	const { stepErrorPercent } = fit;
	const { words, engine } = measurement;
	const gpu = present(
		setup.cluster.gpus.find(({ type }) => type === replica.gpuType),
		`gpu of type ${replica.gpuType}`,
	);
	return {
		format: 1,
		about: `${model.id} on ${replica.tensorParallel} x ${replica.gpuType}, measured`,
		model: {
			...model,
			tokenizer: tokenizerOf(setup, model.id),
			...(words.tokensPerByte === null ? {} : { tokensPerByte: words.tokensPerByte }),
			chatWrapperTokens: words.chatWrapperTokens ?? 0,
		},
		gpu: {
			type: replica.gpuType,
			memoryBytes: gpu.memoryBytes,
			...(gpu.sharedSpeeds === undefined ? {} : { sharedSpeeds: [...gpu.sharedSpeeds] }),
		},
		tensorParallel: replica.tensorParallel,
		engine: {
			name: backend === 'emulator' ? 'mosaic emulator' : 'vllm',
			version: measurement.version,
			config: engine,
		},
		step: fit.cost,
		stepFit: {
			steps: fit.steps,
			meanErrorPercent: stepErrorPercent.mean,
			p95ErrorPercent: stepErrorPercent.p95,
			maxErrorPercent: stepErrorPercent.max,
		},
		times: {
			load: timing(measurement.loadUs),
			stop: timing(measurement.stopUs),
			sleep1: sleepTimings(measurement.sleep[1]),
			sleep2: sleepTimings(measurement.sleep[2]),
		},
		memory: memoryOf(parts, model.weightBytes),
		lengths: lengthsOf(parts),
		source: {
			date: now.toISOString().slice(0, 10),
			command: ['mosaic', ...command].join(' '),
			machine: machineText(),
			version,
			note: [
				`step times from the ${basis === 'log' ? "server's log" : "client's clock"}`,
				`a call takes ${Math.round(fit.frontEndDelayUs)} us more on its way to the engine and back`,
				...earlyLoads(measurement.earlyLoadUs),
				...(unread.length === 0 ? [] : [`left out: ${unread.join('; ')}`]),
			].join('; '),
		},
	};
}

/** A run's first load may take so long, on a machine that has not read the files for some time. */
const earlyLoads = (loadsUs: readonly TimeUs[]): readonly string[] =>
	loadsUs.length === 0
		? []
		: [`before loads had settled they took up to ${secondsFromUs(Math.max(...loadsUs)).toFixed(2)} s`];

/** What a live run orders by: on a GPU the share that the server was given, else what its processes really take. */
function memoryOf(
	{ replica, measurement, setup, backend }: ProfileParts,
	weightBytes: number,
): MeasuredProfile['memory'] {
	const { sleep, hostBytes } = measurement;
	const isOnCores = backend === 'vllm' && setup.live.vllm.device === 'cpu';
	const level = sleep[1] ?? sleep[2];
	return {
		gpuBytesPerGpu: isOnCores && hostBytes !== null ? hostBytes : replica.gpuBytesPerGpu,
		sleepingGpuBytesPerGpu: level === null ? 0 : (level.sleepingGpuBytes ?? replica.sleepingGpuBytesPerGpu),
		sleepingHostBytes: sleep[1] === null ? 0 : weightBytes,
	};
}

function timing(timesUs: readonly TimeUs[]): Timing {
	const sorted = [...timesUs].sort((a, b) => a - b);
	const middle = sorted.length / 2;
	const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
	return {
		seconds: secondsFromUs(median),
		lowSeconds: secondsFromUs(sorted[0] ?? 0),
		highSeconds: secondsFromUs(sorted.at(-1) ?? 0),
		samples: sorted.length,
	};
}

const sleepTimings = (
	measured: SleepMeasurement | null,
): { readonly sleep: Timing; readonly wake: Timing } | null =>
	measured === null ? null : { sleep: timing(measured.sleepUs), wake: timing(measured.wakeUs) };

/** The experiment that was measured in says it; what was resolved from it does not carry it. */
function tokenizerOf({ resolved }: Setup, id: string): string {
	const models = resolved.models as Readonly<Record<string, { readonly tokenizer?: string }>> | undefined;
	return models?.[id]?.tokenizer ?? 'qwen2_5';
}

function machineText(): string {
	const processors = cpus();
	const gib = (totalmem() / 2 ** 30).toFixed(0);
	return `${processors.length} x ${processors[0]?.model.trim() ?? arch()}, ${gib} GiB, ${systemName()} ${release()}`;
}
