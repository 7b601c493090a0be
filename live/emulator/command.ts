import path from 'node:path';
import type { ServerCommand } from '../backend.ts';

/**
 * How to start an emulator process with a configuration file (`writeEmulatorConfig`), from a checkout or from the built program:
 * whichever this very file belongs to. Works from any folder.
 */
export function emulatorCommand(configFile: string): ServerCommand {
	const words = ['--config', configFile];
	// Sleeping, waking and aborting are development endpoints of vLLM, shut unless asked for.
	const environment = { VLLM_SERVER_DEV_MODE: '1' };
	if (path.extname(__filename) !== '.ts') {
		const program = path.join(__dirname, 'main.js');
		return { executable: process.execPath, arguments: [program, ...words], environment };
	}
	return {
		executable: process.execPath,
		arguments: ['-r', require.resolve('ts-node/register'), path.join(__dirname, 'main.ts'), ...words],
		environment: { ...environment, TS_NODE_PROJECT: path.resolve(__dirname, '../../tsconfig.json') },
	};
}
