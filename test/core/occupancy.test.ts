import { describe, expect, it } from 'vitest';
import { Occupancy } from '../../sim/core/occupancy.ts';
import { enterState, loadingReplica, type ReplicaRecord } from '../../sim/core/replica-states.ts';
import { present } from '../../sim/domain/errors.ts';
import { gpuId, hostId, modelId, type ReplicaId, replicaId } from '../../sim/domain/ids.ts';
import type { Cluster, ReplicaProfile } from '../../sim/domain/model.ts';
import { type SmallSetup, smallSetup } from '../support/setup-builder.ts';

const GIB = 1024 ** 3;

/** GPUs of 80 GB: two on `host0`, the others on `host1`. Weights of 16 GB, which sleep in two hosts' RAM. */
function world(small: Partial<SmallSetup> = {}) {
	const setup = smallSetup({ gpus: 4, queries: [{ calls: [{ model: 'm', outputTokens: 1 }] }], ...small });
	const hosts = ['host0', 'host1'].map((id) => ({ id: hostId(id), ramBytes: 20e9 }));
	const gpus = setup.cluster.gpus.map((gpu, i) => ({ ...gpu, host: hostId(i < 2 ? 'host0' : 'host1') }));
	const cluster: Cluster = { ...setup.cluster, gpus, hosts };
	const replicas = new Map<ReplicaId, ReplicaRecord>();
	const profileOn = (count: number): ReplicaProfile =>
		present(
			setup.profiles.find(({ tensorParallel }) => tensorParallel === count),
			'profile',
		);
	const load = (id: string, ...indices: readonly number[]): ReplicaRecord => {
		const about = { id: replicaId(id), model: modelId('m'), gpus: indices.map((i) => gpuId(`gpu${i}`)) };
		const record = loadingReplica({ ...about, profile: profileOn(indices.length) });
		replicas.set(record.id, record);
		return record;
	};
	return {
		occupancy: new Occupancy(cluster, replicas),
		profileOn,
		load,
		awake: (id: string, ...indices: readonly number[]): ReplicaRecord => {
			const record = load(id, ...indices);
			enterState(record, 'awake');
			return record;
		},
	};
}

const GPU0 = gpuId('gpu0');

describe('a start', () => {
	it('is refused by free memory against the share it asks for, as vLLM refuses it, with both figures', () => {
		const { occupancy, load } = world({ enginesPerGpu: 3, gpuBytesPerGpu: 30 * GIB });
		load('r0', 0);
		expect(occupancy.startRefusal([GPU0], 30 * GIB)).toBeNull();
		load('r1', 0);
		expect(occupancy.startRefusal([GPU0], 30 * GIB)).toBe(
			'free memory on gpu0 (14.51 GiB of 74.51 GiB) is less than the share that the engine asks for (0.40, 30.00 GiB)',
		);
		expect(occupancy.startRefusal([gpuId('gpu1')], 30 * GIB)).toBeNull();
	});

	it.each([
		[1, 'r0 runs on gpu0: one engine at a time per GPU'],
		[2, 'r0, r1 run on gpu0: 2 engines at a time per GPU'],
	])(
		'is refused where %i engines are on the GPU and no more may be, though memory is left',
		(engines, reason) => {
			const { occupancy, load } = world({ enginesPerGpu: engines, gpuBytesPerGpu: 5e9 });
			for (let i = 0; i < engines; i++) {
				expect(occupancy.startRefusal([GPU0], 5e9)).toBeNull();
				load(`r${i}`, 0);
			}
			expect(occupancy.startRefusal([GPU0], 5e9)).toBe(reason);
			expect(occupancy.startRefusal([gpuId('gpu2'), GPU0], 5e9)).toBe(reason);
		},
	);

	it('finds room beside one that sleeps, and beside one that is stopped in its sleep', () => {
		const { occupancy, awake } = world({ gpuBytesPerGpu: 60e9 });
		const sleeper = awake('r0', 0);
		enterState(sleeper, 'falling-asleep', 1);
		expect(occupancy.startRefusal([GPU0], 60e9)).toContain('free memory');
		enterState(sleeper, 'asleep-1');
		expect(occupancy.startRefusal([GPU0], 60e9)).toBeNull();
		enterState(sleeper, 'stopping');
		expect(occupancy.startRefusal([GPU0], 60e9)).toBeNull();
	});
});

