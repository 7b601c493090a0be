import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import { gpuId, modelId, replicaId } from '../../sim/domain/ids.ts';
import type { Action, Scheduler, View } from '../../sim/domain/scheduler.ts';
import { unprovenEvidence } from '../../solver/static-plan.ts';

/** Starts one replica of each model on the GPUs given for it, all at once, and sends every call there as soon as it can. */
export function sharingPolicy(gpusByModel: Readonly<Record<string, readonly number[]>>): Scheduler {
	const placements = Object.entries(gpusByModel).map(([model, gpus]) => ({
		replica: replicaId(`on-${model}`),
		model: modelId(model),
		gpus: gpus.map((index) => gpuId(`gpu${index}`)),
	}));
	return {
		name: 'sharing',
		plan: async () => ({
			scheduler: 'sharing',
			sessions: [],
			evidence: unprovenEvidence(0, 'none'),
			details: {},
		}),
		decide(view: View): Action[] {
			const known = new Set<ReplicaId>(view.replicas.map(({ id }) => id));
			const starts = placements.filter(({ replica }) => !known.has(replica));
			const settled = view.acceptable.map((query): Action => ({ type: 'settle', query }));
			return [
				...starts.map((start): Action => ({ type: 'start', ...start })),
				...view.replicas
					.filter(({ state }) => state === 'awake')
					.flatMap(({ id, model }) =>
						(['expert', 'aggregator'] as const).flatMap((role) =>
							view.pending(model, role).map((call): Action => dispatch(call.id, id)),
						),
					),
				...settled,
			];
		},
	};
}

const dispatch = (call: CallId, replica: ReplicaId): Action => ({ type: 'dispatch', call, replica });
