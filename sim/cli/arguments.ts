import { UsageError } from '../domain/errors.ts';

/** Options and positionals of one command line. yargs decides which exist; here their values are checked. */
export interface Arguments {
	/** What was typed after `mosaic`, for the record. */
	readonly words: readonly string[];
	/** A text option or positional, given at most once. */
	text(name: string): string | undefined;
	/** A repeatable option, or a positional that takes several. */
	texts(name: string): readonly string[];
	/** Names separated by commas: no empty one, none twice. */
	names(name: string): readonly string[] | undefined;
	/** A whole number from `least` up. */
	whole(name: string, least: number): number | undefined;
	flag(name: string): boolean;
	/** `--set path=value`, in order. */
	sets(): readonly string[];
}

export function makeArguments(
	words: readonly string[],
	values: Readonly<Record<string, unknown>>,
): Arguments {
	const texts = (name: string): readonly string[] => {
		const value = values[name];
		if (value === undefined) return [];
		return (Array.isArray(value) ? value : [value]).map(String);
	};
	const text = (name: string): string | undefined => {
		const given = texts(name);
		if (given.length > 1) throw mistake(name, 'to be given once', `it ${given.length} times`);
		return given[0];
	};
	return {
		words,
		text,
		texts,
		names(name) {
			const given = text(name);
			if (given === undefined) return undefined;
			const names = given.split(',').map((part) => part.trim());
			if (names.includes('')) throw mistake(name, 'names separated by commas', `'${given}'`);
			const twice = names.find((part, index) => names.indexOf(part) !== index);
			if (twice !== undefined) throw mistake(name, 'each name once', `'${twice}' twice`);
			return names;
		},
		whole(name, least) {
			const given = text(name);
			if (given === undefined) return undefined;
			const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
			if (!Number.isSafeInteger(value) || value < least) {
				throw mistake(name, `a whole number, ${least} or more`, `'${given}'`);
			}
			return value;
		},
		flag: (name) => [values[name]].flat().at(-1) === true,
		sets() {
			const given = texts('set');
			for (const item of given) {
				if (!/^[^=\s]+=/.test(item)) throw mistake('set', 'path=value', `'${item}'`);
			}
			return given;
		},
	};
}

const mistake = (option: string, expected: string, got: string): UsageError =>
	new UsageError('E_OPTION_VALUE', `option --${option}: expected ${expected}, got ${got}`);
