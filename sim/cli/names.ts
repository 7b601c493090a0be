import { didYouMean } from '../../traces/did-you-mean.ts';
import { UsageError } from '../domain/errors.ts';
import { oneOf } from '../domain/one-of.ts';

/**
 * @param what kind of name, e.g. `scheduler`
 * @throws UsageError E_UNKNOWN_<WHAT> naming the choices and the nearest one
 */
export function checkName(what: string, name: string, known: readonly string[]): string {
	if (known.includes(name)) return name;
	throw new UsageError(
		`E_UNKNOWN_${what.toUpperCase()}`,
		`unknown ${what} '${name}'${didYouMean(name, known)}; expected ${oneOf(known)}`,
	);
}