describe('a wake', () => {
	it('is refused while others have its memory or its place', () => {
		const { occupancy, awake, load } = world({ gpuBytesPerGpu: 30 * GIB });
		const sleeper = awake('r0', 0);
		enterState(sleeper, 'falling-asleep', 2);
		enterState(sleeper, 'asleep-2');
		expect(occupancy.wakeRefusal(sleeper)).toBeNull();
		load('r1', 0);
		expect(occupancy.wakeRefusal(sleeper)).toBe('r1 runs on gpu0: one engine at a time per GPU');
		const tight = world({ enginesPerGpu: 4, gpuBytesPerGpu: 40 * GIB });
		const other = tight.awake('r0', 0);
		enterState(other, 'falling-asleep', 2);
		enterState(other, 'asleep-2');
		tight.load('r1', 0);
		expect(tight.occupancy.wakeRefusal(other)).toBe(
			'waking takes 38.50 GiB more on gpu0, 33.01 GiB of 74.51 GiB are free',
		);
	});
});

describe('a sleep', () => {
	it('at level 1 needs room in host RAM from its beginning until it is awake again', () => {
		const { occupancy, awake } = world({ gpuBytesPerGpu: 10e9, enginesPerGpu: 4 });
		const first = awake('r0', 0);
		const second = awake('r1', 1);
		const host0 = hostId('host0');
		enterState(first, 'falling-asleep', 1);
		expect(occupancy.freeHostBytes(host0)).toBe(4e9);
		expect(occupancy.freeHostBytes(hostId('host1'))).toBe(20e9);
		expect(occupancy.sleepRefusal(second, 1)).toBe(
			'its weights take 14.90 GiB of RAM on host0, 3.73 GiB of 18.63 GiB are free',
		);
		expect(occupancy.sleepRefusal(second, 2)).toBeNull();
		enterState(first, 'asleep-1');
		enterState(first, 'waking');
		expect(occupancy.freeHostBytes(host0)).toBe(4e9);
		enterState(first, 'awake');
		expect(occupancy.freeHostBytes(host0)).toBe(20e9);
		expect(occupancy.sleepRefusal(second, 1)).toBeNull();
	});

	it('at level 2 takes no host RAM, and leaves the same on the GPU', () => {
		const { occupancy, awake } = world();
		const replica = awake('r0', 0);
		enterState(replica, 'falling-asleep', 2);
		expect(occupancy.freeGpuBytes(GPU0)).toBe(8e9);
		enterState(replica, 'asleep-2');
		expect(occupancy.freeHostBytes(hostId('host0'))).toBe(20e9);
		expect(occupancy.freeGpuBytes(GPU0)).toBe(80e9 - 1.5 * GIB);
	});

	it('over GPUs of two hosts takes half of each', () => {
		const { occupancy, awake } = world();
		const replica = awake('r0', 1, 2);
		enterState(replica, 'falling-asleep', 1);
		expect(['host0', 'host1'].map((id) => occupancy.freeHostBytes(hostId(id)))).toEqual([12e9, 12e9]);
		enterState(replica, 'failed');
		expect(['host0', 'host1'].map((id) => occupancy.freeHostBytes(hostId(id)))).toEqual([20e9, 20e9]);
	});

	it('is refused where the engine cannot', () => {
		const { occupancy, awake } = world();
		const replica = awake('r0', 0);
		const profile = { ...replica.profile, sleep: { 1: null, 2: null } };
		expect(occupancy.sleepRefusal({ ...replica, profile }, 2)).toBe('its engine cannot sleep at level 2');
	});
});
