import type { Argv } from 'yargs';
import yargs from 'yargs';
import { UsageError } from '../domain/errors.ts';
import type { Arguments } from './arguments.ts';
import { makeArguments } from './arguments.ts';
import type { Command } from './command-table.ts';
import { commandWords, globalOptions } from './command-table.ts';
import { explain } from './explain.ts';

export type ParsedCommandLine =
	| { readonly kind: 'command'; readonly command: Command; readonly args: Arguments }
	/** Help or version: print it and be done. */
	| { readonly kind: 'text'; readonly text: string };

/** @throws UsageError for a command line that names no command, or one that does not exist, or options it does not have */
export async function parseCommandLine(
	words: readonly string[],
	commands: readonly Command[],
	version: string,
): Promise<ParsedCommandLine> {
	let found: { command: Command; values: Record<string, unknown> } | undefined;
	const parser = makeParser(commands, version, (command, values) => {
		found = { command, values };
	});
	let text = '';
	try {
		await parser.parseAsync([...words], {}, (_error: unknown, _values: unknown, output: string) => {
			text = output;
		});
	} catch (error) {
		throw explain((error as Error).message, words, commands);
	}
	if (found === undefined) return { kind: 'text', text };
	const { command, values } = found;
	const extra = (values._ as unknown[]).slice(commandWords(command).length);
	if (extra.length > 0) throw new UsageError('E_EXTRA_ARGUMENT', `unexpected argument '${extra[0]}'`);
	return { kind: 'command', command, args: makeArguments(words, values) };
}

function makeParser(
	commands: readonly Command[],
	version: string,
	onFound: (command: Command, values: Record<string, unknown>) => void,
): Argv {
	const parser = yargs([])
		.scriptName('mosaic')
		.locale('en')
		.parserConfiguration({
			'boolean-negation': false,
			'camel-case-expansion': false,
			'dot-notation': false,
			'parse-numbers': false,
			'parse-positional-numbers': false,
		})
		.options(globalOptions)
		.usage('mosaic COMMAND: Mixture-of-Agents batches on a few GPUs, simulated or live')
		.demandCommand(1, 'no command given')
		.strict()
		.version(version)
		.help()
		.wrap(110)
		.exitProcess(false)
		.showHelpOnFail(false)
		.fail((message, error) => {
			throw error ?? new Error(message);
		});
	for (const [first, members] of byFirstWord(commands)) {
		const [only] = members;
		if (only !== undefined && commandWords(only).length === 1) addCommand(parser, only, only.usage, onFound);
		else {
			parser.command(first, members.map((member) => member.summary).join('; '), (group) => {
				for (const member of members) {
					addCommand(group, member, member.usage.slice(first.length + 1), onFound);
				}
				return group.demandCommand(1, 'no command given');
			});
		}
	}
	return parser;
}

function addCommand(
	parser: Argv,
	command: Command,
	usage: string,
	onFound: (command: Command, values: Record<string, unknown>) => void,
): void {
	parser.command(
		usage,
		command.summary,
		(own) => {
			if (command.positional !== undefined) {
				own.positional(command.positional.name, {
					type: 'string',
					describe: command.positional.summary,
				});
			}
			return own.options({ ...command.options });
		},
		(values) => onFound(command, values),
	);
}

function byFirstWord(commands: readonly Command[]): Map<string, Command[]> {
	const groups = new Map<string, Command[]>();
	for (const command of commands) {
		const first = commandWords(command)[0] ?? '';
		groups.set(first, [...(groups.get(first) ?? []), command]);
	}
	return groups;
}
