import path from 'node:path';
import { runNotebook } from '../../../notebooks/run-notebook.ts';
import { present } from '../../domain/errors.ts';
import type { Arguments } from '../arguments.ts';
import type { ExitCode } from '../exit.ts';
import { EXIT } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { plural } from '../plural.ts';

/** With --check, exit 3 when the outputs in the file are not those of this run. */
export async function notebookRunCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const file = path.resolve(io.cwd, present(args.text('file'), 'file'));
	const check = args.flag('check');
	const { cells, outputs, changed } = await runNotebook(file, { write: !check });
	if (args.flag('json')) io.stdout.write(jsonText({ file, cells, outputs, changed }));
	else {
		const verdict = changed ? (check ? 'differs from the file' : 'file rewritten') : 'file unchanged';
		io.stdout.write(`${plural(cells, 'cell')} run, ${plural(outputs, 'output')}: ${verdict}\n`);
	}
	return check && changed ? EXIT.beyondLimit : EXIT.done;
}
