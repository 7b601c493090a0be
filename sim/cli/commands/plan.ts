import { present } from '../../domain/errors.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { checkPlannable, experimentReference, loadSetup } from '../load-setup.ts';
import { makePlan, planDescription } from '../make-plan.ts';
import { remark } from '../progress.ts';

export async function planCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const request = {
		experiment: experimentReference(present(args.text('experiment'), 'experiment'), io.cwd),
		sets: args.sets(),
		seed: args.whole('seed', 0),
		scheduler: args.text('scheduler'),
	};
	const loaded = loadSetup(request, io.clockSeconds);
	checkPlannable(loaded, request);
	const { setup, scheduler } = loaded;
	remark(`planning ${setup.name} with ${scheduler.name}, seed ${setup.seed}`, args, io);
	const { document } = await makePlan(loaded, io);
	io.stdout.write(args.flag('json') ? jsonText(document) : planDescription(document));
	return EXIT.done;
}
