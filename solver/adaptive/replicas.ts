import type { ReplicaView } from '../../sim/domain/scheduler.ts';

/** Of these replicas together. */
export const gpuCount = (replicas: readonly ReplicaView[]): number =>
	replicas.reduce((sum, { gpus }) => sum + gpus.length, 0);

/** Whether it serves now or will without being asked. */
export const isServing = ({ state }: ReplicaView): boolean =>
	state === 'awake' || state === 'loading' || state === 'waking';
