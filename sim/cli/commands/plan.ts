import { createProblem } from '../../core/problem.ts';
import { present } from '../../domain/errors.ts';
import type { Plan } from '../../domain/plan.ts';
import { createEngine } from '../../engine/index.ts';
import { planText } from '../../report/tables.ts';
import { createForecaster } from '../../run/forecaster.ts';
import type { Arguments } from '../arguments.ts';
import { columns } from '../columns.ts';
import { EXIT, type ExitCode, Interrupted } from '../exit.ts';
import type { Io } from '../io.ts';
import { jsonText } from '../json-text.ts';
import { experimentReference, loadSetup } from '../load-setup.ts';
import { type PlanDocument, planDocument } from '../plan-document.ts';
import { remark } from '../progress.ts';
import { timed } from '../timed-scheduler.ts';

export async function planCommand(args: Arguments, io: Io): Promise<ExitCode> {
	const { setup, scheduler } = loadSetup(
		{
			experiment: experimentReference(present(args.text('experiment'), 'experiment'), io.cwd),
			sets: args.sets(),
			seed: args.whole('seed', 0),
			scheduler: args.text('scheduler'),
		},
		io.clockSeconds,
	);
	remark(`planning ${setup.name} with ${scheduler.name}, seed ${setup.seed}`, args, io);
	const forecaster = createForecaster(setup, (config, step) => createEngine(setup.engineMode, config, step));
	const planner = timed(scheduler, io.clockSeconds, io.signal);
	let plan: Plan;
	try {
		plan = await planner.scheduler.plan(createProblem(setup, forecaster));
	} catch (error) {
		if (io.signal.aborted && error === io.signal.reason) throw new Interrupted('interrupted while planning');
		throw error;
	}
	const document = planDocument(plan, planner.measuredSolveSeconds());
	io.stdout.write(args.flag('json') ? jsonText(document) : describe(document));
	return EXIT.done;
}

function describe(plan: PlanDocument): string {
	const sessions = columns([
		['worker', 'model', 'role', 'phase', 'calls'],
		...plan.replicas.map(({ worker, model, calls, role, phase }) => [
			worker,
			model,
			role,
			String(phase),
			calls === null ? 'as the gates leave' : String(calls),
		]),
	]);
	return [
		`${plan.scheduler}: ${planText(plan)}`,
		`solved in ${plan.measuredSolveSeconds.toFixed(2)} s; the run is charged ${plan.solveSeconds.toFixed(2)} s`,
		'',
		...sessions,
		'',
	].join('\n');
}
