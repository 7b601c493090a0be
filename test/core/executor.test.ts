import { expect, it } from 'vitest';
import { asksScheduler, type ExecutorEvent } from '../../sim/core/executor.ts';
import { callId, replicaId } from '../../sim/domain/ids.ts';

it('asks the scheduler once a failure is known as a whole, and never for gauges', () => {
	const about = { timeUs: 0, replica: replicaId('r') };
	const events: ExecutorEvent[] = [
		{ kind: 'engine-active', ...about, active: true },
		{ kind: 'call-returned', ...about, call: callId('q/0'), reason: 'died', outputTokens: 0 },
		{ kind: 'replica-failed', ...about, reason: 'died' },
		{ kind: 'replica-restarting', ...about, reason: 'died' },
		{ kind: 'replica-awake', ...about },
	];
	expect(events.filter(asksScheduler).map(({ kind }) => kind)).toEqual([
		'replica-failed',
		'replica-restarting',
		'replica-awake',
	]);
});
