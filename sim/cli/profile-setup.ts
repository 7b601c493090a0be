import { existsSync } from 'node:fs';
import path from 'node:path';
import { didYouMean } from '../../traces/index.ts';
import type { ReplicaStart } from '../core/executor.ts';
import { UsageError } from '../domain/errors.ts';
import { replicaId } from '../domain/ids.ts';
import type { BackendName } from '../domain/live.ts';
import type { ReplicaProfile } from '../domain/model.ts';
import { oneOf } from '../domain/one-of.ts';
import type { Setup } from '../domain/setup.ts';
import type { Arguments } from './arguments.ts';
import type { Io } from './io.ts';
import { experimentReference, loadSetup } from './load-setup.ts';
import { readModelFolder } from './model-folder.ts';
import { checkName } from './names.ts';
import { nvidiaMachine } from './nvidia-machine.ts';
import { cpuMachine, profileExperiment } from './profile-experiment.ts';
import type { RunFolder } from './run-folder.ts';

/** The experiment that was named, or one made for a model folder. */
export async function profileSetup(
	backend: BackendName,
	folder: RunFolder,
	args: Arguments,
	io: Io,
): Promise<Setup> {
	const named = args.text('experiment');
	const request = { sets: args.sets(), seed: args.whole('seed', 0) };
	if (named !== undefined)
		return loadSetup({ experiment: experimentReference(named, io.cwd), ...request }, io.clockSeconds).setup;
	const typed = args.text('model');
	if (typed === undefined || backend !== 'vllm')
		throw new UsageError(
			'E_MISSING_ARGUMENT',
			`expected ${backend === 'vllm' ? 'a model folder in --model, or ' : ''}an experiment, got neither`,
		);
	const model = readModelFolder(path.resolve(io.cwd, typed), typed);
	const gpuType = args.text('gpu-type');
	const device = args.text('device');
	if (device !== undefined) checkName('device', device, ['gpu', 'cpu']);
	const gpus = device === 'cpu' ? undefined : await nvidiaMachine(gpuType);
	if (gpus === undefined && device === 'gpu')
		throw new UsageError(
			'E_NO_GPU',
			'option --device: expected a machine with GPUs, got none from nvidia-smi',
		);
	const python = args.text('python');
	const text = profileExperiment(
		model,
		gpus ?? cpuMachine(gpuType),
		python === undefined || !python.includes(path.sep) ? python : path.resolve(io.cwd, python),
	);
	folder.write('experiment.yaml', text);
	return loadSetup({ experiment: path.join(folder.path, 'experiment.yaml'), ...request }, io.clockSeconds)
		.setup;
}

/** The replica to measure: of the model that was named, on the first GPUs of its type from `--gpu` on. */
export function profileStart(setup: Setup, args: Arguments): ReplicaStart {
	const profile = replicaOf(setup, args);
	const from = args.whole('gpu', 0) ?? 0;
	const gpus = setup.cluster.gpus
		.filter(({ type }) => type === profile.gpuType)
		.slice(from, from + profile.tensorParallel)
		.map(({ id }) => id);
	if (gpus.length < profile.tensorParallel)
		throw new UsageError(
			'E_OPTION_VALUE',
			`option --gpu: expected ${profile.tensorParallel} of ${profile.gpuType} from that one on, got ${gpus.length}`,
		);
	return { replica: replicaId(`profile-${profile.model}`), model: profile.model, gpus, profile };
}

function replicaOf({ models, profiles }: Setup, args: Arguments): ReplicaProfile {
	const names = models.map(({ id }) => id as string);
	const typed = args.text('model');
	const wanted =
		typed === undefined
			? names.length === 1
				? names[0]
				: undefined
			: names.includes(typed)
				? typed
				: path.basename(typed);
	if (wanted === undefined || !names.includes(wanted))
		throw new UsageError(
			'E_UNKNOWN_MODEL',
			`option --model: expected ${oneOf(names)}, got ${typed === undefined ? 'nothing' : `'${typed}'${didYouMean(typed, names)}`}`,
		);
	const tensorParallel = args.whole('tensor-parallel', 1) ?? 1;
	const gpuType = existsSync(typed ?? '') ? undefined : args.text('gpu-type');
	const possible = profiles.filter(
		(each) => each.model === wanted && (gpuType === undefined || each.gpuType === gpuType),
	);
	const found = possible.find((each) => each.tensorParallel === tensorParallel);
	if (found !== undefined) return found;
	const sizes = [...new Set(possible.map((each) => each.tensorParallel))];
	throw new UsageError(
		'E_TENSOR_PARALLEL',
		`option --tensor-parallel: expected ${oneOf(sizes)} for ${wanted}, got '${tensorParallel}'`,
	);
}

/** A synchronous vLLM is made to write its steps, which say more than a client can see. */
export function withStepLog(setup: Setup, { engine }: ReplicaProfile): Setup {
	const { vllm } = setup.live;
	const word = '--enable-logging-iteration-details';
	if (engine.asyncScheduling || vllm.extraArguments.includes(word)) return setup;
	const extraArguments = [...vllm.extraArguments, word];
	return { ...setup, live: { ...setup.live, vllm: { ...vllm, extraArguments } } };
}
