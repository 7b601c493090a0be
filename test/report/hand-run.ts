import { gpuId, modelId } from '../../sim/domain/ids.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { EVIDENCE, record, runStarted } from '../support/synthetic-log.ts';

const [gpu0, gpu1] = ['gpu0', 'gpu1'].map(gpuId) as [ReturnType<typeof gpuId>, ReturnType<typeof gpuId>];

/**
 * Two GPUs, one query of two experts, an aggregator over both GPUs. Microsecond by microsecond:
 * gpu0: 0-10 waits for the plan, 10-30 loads A, 30-90 computes, 90-95 stops A, 95-125 loads the aggregator, 125-160 computes,
 * 160-163 stops it, 163-170 nothing to do. gpu1 the same but B ends at 50 and stops until 55; then it has nothing to do
 * until the query's answers are there at 90, and the barrier holds their aggregation until 95.
 */
export const HAND_RUN: readonly RunRecord[] = [
	runStarted({ queryCount: 1 }),
	record.arrived(0, 'q0', 'A', 'B'),
	record.plan(
		0,
		[
			{ gpus: [gpu0], model: modelId('A'), role: 'expert', calls: 1, phase: 0 },
			{ gpus: [gpu1], model: modelId('B'), role: 'expert', calls: 1, phase: 0 },
			{ gpus: [gpu0, gpu1], model: modelId('G'), role: 'aggregator', calls: null, phase: 1 },
		],
		{ ...EVIDENCE, solveSeconds: 0.00001 },
	),
	record.replica(10, 'A#1', 'loading', 'gpu0'),
	record.replica(10, 'B#1', 'loading', 'gpu1'),
	record.replica(30, 'A#1', 'awake', 'gpu0'),
	record.replica(30, 'B#1', 'awake', 'gpu1'),
	record.dispatched(30, 'q0/0', 'A#1'),
	record.dispatched(30, 'q0/1', 'B#1'),
	record.active(30, 'A#1', true),
	record.active(30, 'B#1', true),
	record.finished(50, 'q0/1', 'B#1', 20),
	record.active(50, 'B#1', false),
	record.replica(50, 'B#1', 'stopping', 'gpu1'),
	record.replica(55, 'B#1', 'stopped', 'gpu1'),
	record.finished(90, 'q0/0', 'A#1', 60),
	record.active(90, 'A#1', false),
	record.needed(90, 'q0'),
	record.replica(90, 'A#1', 'stopping', 'gpu0'),
	record.replica(95, 'A#1', 'stopped', 'gpu0'),
	record.replica(95, 'G#1', 'loading', 'gpu0', 'gpu1'),
	record.replica(125, 'G#1', 'awake', 'gpu0', 'gpu1'),
	record.dispatched(125, 'q0/agg', 'G#1'),
	record.active(125, 'G#1', true),
	record.finished(160, 'q0/agg', 'G#1', 35),
	record.active(160, 'G#1', false),
	record.settled(160, 'q0', 'aggregator', true, true),
	record.replica(160, 'G#1', 'stopping', 'gpu0', 'gpu1'),
	record.replica(163, 'G#1', 'stopped', 'gpu0', 'gpu1'),
	record.ended(170, 120),
];
