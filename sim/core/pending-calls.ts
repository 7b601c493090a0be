import type { CallId, ModelId } from '../domain/ids.ts';
import type { Call, CallRole } from '../domain/work.ts';

const NONE: readonly Call[] = Object.freeze([]);

/** Calls that may be dispatched and are not, per (model, role), in workload order. */
export class PendingCalls {
	private readonly queues = new Map<string, Queue>();
	private readonly positions = new Map<string, number>();

	add(call: Call): void {
		let position = this.positions.get(call.query);
		if (position === undefined) {
			position = this.positions.size;
			this.positions.set(call.query, position);
		}
		this.queue(call.model, call.role).add(call, position);
	}

	remove(call: Call): void {
		this.queue(call.model, call.role).remove(call.id);
	}

	list(model: ModelId, role: CallRole): readonly Call[] {
		return this.queues.get(`${role}/${model}`)?.list() ?? NONE;
	}

	private queue(model: ModelId, role: CallRole): Queue {
		const key = `${role}/${model}`;
		let queue = this.queues.get(key);
		if (queue === undefined) {
			queue = new Queue();
			this.queues.set(key, queue);
		}
		return queue;
	}
}

/** Calls of one (model, role). The list is worked out when somebody asks and kept until the queue changes. */
class Queue {
	private readonly entries = new Map<CallId, { readonly call: Call; readonly position: number }>();
	private sorted = true;
	private lastPosition = -1;
	private lastSlot = -1;
	private listed: readonly Call[] | null = NONE;

	add(call: Call, position: number): void {
		// Calls arrive in workload order, except aggregator calls, which become ready in any order, and calls that come back.
		const { slotIndex } = call;
		if (position < this.lastPosition || (position === this.lastPosition && slotIndex < this.lastSlot))
			this.sorted = false;
		this.lastPosition = position;
		this.lastSlot = slotIndex;
		this.entries.set(call.id, { call, position });
		this.listed = null;
	}

	remove(id: CallId): void {
		if (this.entries.delete(id)) this.listed = null;
	}

	list(): readonly Call[] {
		if (this.listed === null) {
			const entries = [...this.entries.values()];
			if (!this.sorted) {
				entries.sort((a, b) => a.position - b.position || a.call.slotIndex - b.call.slotIndex);
				this.entries.clear();
				for (const entry of entries) this.entries.set(entry.call.id, entry);
				this.sorted = true;
				this.lastPosition = entries.at(-1)?.position ?? -1;
				this.lastSlot = entries.at(-1)?.call.slotIndex ?? -1;
			}
			this.listed = Object.freeze(entries.map((entry) => entry.call));
		}
		return this.listed;
	}
}
