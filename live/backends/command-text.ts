import type { ServerCommand } from '../backend.ts';

/** A command as one would type it into a shell, environment first. */
export function commandText({ executable, arguments: words, environment }: ServerCommand): string {
	const variables = Object.entries(environment).map(([name, value]) => `${name}=${quoted(value)}`);
	return [...variables, quoted(executable), ...words.map(quoted)].join(' ');
}

const quoted = (word: string): string =>
	/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
