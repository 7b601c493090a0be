import { UsageError } from '../domain/errors.ts';
import type { Arguments } from './arguments.ts';

/**
 * `--set` of the command line, with what `--audit` sets.
 * @throws UsageError E_OPTION_VALUE for an audit share that is not a number from 0 to 1
 */
export function setsWithAudit(args: Arguments): readonly string[] {
	const audit = args.text('audit');
	if (audit === undefined) return args.sets();
	const share = /^\d*\.?\d+$/.test(audit) ? Number(audit) : Number.NaN;
	if (!(share <= 1))
		throw new UsageError(
			'E_OPTION_VALUE',
			`option --audit: expected a share from 0 to 1 such as 0.05, got '${audit}'`,
		);
	return [...args.sets(), `gate.audit=${share}`];
}
