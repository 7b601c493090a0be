import { describe, expect, it } from 'vitest';
import { gpuId, modelId } from '../../../sim/domain/ids.ts';
import type { Plan, PlannedSession } from '../../../sim/domain/plan.ts';
import { checkCurvePlan } from '../../../solver/ilp-curves/check-plan.ts';
import { unprovenEvidence } from '../../../solver/static-plan.ts';
import { fakeProblem } from '../../support/fake-problem.ts';

const problem = fakeProblem({
	gpuTypes: ['A', 'B'],
	memory: { B: 50e9 },
	experts: [
		{ name: 'long', calls: 100, secondsPerCall: 2, gpuBytes: 45e9 },
		{ name: 'light', calls: 10, secondsPerCall: 1 },
	],
	options: { maxModelsPerWorker: 2 },
});
const curves = [
	{ model: modelId('long'), gpuType: 'A', calls: [10, 100], seconds: [60, 240] },
	{ model: modelId('long'), gpuType: 'B', calls: [10, 100], seconds: [50, 140] },
	{ model: modelId('light'), gpuType: 'A', calls: [5, 10], seconds: [44, 50] },
];
const session = (model: string, gpu: number, calls: number | null): PlannedSession => ({
	gpus: [gpuId(`g${gpu}`)],
	model: modelId(model),
	role: 'expert',
	calls,
	phase: 0,
});
const sound = [session('long', 0, 25), session('long', 1, 75), session('light', 0, 10)];
const check = (sessions: readonly PlannedSession[], maxModelsPerWorker = 2) => {
	const plan: Plan = { scheduler: 'x', sessions, evidence: unprovenEvidence(1, 'heuristic'), details: {} };
	return checkCurvePlan({ ...problem, options: { ...problem.options, maxModelsPerWorker } }, plan, {
		curves,
	});
};

describe('checkCurvePlan', () => {
	it('finds nothing wrong with a sound plan and works out its length', () => {
		// g0: 60 + 180 * 15 / 90 and 50; g1: 50 + 90 * 65 / 90.
		expect(check(sound)).toEqual({ faults: [], objectiveSeconds: 140 });
	});

	it.each<[string, readonly PlannedSession[]]>([
		['10 calls of light are not planned', sound.slice(0, 2)],
		[
			'-5 calls of long are planned too many',
			[...sound.slice(0, 1), session('long', 1, 80), session('light', 0, 10)],
		],
		['long is loaded twice on g0', [session('long', 0, 30), session('long', 0, 70), session('light', 0, 10)]],
		['light has a session of 0 calls on g0', [...sound, session('light', 0, 0)]],
		['light has a session of null calls on g0', [...sound, session('light', 0, null)]],
		['light has a session of 1.5 calls on g0', [...sound, session('light', 0, 1.5)]],
		['light does not fit g1', [...sound.slice(0, 2), session('light', 1, 10)]],
		['light has no cost of 10 calls on g1', [...sound.slice(0, 2), session('light', 1, 10)]],
		['ghost does not fit g0', [...sound, session('ghost', 0, 1)]],
		[
			'a session of long is not on one GPU of the cluster in the first phase',
			[{ ...session('long', 0, 100), gpus: [gpuId('g0'), gpuId('g1')] }, session('light', 0, 10)],
		],
		[
			'a session of long is not on one GPU of the cluster in the first phase',
			[{ ...session('long', 0, 100), phase: 1 }, session('light', 0, 10)],
		],
	])('says: %s', (fault, sessions) => {
		expect(check(sessions).faults).toContain(fault);
	});

	it('counts the models of each GPU', () => {
		expect(check(sound, 1).faults).toEqual(['g0 loads 2 models, K is 1']);
	});
});
