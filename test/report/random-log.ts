import { randomStream } from '../../sim/core/random.ts';
import { gpuId, modelId } from '../../sim/domain/ids.ts';
import type { PlannedSession } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { ReplicaState } from '../../sim/domain/scheduler.ts';
import { record, runStarted } from '../support/synthetic-log.ts';

interface Live {
	readonly id: string;
	readonly gpus: readonly string[];
	state: ReplicaState;
	active: boolean;
	open: string[];
}

/** States a replica may go to next, as the domain allows. */
const NEXT: Readonly<Record<string, readonly ReplicaState[]>> = {
	loading: ['awake', 'awake', 'failed'],
	awake: ['stopping', 'falling-asleep', 'failed', 'loading'],
	'falling-asleep': ['asleep-1', 'asleep-2'],
	'asleep-1': ['waking', 'stopping'],
	'asleep-2': ['waking', 'stopping'],
	waking: ['awake', 'failed'],
	stopping: ['stopped'],
	failed: ['stopped'],
};

/**
 * A log of a run that makes no sense but keeps the rules: replicas change state as they may, calls go to awake replicas and end
 * once, engines are active only while awake, time never goes back. Short (under 150 microseconds), so that an oracle may look
 * at every microsecond.
 */
export function randomLog(seed: number): readonly RunRecord[] {
	const random = randomStream(seed, 'random-log');
	const below = (n: number): number => Math.floor(random() * n);
	const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
	const gpus = ['g0', 'g1', 'g2'].slice(0, 1 + below(5));
	const models = ['A', 'B', 'C'].slice(0, 1 + below(3));
	const group = (): readonly string[] => (random() < 0.2 ? gpus : [pick(gpus)]);
	const plan = (timeUs: number): RunRecord =>
		record.plan(
			timeUs,
			Array.from(
				{ length: below(9) },
				(): PlannedSession => ({
					gpus: group().map(gpuId),
					model: modelId(pick(models)),
					role: random() < 0.2 ? 'aggregator' : 'expert',
					calls: random() < 0.3 ? null : below(4),
					phase: below(3),
				}),
			),
		);
	const log: RunRecord[] = [
		runStarted({ gpus: gpus.map((gpu) => ({ gpu: gpuId(gpu), type: 'T', host: 'h' })) }),
	];
	const replicas: Live[] = [];
	const pending: { call: string; model: string }[] = [];
	const unsettled: string[] = [];
	let timeUs = 0;
	let made = 0;

	const endCalls = (replica: Live): void => {
		for (const call of replica.open.splice(0)) {
			if (random() < 0.5) log.push(record.finished(timeUs, call, replica.id));
			else log.push(record.cancelled(timeUs, call, replica.id.split('#')[0] as string, replica.id, 3));
		}
	};
	const returnCalls = (replica: Live): void => {
		for (const call of replica.open.splice(0)) {
			log.push(record.returned(timeUs, call, replica.id));
			pending.push({ call, model: replica.id.split('#')[0] as string });
		}
	};
	const moves: readonly (() => void)[] = [
		() => {
			const slots = Array.from({ length: 1 + below(3) }, () => pick(models));
			const query = `q${made++}`;
			log.push(record.arrived(timeUs, query, ...slots));
			slots.forEach((model, slot) => {
				pending.push({ call: `${query}/${slot}`, model });
			});
			unsettled.push(query);
		},
		() => {
			const query = unsettled.splice(below(unsettled.length), 1)[0];
			if (query !== undefined) log.push(record.settled(timeUs, query, 'vote'));
		},
		() => {
			if (unsettled.length === 0) return;
			const query = pick(unsettled);
			if (log.some((one) => one.type === 'aggregation-needed' && one.query === query)) return;
			log.push(record.needed(timeUs, query));
			pending.push({ call: `${query}/agg`, model: pick(models) });
		},
		() => {
			const replica: Live = {
				id: `${pick(models)}#${made++}`,
				gpus: group(),
				state: 'loading',
				active: false,
				open: [],
			};
			if (random() < 0.2) {
				log.push(record.refused(timeUs, replica.id, ...replica.gpus));
				if (random() < 0.5) log.push(record.replica(timeUs, replica.id, 'stopped', ...replica.gpus));
				return;
			}
			replicas.push(replica);
			log.push(record.replica(timeUs, replica.id, 'loading', ...replica.gpus));
		},
		() => {
			if (replicas.length === 0) return;
			const replica = pick(replicas);
			if (replica.active) log.push(record.active(timeUs, replica.id, false));
			replica.active = false;
			const before = replica.state;
			replica.state = pick(NEXT[before] ?? ['stopped']);
			if (replica.state === 'failed' && random() < 0.7) returnCalls(replica);
			// Who is brought up again keeps its calls.
			else if (before !== 'awake' || replica.state !== 'loading') endCalls(replica);
			log.push(record.replica(timeUs, replica.id, replica.state, ...replica.gpus));
			if (replica.state === 'stopped') replicas.splice(replicas.indexOf(replica), 1);
		},
		() => {
			const replica = replicas.find((one) => one.state === 'awake');
			const at = pending.findIndex((one) => replica?.id.startsWith(one.model));
			if (replica === undefined || at < 0) return;
			const { call } = pending.splice(at, 1)[0] as { call: string };
			log.push(record.dispatched(timeUs, call, replica.id));
			replica.open.push(call);
			if (!replica.active) log.push(record.active(timeUs, replica.id, true));
			replica.active = true;
		},
		() => {
			const replica = replicas.find((one) => one.open.length > 0);
			const call = replica?.open.pop();
			if (replica === undefined || call === undefined) return;
			log.push(record.finished(timeUs, call, replica.id));
			if (replica.open.length === 0) {
				replica.active = false;
				log.push(record.active(timeUs, replica.id, false));
			}
		},
		() => {
			const replica = replicas.find((one) => one.open.length > 0);
			const call = replica?.open.pop();
			if (replica === undefined || call === undefined) return;
			log.push(record.returned(timeUs, call, replica.id));
			pending.push({ call, model: replica.id.split('#')[0] as string });
		},
		() => {
			const dropped = pending.splice(below(pending.length), 1)[0];
			if (dropped !== undefined) log.push(record.cancelled(timeUs, dropped.call, dropped.model, null));
		},
		() => {
			if (random() < 0.3) log.push(plan(timeUs));
		},
	];
	if (random() < 0.9) log.push(plan(0));
	for (let i = below(100); i > 0; i--) {
		pick(moves)();
		timeUs += random() < 0.4 ? 0 : 1 + below(2);
	}
	log.push(record.ended(timeUs));
	return log;
}
