import { ADAPTIVE_SWITCHES } from '../../solver/adaptive/switches.ts';
import { UsageError } from '../domain/errors.ts';
import { type Ablation, type AblationVariant, ablate } from '../report/ablation.ts';
import { ablationTable } from '../report/ablation-table.ts';
import type { CompareOutcome } from '../study/compare.ts';
import type { Arguments } from './arguments.ts';

/** The adaptive policy with all its ideas, without each, with each alone, and without any. */
export const ABLATION_VARIANTS: readonly AblationVariant[] = [
	{ scheduler: 'adaptive', kind: 'all', idea: null },
	...ADAPTIVE_SWITCHES.map(
		(idea): AblationVariant => ({ scheduler: `adaptive:all-${idea}`, kind: 'off', idea }),
	),
	...ADAPTIVE_SWITCHES.map(
		(idea): AblationVariant => ({ scheduler: `adaptive:none+${idea}`, kind: 'alone', idea }),
	),
	{ scheduler: 'adaptive:none', kind: 'none', idea: null },
];

/** @throws UsageError E_OPTION_USE for options that say what an ablation says itself */
export function checkAblation(args: Arguments): void {
	for (const option of ['schedulers', 'baseline'])
		if (args.text(option) !== undefined)
			throw new UsageError(
				'E_OPTION_USE',
				`option --${option}: expected without --ablation, which runs adaptive with and without each of its ideas against all of them`,
			);
	const gates = args.names('gates') ?? [];
	if (gates.length > 1)
		throw new UsageError(
			'E_OPTION_USE',
			`option --gates: expected one gate with --ablation, got ${gates.length} (${gates.join(', ')})`,
		);
}

export const ablationOf = ({ results }: CompareOutcome): Ablation =>
	ablate(
		results.map(({ summary }) => summary),
		ABLATION_VARIANTS,
	);

export const ablationText = ({ rows }: Ablation): string =>
	[
		ablationTable(rows),
		'',
		'adaptive:all-X is adaptive without X, adaptive:none+X has X alone (mosaic list says what each is). Changes are of the makespan, seed by',
		'seed; above 0 takes longer. An idea that needs another does nothing alone.',
	].join('\n');
