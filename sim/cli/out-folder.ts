import path from 'node:path';
import { UsageError } from '../domain/errors.ts';
import type { Arguments } from './arguments.ts';

/** --out as an absolute path; undefined when it was not given. */
export function outFolder(args: Arguments, cwd: string): string | undefined {
	const out = args.text('out');
	if (out === '') {
		throw new UsageError('E_OPTION_VALUE', "option --out: expected a folder to write into, got ''");
	}
	return out === undefined ? undefined : path.resolve(cwd, out);
}
