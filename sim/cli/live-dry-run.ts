import type { Backend, ServerCommand } from '../../live/backend.ts';
import { commandText } from '../../live/backends/command-text.ts';
import { createBackend } from '../../live/backends/index.ts';
import { withoutSleep } from '../../live/backends/without-sleep.ts';
import type { ReplicaStart } from '../core/executor.ts';
import { present } from '../domain/errors.ts';
import { replicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { findProfileOn } from '../domain/scheduler.ts';
import type { Setup } from '../domain/setup.ts';
import type { Io } from './io.ts';
import type { LiveOptions } from './live-options.ts';
import type { LoadedSetup } from './load-setup.ts';
import { makePlan, planDescription } from './make-plan.ts';
import type { PlanDocument } from './plan-document.ts';

/** What a live run would start for one session of its plan. */
export interface PlannedServer {
	/** GPUs joined with '+'. */
	readonly worker: string;
	readonly model: string;
	/** Without `/v1`. The port is the one it gets when all from `live.firstPort` are free. */
	readonly url: string;
	/** Null where servers run already. */
	readonly command: ServerCommand | null;
}

export interface DryRun extends PlanDocument {
	readonly backend: LiveOptions['backend'];
	readonly servers: readonly PlannedServer[];
}

/** Plans, and works out every server's command; nothing is started, written or asked. */
export async function dryRun(
	loaded: LoadedSetup,
	options: LiveOptions,
	logFolder: string,
	io: Io,
): Promise<DryRun> {
	const { backend: name, speed } = options;
	const backend = createBackend(name, loaded.setup, { environment: io.env, speed, logFolder });
	const setup = withoutSleep(loaded.setup, backend);
	const { plan, document } = await makePlan({ ...loaded, setup }, io);
	return { ...document, backend: name, servers: plannedServers(setup, plan, backend) };
}

export function dryRunText(dry: DryRun): string {
	const servers = dry.servers.flatMap(({ worker, model, url, command }) => [
		`${worker}  ${model}  ${url}`,
		`  ${command === null ? 'runs already' : commandText(command)}`,
	]);
	return [planDescription(dry), `servers, backend ${dry.backend}:`, '', ...servers, ''].join('\n');
}

function plannedServers(setup: Setup, plan: Plan, backend: Backend): PlannedServer[] {
	return plan.sessions.map(({ gpus, model }, index) => {
		const there = setup.cluster.gpus.filter(({ id }) => gpus.includes(id));
		const start: ReplicaStart = {
			// As `runPlan` names the replicas of a plan.
			replica: replicaId(`s${index}-${model}`),
			model,
			gpus,
			profile: present(findProfileOn(setup.profiles, model, there), `profile of ${model}`),
		};
		const port = setup.live.firstPort + index;
		return {
			worker: gpus.join('+'),
			model,
			url: backend.address(start, port).baseUrl,
			command: backend.command(start, port),
		};
	});
}
