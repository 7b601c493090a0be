import { readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../sim/domain/errors.ts';
import { oneOf } from '../sim/domain/one-of.ts';
import type { Setup } from '../sim/domain/setup.ts';
import { didYouMean } from './did-you-mean.ts';
import { experimentProblem, schemaProblem } from './experiment-problem.ts';
import { experimentSchema } from './experiment-schema.ts';
import { type FieldPath, type Override, parseExperimentText, parseSet } from './experiment-text.ts';
import { fileTrouble } from './file-trouble.ts';
import { readInputs } from './input-files.ts';
import { bundledFile, experimentNames } from './list-experiments.ts';
import type { Fail } from './resolve/fail.ts';
import { resolveExperiment } from './resolve/setup.ts';

export interface LoadOptions {
	/** `path=value`, applied in order before the file is checked. */
	readonly sets?: readonly string[];
	readonly seed?: number;
	readonly scheduler?: string;
	readonly gate?: string;
	readonly engineMode?: string;
}

/**
 * Everything that turns an experiment into a run: read, override, check, resolve, generate.
 * @param reference a bundled name (`listExperiments`) or the path of a YAML file
 * @throws UsageError with one line `file:line:column field: expected X, got Y`
 */
export function loadExperiment(reference: string, options: LoadOptions = {}): Setup {
	const { text, file, folder } = readReference(reference);
	const parsed = parseExperimentText(text, file, overridesOf(options));
	const checked = experimentSchema.safeParse(parsed.raw);
	if (!checked.success) throw schemaProblem(parsed, checked.error);
	const fail: Fail = (fieldPath, code, expected, got) =>
		experimentProblem(parsed, fieldPath, code, expected, got);
	const { experiment, inputs } = readInputs(checked.data, parsed, folder, fail);
	return resolveExperiment(experiment, inputs, fail);
}

/**
 * `file:line:column` of a field of an experiment that has been read before, or the flag that set it: for mistakes that show only
 * later. A field left to its default is placed at what contains it.
 */
export function locateField(reference: string, options: LoadOptions, fieldPath: FieldPath): string {
	const { text, file } = readReference(reference);
	return parseExperimentText(text, file, overridesOf(options)).locate(fieldPath);
}

function overridesOf(options: LoadOptions): readonly Override[] {
	const overrides = (options.sets ?? []).map(parseSet);
	const flags: readonly [flag: string, path: readonly string[], value: unknown][] = [
		['--seed', ['seed'], options.seed],
		['--scheduler', ['scheduler'], options.scheduler],
		['--gate', ['gate', 'name'], options.gate],
		['--engine-mode', ['engine', 'mode'], options.engineMode],
	];
	for (const [label, fieldPath, value] of flags) {
		if (value !== undefined) overrides.push({ label, path: fieldPath, value });
	}
	return overrides;
}

interface ExperimentSource {
	readonly text: string;
	/** Name in messages. */
	readonly file: string;
	/** What names in it are relative to. */
	readonly folder: string;
}

function readReference(reference: string): ExperimentSource {
	const names = experimentNames();
	if (names.includes(reference)) {
		const bundled = bundledFile(reference);
		return {
			text: readFileSync(bundled, 'utf8'),
			file: `${reference}.yaml`,
			folder: path.dirname(bundled),
		};
	}
	try {
		return { text: readFileSync(reference, 'utf8'), file: reference, folder: path.dirname(reference) };
	} catch (error) {
		const reason = (error as NodeJS.ErrnoException).code;
		const bareName = path.basename(reference) === reference && path.extname(reference) === '';
		if (bareName && reason === 'ENOENT') {
			throw new UsageError(
				'E_UNKNOWN_EXPERIMENT',
				`experiment: expected a YAML file or ${oneOf(names)}, got '${reference}'${didYouMean(reference, names)}`,
			);
		}
		throw new UsageError(
			'E_EXPERIMENT_FILE',
			`${reference}: expected a readable YAML file, got ${fileTrouble(error)}`,
		);
	}
}
