import type { EmulatorConfig } from '../../../live/emulator/config.ts';
import { didYouMean } from '../../../traces/index.ts';
import { UsageError } from '../../domain/errors.ts';
import { oneOf } from '../../domain/one-of.ts';
import type { Setup } from '../../domain/setup.ts';
import type { Arguments } from '../arguments.ts';
import type { Io } from '../io.ts';
import { experimentReference, loadSetup } from '../load-setup.ts';

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8000;

/**
 * An emulator of one model of an experiment on its first GPUs, with the lengths that the experiment gives the model.
 * @throws UsageError for a model or a tensor parallelism that the experiment has no profile of
 */
export function standAloneConfig(experiment: string, args: Arguments, io: Io): EmulatorConfig {
	const { setup } = loadSetup(
		{
			experiment: experimentReference(experiment, io.cwd),
			sets: args.sets(),
			seed: args.whole('seed', 0),
		},
		io.clockSeconds,
	);
	const profile = profileOf(setup, args);
	const gpus = setup.cluster.gpus
		.filter(({ type }) => type === profile.gpuType)
		.slice(0, profile.tensorParallel);
	const lengths = setup.lengths.find(({ model }) => model === profile.model)?.distribution;
	return {
		servedModel: profile.model,
		profile,
		gpus: gpus.map(({ id, memoryBytes }) => ({ gpu: id, memoryBytes })),
		host: args.text('host') ?? DEFAULT_HOST,
		port: portOf(args),
		speed: speedOf(args),
		seed: setup.seed,
		spawnedAtMs: null,
		gpuMemoryFolder: null,
		faults: setup.live.emulator.faults[profile.model] ?? [],
		apiKeyVariable: args.text('api-key-variable') ?? null,
		endsWithStdin: false,
		...(lengths === undefined ? {} : { lengths }),
	};
}

function profileOf({ models, profiles }: Setup, args: Arguments): EmulatorConfig['profile'] {
	const names = models.map(({ id }) => id as string);
	const wanted = args.text('model') ?? (names.length === 1 ? names[0] : undefined);
	if (wanted === undefined || !names.includes(wanted))
		throw new UsageError(
			'E_UNKNOWN_MODEL',
			`option --model: expected ${oneOf(names)}, got ${wanted === undefined ? 'nothing' : `'${wanted}'${didYouMean(wanted, names)}`}`,
		);
	const tensorParallel = args.whole('tensor-parallel', 1);
	const possible = profiles.filter(({ model }) => model === wanted);
	const profile =
		tensorParallel === undefined
			? possible[0]
			: possible.find((each) => each.tensorParallel === tensorParallel);
	if (profile !== undefined) return profile;
	const sizes = [...new Set(possible.map((each) => each.tensorParallel))];
	throw new UsageError(
		'E_TENSOR_PARALLEL',
		`option --tensor-parallel: expected ${oneOf(sizes)} for ${wanted}, got '${tensorParallel}'`,
	);
}

function portOf(args: Arguments): number {
	const port = args.whole('port', 0) ?? DEFAULT_PORT;
	if (port <= 65_535) return port;
	throw new UsageError('E_OPTION_VALUE', `option --port: expected a port from 0 to 65535, got '${port}'`);
}

function speedOf(args: Arguments): number {
	const given = args.text('speed') ?? '1';
	const speed = given.trim() === '' ? Number.NaN : Number(given);
	if (Number.isFinite(speed) && speed > 0) return speed;
	throw new UsageError('E_OPTION_VALUE', `option --speed: expected a number above 0, got '${given}'`);
}
