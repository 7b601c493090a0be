import {
	calibrationJsonSchema,
	experimentJsonSchema,
	measuredProfileJsonSchema,
	questionJsonSchema,
} from '../../../traces/index.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { checkName } from '../names.ts';

const schemas: Readonly<Record<string, () => Record<string, unknown>>> = {
	experiment: experimentJsonSchema,
	profile: measuredProfileJsonSchema,
	question: questionJsonSchema,
	calibration: calibrationJsonSchema,
};

export async function schemaCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const of = checkName('schema', args.text('of') ?? 'experiment', Object.keys(schemas));
	io.stdout.write(jsonText(schemas[of]?.()));
	return EXIT.done;
}
