import type { EmulatorConfig } from '../../../live/emulator/config.ts';
import { readEmulatorConfig } from '../../../live/emulator/config.ts';
import { runEmulatorProcess } from '../../../live/emulator/emulator-process.ts';
import { UsageError } from '../../domain/errors.ts';
import type { Arguments } from '../arguments.ts';
import type { ExitCode } from '../exit.ts';
import { requireFreeAddress } from '../free-address.ts';
import type { Io } from '../io.ts';
import { lazy } from '../lazy.ts';

/** vLLM's HTTP face on the engine model, until it is told to end. */
export async function emulatorCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const config = await configOf(args, io);
	const write = (text: string): void => io.stderr.write(text);
	return (await runEmulatorProcess(config, { environment: io.env, write })) as ExitCode;
}

async function configOf(args: Arguments, io: Io): Promise<EmulatorConfig> {
	const file = args.text('config');
	const experiment = args.text('experiment');
	if (file !== undefined && experiment === undefined) return readEmulatorConfig(file);
	if (file !== undefined || experiment === undefined)
		throw new UsageError(
			'E_EMULATOR',
			`expected an experiment or --config FILE, got ${file === undefined ? 'neither' : 'both'}`,
		);
	// Reading an experiment takes schemas and profiles, which a process started with a configuration does without.
	const { standAloneConfig } = await lazy(
		() => import('./emulator-config.ts'),
		'commands/emulator-config.ts',
	);
	const config = await standAloneConfig(experiment, args, io);
	// A person at a shell has not asked for the last words of vLLM.
	await requireFreeAddress(config.host, config.port);
	return config;
}
