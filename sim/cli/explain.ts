import { didYouMean } from '../../traces/did-you-mean.ts';
import { UsageError } from '../domain/errors.ts';
import type { Command } from './command-table.ts';
import { commandWords, globalOptions } from './command-table.ts';

/** The complaint of yargs in our words: what was typed, what exists, and the nearest name. */
export function explain(message: string, words: readonly string[], commands: readonly Command[]): UsageError {
	const plain = plainWords(words, commands);
	const command = commands.find((candidate) =>
		commandWords(candidate).every((word, index) => plain[index] === word),
	);
	const group = commands.filter((candidate) => commandWords(candidate)[0] === plain[0]);

	const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(message)?.[1]?.split(', ')[0];
	if (unknown !== undefined && !plain.includes(unknown)) return unknownOption(unknown, command);
	if (unknown !== undefined && command !== undefined) {
		return new UsageError(
			'E_EXTRA_ARGUMENT',
			`unexpected argument '${unknown}'; expected mosaic ${command.usage}`,
		);
	}
	if (unknown !== undefined) return unknownCommand(unknown, group.length > 0 ? group : commands);

	const missingValue = /^Not enough arguments following: (.*)$/.exec(message)?.[1];
	if (missingValue !== undefined) {
		return new UsageError('E_OPTION_VALUE', `option --${missingValue}: expected a value, got none`);
	}
	if (command !== undefined) {
		return new UsageError(
			'E_MISSING_ARGUMENT',
			`expected mosaic ${command.usage}, got no ${command.positional?.name}`,
		);
	}
	const choices = (group.length > 0 ? group : commands).map((candidate) => commandWords(candidate).join(' '));
	return new UsageError('E_NO_COMMAND', `no command given; expected one of: ${choices.join(', ')}`);
}

function unknownOption(name: string, command: Command | undefined): UsageError {
	const known = [...Object.keys(globalOptions), ...Object.keys(command?.options ?? {}), 'help', 'version'];
	const typed = name.length === 1 ? `-${name}` : `--${name}`;
	const near = didYouMean(
		typed,
		known.map((option) => `--${option}`),
	);
	const where = command === undefined ? 'mosaic' : `mosaic ${commandWords(command).join(' ')}`;
	return new UsageError('E_UNKNOWN_OPTION', `unknown option ${typed}${near}; see ${where} --help`);
}

function unknownCommand(name: string, among: readonly Command[]): UsageError {
	const near = didYouMean(name, new Set(among.flatMap(commandWords)));
	return new UsageError('E_UNKNOWN_COMMAND', `unknown command '${name}'${near}; see mosaic --help`);
}

/** What was typed without options and their values. */
function plainWords(words: readonly string[], commands: readonly Command[]): string[] {
	const options = { ...globalOptions, ...Object.assign({}, ...commands.map((command) => command.options)) };
	return words.filter((word, index) => {
		const before = words[index - 1] ?? '';
		const isValue = before.startsWith('--') && options[before.slice(2)]?.type === 'string';
		return !word.startsWith('-') && !isValue;
	});
}
