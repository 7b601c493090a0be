import type { ReplicaView } from '../sim/domain/scheduler.ts';

/** At either level. */
export const isAsleep = ({ state }: Pick<ReplicaView, 'state'>): boolean =>
	state === 'asleep-1' || state === 'asleep-2';
