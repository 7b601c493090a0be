import { experimentJsonSchema } from '../../../traces/index.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';

export async function schemaCommand(_args: Arguments, io: Io): Promise<ExitCode> {
	io.stdout.write(jsonText(experimentJsonSchema()));
	return EXIT.done;
}
