import type { ExecutorEvent } from '../core/executor.ts';
import type { GpuId, ReplicaId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { TimeUs } from '../domain/units.ts';

/** What waits in the event queue. */
export type Pending =
	| { readonly kind: 'plan'; readonly plan: Plan }
	| { readonly kind: 'arrival' }
	| { readonly kind: 'failure'; readonly failure: EngineFailure }
	/** `order` tells the outcome of an order to a replica that a later order overtook. */
	| { readonly kind: 'happening'; readonly event: ExecutorEvent; readonly order?: number }
	/** `version` tells an entry that a later submission made stale. */
	| { readonly kind: 'engine'; readonly replica: ReplicaId; readonly version: number }
	| { readonly kind: 'sample'; readonly replica: ReplicaId };

/** All engines on a GPU die at one moment, whatever they were doing. */
export interface EngineFailure {
	readonly timeUs: TimeUs;
	readonly gpu: GpuId;
	readonly reason: string;
	/** Whether they are brought up again under the same ids and keep their calls. */
	readonly restart: boolean;
}

/** What happens, before it is said when. */
export type Untimed<Event> = Event extends unknown ? Omit<Event, 'timeUs'> : never;
