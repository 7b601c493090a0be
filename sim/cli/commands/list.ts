import { ADAPTIVE_SWITCHES, SWITCH_MEANINGS } from '../../../solver/adaptive/switches.ts';
import { defaultSchedulerNames, knowsLengths, schedulerNames } from '../../../solver/index.ts';
import {
	engineProfileNames,
	gpuTypeNames,
	listExperiments,
	modelRecords,
	taskNames,
} from '../../../traces/index.ts';
import { gateNames } from '../../aggregate/index.ts';
import { KNOWS_LENGTHS_NOTE } from '../../report/comparison.ts';
import type { Arguments } from '../arguments.ts';
import { columns } from '../columns.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';

export async function listCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const experiments = listExperiments().map(({ name, description }) => ({ name, description }));
	const models = Object.entries(modelRecords()).map(([name, { checkpoint }]) => ({ name, checkpoint }));
	const bundled = {
		experiments,
		schedulers: schedulerNames,
		comparedByDefault: defaultSchedulerNames,
		knowLengths: schedulerNames.filter(knowsLengths),
		switches: ADAPTIVE_SWITCHES.map((name) => ({ name, meaning: SWITCH_MEANINGS[name] })),
		gates: gateNames,
		models,
		engineProfiles: engineProfileNames(),
		gpuTypes: gpuTypeNames(),
		tasks: taskNames(),
	};
	if (args.flag('json')) io.stdout.write(jsonText({ format: 1, ...bundled }));
	else {
		const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
			['experiments', columns(experiments.map(({ name, description }) => [name, description]))],
			['schedulers', schedulerLines()],
			[
				'switches of adaptive, and of oracle (adaptive:all-NAME is without one, adaptive:none+NAME with one alone)',
				columns(bundled.switches.map(({ name, meaning }) => [name, meaning])),
			],
			['gates', [bundled.gates.join('  ')]],
			['models', columns(models.map(({ name, checkpoint }) => [name, checkpoint]))],
			['engine profiles', [bundled.engineProfiles.join('  ')]],
			['GPU types', [bundled.gpuTypes.join('  ')]],
			['tasks', [bundled.tasks.join('  ')]],
		];
		io.stdout.write(
			`${sections.map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`)].join('\n')).join('\n\n')}\n`,
		);
	}
	return EXIT.done;
}

/** Those that `compare` takes by itself, then those that it takes when they are named. */
function schedulerLines(): readonly string[] {
	const shown = (name: string): string => (knowsLengths(name) ? `${name}*` : name);
	const onDemand = schedulerNames.filter((name) => !defaultSchedulerNames.includes(name));
	return [
		defaultSchedulerNames.map(shown).join('  '),
		`compared when named: ${onDemand.map(shown).join('  ')}`,
		KNOWS_LENGTHS_NOTE,
	];
}
