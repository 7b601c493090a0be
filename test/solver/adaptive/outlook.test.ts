import { describe, expect, it } from 'vitest';
import { modelId, replicaId } from '../../../sim/domain/ids.ts';
import type { ReplicaView, View } from '../../../sim/domain/scheduler.ts';
import type { Expectations } from '../../../solver/adaptive/estimates.ts';
import { groupOf } from '../../../solver/adaptive/gpu-groups.ts';
import { Outlook } from '../../../solver/adaptive/outlook.ts';
import { gpuCount } from '../../../solver/adaptive/replicas.ts';
import { TUNING } from '../../../solver/adaptive/tuning.ts';

const replica = (id: string, gpus: readonly string[] = ['gpu0']) =>
	({ id: replicaId(id), state: 'awake', gpus }) as unknown as ReplicaView;

const outlookOver = (...replicas: ReplicaView[]): Outlook =>
	new Outlook({ replicas } as unknown as View, { estimates: [], tuning: TUNING } as unknown as Expectations);

describe('Outlook', () => {
	it('names each new replica as none was named before, also after a start that was refused', () => {
		// a1 was refused, so that two replicas stand for three names.
		const outlook = outlookOver(replica('a0-m'), replica('a2-m'));
		expect(outlook.newReplica(modelId('m'))).toBe('a3-m');
		expect(outlook.newReplica(modelId('m'))).toBe('a4-m');
		expect(outlookOver(replica('a0-m'), replica('a2-m')).newReplica(modelId('other'))).toBe('a2-other');
	});

	it('counts an engine over two GPUs twice', () => {
		expect(gpuCount([replica('a'), replica('b', ['gpu1', 'gpu2'])])).toBe(3);
	});

	it('finds a group of GPUs of one type, on one host if there is one', () => {
		const found = (...gpus: readonly (readonly [id: string, host: string, type: string])[]) =>
			groupOf(
				{
					cluster: { gpus: gpus.map(([id, host, type]) => ({ id, host, type, memoryBytes: 1 })) },
					profile: (_: string, ids: readonly string[]) =>
						ids.length === 2 && ids.every((id) => id.startsWith('b')) ? { gpuBytesPerGpu: 1 } : undefined,
				} as unknown as View,
				modelId('m'),
			);
		expect(found(['a0', 'h0', 'A'], ['b0', 'h1', 'B'], ['b1', 'h2', 'B'])).toEqual(['b0', 'b1']);
		expect(found(['b0', 'h0', 'B'], ['a0', 'h1', 'A'], ['b1', 'h2', 'B'], ['b2', 'h2', 'B'])).toEqual([
			'b1',
			'b2',
		]);
		expect(found(['a0', 'h0', 'A'], ['b0', 'h1', 'B'])).toBeUndefined();
	});
});
