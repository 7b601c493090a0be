import { describe, expect, it } from 'vitest';
import { gpuId, modelId } from '../../../sim/domain/ids.ts';
import type { Plan, PlannedSession } from '../../../sim/domain/plan.ts';
import type { Problem } from '../../../sim/domain/scheduler.ts';
import { checkPlan } from '../../../solver/ilp/check-plan.ts';
import { unprovenEvidence } from '../../../solver/static-plan.ts';
import { fakeProblem } from '../../support/fake-problem.ts';

const problem = fakeProblem({
	gpuTypes: ['A', 'A', 'B'],
	speed: { B: 2 },
	memory: { B: 50e9 },
	experts: [
		{ name: 'long', calls: 100, secondsPerCall: 2, modelClass: 'reasoning', gpuBytes: 45e9 },
		{ name: 'light', calls: 10, secondsPerCall: 1 },
	],
});
const costs = [
	{ model: modelId('long'), gpuType: 'A', sessionSeconds: 200, secondsPerCall: 2 },
	{ model: modelId('long'), gpuType: 'B', sessionSeconds: 100, secondsPerCall: 1 },
	{ model: modelId('light'), gpuType: 'A', sessionSeconds: 10, secondsPerCall: 1 },
	{ model: modelId('light'), gpuType: 'B', sessionSeconds: 5, secondsPerCall: 0.5 },
];

const session = (model: string, gpu: number, calls: number | null): PlannedSession => ({
	gpus: [gpuId(`g${gpu}`)],
	model: modelId(model),
	role: 'expert',
	calls,
	phase: 0,
});
const sound = [session('long', 0, 30), session('long', 2, 70), session('light', 1, 10)];

function faultsOf(sessions: readonly PlannedSession[], of: Problem = problem): readonly string[] {
	const plan: Plan = { scheduler: 'x', sessions, evidence: unprovenEvidence(1, 'heuristic'), details: {} };
	return checkPlan(of, plan, { costs }).faults;
}

describe('checkPlan', () => {
	it('finds nothing wrong with a sound plan and works out its length', () => {
		const plan: Plan = {
			scheduler: 'x',
			sessions: sound,
			evidence: unprovenEvidence(1, 'heuristic'),
			details: {},
		};
		// g0 40 + 60, g1 40 + 10, g2 40 + 70
		expect(checkPlan(problem, plan, { costs })).toEqual({ faults: [], objectiveSeconds: 110 });
	});

	it.each<[string, readonly PlannedSession[]]>([
		['equation 5: 99 of 100 calls of long are planned', [session('long', 0, 99), session('light', 1, 10)]],
		['equation 5: 110 of 100 calls of long are planned', [...sound, session('long', 1, 10)]],
		['equation 7: light is loaded 0 times, allowed 1 to 1', sound.slice(0, 2)],
		[
			'equation 7: light is loaded 2 times, allowed 1 to 1',
			[...sound.slice(0, 2), session('light', 1, 5), session('light', 0, 5)],
		],
		[
			'equation 6: long is loaded twice on one GPU',
			[session('long', 0, 30), session('long', 0, 70), session('light', 1, 10)],
		],
		['long has a session of 0 calls', [...sound, session('long', 1, 0)]],
		['light has a session of null calls', [...sound.slice(0, 2), session('light', 1, null)]],
		['light needs 60000000000 bytes, g2 has 50000000000', [...sound.slice(0, 2), session('light', 2, 10)]],
		['ghost is loaded, but has no calls', [...sound, session('ghost', 1, 1)]],
		['ghost cannot run on g1', [...sound, session('ghost', 1, 1)]],
		[
			'long takes 2 GPUs, not one',
			[{ ...session('long', 0, 100), gpus: [gpuId('g0'), gpuId('g1')] }, session('light', 1, 10)],
		],
	])('says: %s', (fault, sessions) => {
		expect(faultsOf(sessions)).toContain(fault);
	});

	it('counts the models of each worker', () => {
		const tight = { ...problem, options: { ...problem.options, maxModelsPerWorker: 1 } };
		const crowded = [session('long', 2, 100), session('light', 0, 10)];
		expect(faultsOf(crowded, tight)).toEqual([]);
		expect(faultsOf([session('long', 0, 100), session('light', 0, 10)], tight)).toEqual([
			'equation 9: g0 loads 2 models, K is 1',
		]);
	});
});
