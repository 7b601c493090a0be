/**
 * The program of an emulator that somebody else started: `main --config FILE`, as `mosaic emulator --config FILE`, without the command
 * line's parser, which would take longer to load than all the rest.
 */
import { UsageError } from '../../sim/domain/errors.ts';
import { readEmulatorConfig } from './config.ts';
import { runEmulatorProcess } from './emulator-process.ts';

const USAGE_EXIT = 2;
const BUG_EXIT = 1;

async function main([option, file]: readonly string[]): Promise<number> {
	const write = (text: string): void => void process.stderr.write(text);
	try {
		if (option !== '--config' || file === undefined)
			throw new UsageError('E_EMULATOR', `expected --config FILE, got '${option ?? ''}'`);
		return await runEmulatorProcess(readEmulatorConfig(file), { environment: process.env, write });
	} catch (error) {
		const isUsage = error instanceof UsageError;
		write(isUsage ? `mosaic: ${error.message}\n` : `${(error as Error).stack}\n`);
		return isUsage ? USAGE_EXIT : BUG_EXIT;
	}
}

process.stderr.on('error', () => undefined);
void main(process.argv.slice(2)).then((code) => process.exit(code));
