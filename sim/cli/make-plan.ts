import { expectedBoundSeconds } from '../../solver/expected-bound.ts';
import { createProblem } from '../core/problem.ts';
import type { Plan } from '../domain/plan.ts';
import { planText } from '../report/tables.ts';
import { planningForecaster } from '../run/simulate.ts';
import { columns } from './columns.ts';
import { Interrupted } from './exit.ts';
import type { Io } from './io.ts';
import type { LoadedSetup } from './load-setup.ts';
import { type PlanDocument, planDocument } from './plan-document.ts';
import { plural } from './plural.ts';
import { timed } from './timed-scheduler.ts';

/** The plan of a whole experiment, without running it. @throws Interrupted */
export async function makePlan(
	{ setup, scheduler, gate }: LoadedSetup,
	io: Io,
): Promise<{ readonly plan: Plan; readonly document: PlanDocument }> {
	const forecaster = planningForecaster(setup, gate, io.signal);
	const planner = timed(scheduler, io.clockSeconds, io.signal);
	try {
		const problem = createProblem(setup, gate, forecaster);
		const plan = await planner.scheduler.plan(problem);
		const document = planDocument(plan, planner.measuredSolveSeconds());
		return { plan, document: { ...document, expectedBoundSeconds: expectedBoundSeconds(problem) } };
	} catch (error) {
		if (io.signal.aborted && error === io.signal.reason) throw new Interrupted('interrupted while planning');
		throw error;
	}
}

export function planDescription(plan: PlanDocument): string {
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
		...nodeLimitLines(plan),
		`solved in ${plan.measuredSolveSeconds.toFixed(2)} s; the run is charged ${plan.solveSeconds.toFixed(2)} s`,
		'',
		...sessions,
		...(plan.expectedBoundSeconds === undefined
			? []
			: [
					'',
					`all calls that are expected keep the GPUs busy for at least ${plan.expectedBoundSeconds.toFixed(1)} s, loads included`,
				]),
		'',
	].join('\n');
}

/** A node limit leaves the plan reproducible, so it stands in the details alone. */
function nodeLimitLines({ details }: PlanDocument): readonly string[] {
	const { stoppedBy, nodes = 0 } = (details.solver ?? {}) as { stoppedBy?: string; nodes?: number };
	return stoppedBy === 'nodes' ? [`the solver stopped after ${plural(nodes, 'node')} (plan.maxNodes)`] : [];
}
