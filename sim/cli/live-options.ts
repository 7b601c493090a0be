import { UsageError } from '../domain/errors.ts';
import type { BackendName } from '../domain/live.ts';
import type { Arguments } from './arguments.ts';
import { checkName } from './names.ts';

export interface LiveOptions {
	readonly backend: BackendName;
	readonly speed: number;
}

const BACKENDS: readonly BackendName[] = ['emulator', 'vllm', 'endpoint'];

/** @throws UsageError for a back end that does not exist, or a speed that is not a number above 0 */
export function liveOptions(args: Arguments): LiveOptions {
	return {
		backend: checkName('backend', args.text('backend') ?? 'emulator', BACKENDS) as BackendName,
		speed: speed(args),
	};
}

/** Options that a resumed run has from its journal. */
const FIXED_BY_THE_RUN = ['scheduler', 'gate', 'audit', 'seed', 'backend', 'speed', 'out', 'set'];

/** @throws UsageError E_RESUME_OPTION when an option comes with --resume that the run decides */
export function checkResumeOptions(args: Arguments): void {
	const given = FIXED_BY_THE_RUN.find((name) => args.texts(name).length > 0);
	if (given !== undefined)
		throw new UsageError(
			'E_RESUME_OPTION',
			`option --${given}: expected none with --resume, which goes on as the run was begun`,
		);
	if (args.flag('dry-run'))
		throw new UsageError('E_RESUME_OPTION', 'option --dry-run: expected none with --resume');
}

function speed(args: Arguments): number {
	const given = args.text('speed');
	if (given === undefined) return 1;
	const value = /^\d*\.?\d+$/.test(given) ? Number(given) : Number.NaN;
	if (!(value > 0) || value > MAX_SPEED)
		throw new UsageError(
			'E_OPTION_VALUE',
			`option --speed: expected a number above 0 and up to ${MAX_SPEED}, got '${given}'`,
		);
	return value;
}

/** Beyond it a millisecond of the wall, the least that timers tell apart, is ten seconds of the run. */
const MAX_SPEED = 10_000;
