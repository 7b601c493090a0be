/**
 * What every scheduler owes to every setup it is given: checked by running it, with its view frozen and each decision asked for twice.
 * A policy that breaks several points is reported for the first that stops the run and for what the log then shows.
 */
import { createGate } from '../../sim/aggregate/index.ts';
import { PolicyError } from '../../sim/domain/errors.ts';
import type { GpuId, ReplicaId } from '../../sim/domain/ids.ts';
import type { Plan } from '../../sim/domain/plan.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import type { Action, Problem, Scheduler, View } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { simulate } from '../../sim/run/simulate.ts';
import { lawBreaches } from '../support/run-laws.ts';

/** A run of the sizes tested here writes hundreds. */
const MAX_RECORDS = 20_000;

/** @returns one line per breach, beginning with the name of the rule and a colon; empty for a sound scheduler */
export async function contractBreaches(create: () => Scheduler, setup: Setup): Promise<readonly string[]> {
	const breaches: string[] = [];
	const records: RunRecord[] = [];
	const watched = watch(create(), breaches);
	try {
		await simulate(setup, watched, createGate(setup.gate), {
			version: 'test',
			onRecord: (record) => {
				records.push(record);
				if (records.length > MAX_RECORDS) throw new PolicyError(watched.name, 'the run does not end');
			},
		});
	} catch (error) {
		if (!(error instanceof PolicyError)) throw error;
		// A scheduler caught by its view or its purity has been reported already.
		return breaches.length > 0 ? breaches : [`run: ${error.message}`];
	}
	return [
		...breaches,
		...lawBreaches(records, setup).map((breach) => `law: ${breach}`),
		...refusedStarts(records),
		...sharedGpus(records),
		...undelivered(records, watched.plans.at(-1)),
	];
}

interface WatchedScheduler extends Scheduler {
	readonly plans: readonly Plan[];
}

function watch(scheduler: Scheduler, breaches: string[]): WatchedScheduler {
	const plans: Plan[] = [];
	return {
		name: scheduler.name,
		plans,
		async plan(problem) {
			const plan = await scheduler.plan(problem);
			breaches.push(...planBreaches(plan, problem));
			plans.push(deepFreeze(plan));
			return plan;
		},
		decide(view) {
			const frozen = frozenView(view);
			let actions: readonly Action[];
			try {
				actions = scheduler.decide(frozen);
				const again = scheduler.decide(frozen);
				if (JSON.stringify(actions) !== JSON.stringify(again))
					breaches.push(`pure: two looks at one view at ${view.nowUs} us give different actions`);
			} catch (error) {
				breaches.push(`view: ${error instanceof Error ? error.message : String(error)}`);
				throw new PolicyError(scheduler.name, 'broke on its view');
			}
			return actions;
		},
	};
}

/** Sessions serve all calls, on GPUs that exist and differ; the evidence is consistent with itself. */
function planBreaches(plan: Plan, problem: Problem): string[] {
	const breaches: string[] = [];
	const planned = new Map<string, number>();
	for (const { model, role, calls, gpus } of plan.sessions) {
		if (role === 'expert') planned.set(model, (planned.get(model) ?? 0) + (calls ?? Number.NaN));
		const known = new Set(problem.cluster.gpus.map(({ id }) => id));
		if (gpus.length === 0 || new Set(gpus).size !== gpus.length || gpus.some((gpu) => !known.has(gpu)))
			breaches.push(`plan: ${model} on GPUs '${gpus.join(', ')}'`);
	}
	const wanted = new Map<string, number>();
	for (const { model, count } of problem.expertCalls) wanted.set(model, (wanted.get(model) ?? 0) + count);
	for (const model of plan.dynamic ? planned.keys() : new Set([...planned.keys(), ...wanted.keys()]))
		if (planned.get(model) !== wanted.get(model))
			breaches.push(
				`plan: shares of ${model} add up to ${planned.get(model)}, its calls are ${wanted.get(model)}`,
			);
	const { objectiveSeconds, boundSeconds, gap, solveSeconds } = plan.evidence;
	const isTime = (value: number): boolean => Number.isFinite(value) && value >= 0;
	if (!isTime(objectiveSeconds) || !isTime(solveSeconds)) breaches.push('plan: its times are not times');
	if ((boundSeconds === null) !== (gap === null)) breaches.push('plan: a gap needs a bound');
	if (boundSeconds !== null && boundSeconds > objectiveSeconds)
		breaches.push('plan: its bound lies above its objective');
	return breaches;
}

function refusedStarts(records: readonly RunRecord[]): string[] {
	const refused = records.filter((record) => record.type === 'start-refused');
	return refused.map(({ replica, reason }) => `memory: start of ${replica} refused, ${reason}`);
}

const TAKES_GPU: ReadonlySet<string> = new Set(['loading', 'awake', 'falling-asleep', 'waking', 'stopping']);

/** These policies run one engine at a time on a GPU, as the paper does. */
function sharedGpus(records: readonly RunRecord[]): string[] {
	const breaches: string[] = [];
	const holder = new Map<GpuId, ReplicaId>();
	for (const record of records) {
		if (record.type !== 'replica-changed') continue;
		for (const gpu of record.gpus) {
			if (!TAKES_GPU.has(record.state)) holder.delete(gpu);
			else {
				// Stopped in its sleep, it took nothing.
				if (record.state === 'stopping' && holder.get(gpu) !== record.replica) continue;
				const other = holder.get(gpu) ?? record.replica;
				if (other !== record.replica) breaches.push(`gpu: ${gpu} holds ${other} and ${record.replica}`);
				holder.set(gpu, record.replica);
			}
		}
	}
	return breaches;
}

/** Each worker was given what the plan says, model by model. An open-ended plan cannot say how much: only where. */
function undelivered(records: readonly RunRecord[], plan: Plan | undefined): string[] {
	const gpusOf = new Map<ReplicaId, string>();
	const given = new Map<string, number>();
	for (const record of records) {
		if (record.type === 'replica-changed') gpusOf.set(record.replica, record.gpus.join('+'));
		else if (record.type === 'call-dispatched') {
			const key = `${record.role} ${record.model} on ${gpusOf.get(record.replica)}`;
			given.set(key, (given.get(key) ?? 0) + 1);
		}
	}
	const planned = new Map<string, number>();
	for (const { gpus, model, role, calls } of plan?.sessions ?? []) {
		const key = `${role} ${model} on ${gpus.join('+')}`;
		if (calls !== null) planned.set(key, (planned.get(key) ?? 0) + calls);
	}
	const breaches: string[] = [];
	if (plan?.openEnded) {
		const seats = new Set(
			plan.sessions.map(({ gpus, model, role }) => `${role} ${model} on ${gpus.join('+')}`),
		);
		return [...given.keys()].filter((key) => !seats.has(key)).map((key) => `seats: ${key} was not planned`);
	}
	for (const [key, calls] of planned)
		if (given.get(key) !== calls) breaches.push(`shares: ${key}: planned ${calls}, given ${given.get(key)}`);
	return breaches;
}

/** The same view, any change to which throws. */
function frozenView(view: View): View {
	return Object.freeze({
		...view,
		plan: deepFreeze(view.plan),
		cluster: deepFreeze(view.cluster),
		replicas: deepFreeze(view.replicas),
		acceptable: Object.freeze(view.acceptable),
		pending: (...about) => deepFreeze(view.pending(...about)),
		query: (id) => deepFreeze(view.query(id)),
	} satisfies View);
}

function deepFreeze<T>(value: T): T {
	if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
	Object.freeze(value);
	for (const part of Object.values(value)) deepFreeze(part);
	return value;
}
