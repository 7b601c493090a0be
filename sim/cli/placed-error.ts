import { locateField } from '../../traces/index.ts';
import { UsageError } from '../domain/errors.ts';

/**
 * A mistake that the engine or a planner found, under the experiment's name for the field and with its place there. They know neither file
 * nor flags; their messages begin with the setting at fault, and the scheduler's with its name. Anything else stays as it is.
 * @param experiment a file or the name of a bundled one
 */
export function placedError(error: unknown, experiment: string, sets: readonly string[]): unknown {
	if (!(error instanceof UsageError)) return error;
	const { setting, ownField } = SETTING.exec(error.message)?.groups ?? {};
	const field = setting === undefined ? ownField : `engine.config.${setting}`;
	if (field === undefined) return error;
	const place = locateField(experiment, { sets }, field.split('.'));
	return new UsageError(error.code, `${place} ${field}: ${error.message.replace(SETTING, '')}`);
}

const SETTING = /^(?:engine config: (?<setting>\w+)|(?<ownField>plan\.\w+|scheduler(?= ))(?: .+?)?): /;
