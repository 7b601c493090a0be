import type { CallId, ModelId } from '../domain/ids.ts';
import type { Call, CallRole } from '../domain/work.ts';

const NONE: readonly Call[] = Object.freeze([]);

/** Calls that may be dispatched and are not, per (model, role), in workload order. */
export class PendingCalls {
	private readonly queues = new Map<string, Queue>();
	/** The same calls again, by how many slots of their query have ended. */
	private readonly queuesByAnswers = new Map<string, Queue[]>();
	private readonly positions = new Map<string, number>();
	private readonly entries = new Map<CallId, { readonly call: Call; answers: number }>();

	/** @param answers slots of its query that have ended */
	add(call: Call, answers: number): void {
		let position = this.positions.get(call.query);
		if (position === undefined) {
			position = this.positions.size;
			this.positions.set(call.query, position);
		}
		this.entries.set(call.id, { call, answers });
		this.queue(call).add(call, position);
		this.queueByAnswers(call, answers).add(call, position);
	}

	remove(call: Call): void {
		const entry = this.entries.get(call.id);
		if (entry === undefined) return;
		this.entries.delete(call.id);
		this.queue(call).remove(call.id);
		this.queueByAnswers(call, entry.answers).remove(call.id);
	}

	/** One more slot of the query that these calls belong to has ended. */
	answered(calls: readonly CallId[]): void {
		for (const id of calls) {
			const entry = this.entries.get(id);
			if (entry === undefined) continue;
			this.queueByAnswers(entry.call, entry.answers).remove(id);
			entry.answers++;
			const position = this.positions.get(entry.call.query) ?? 0;
			this.queueByAnswers(entry.call, entry.answers).add(entry.call, position);
		}
	}

	list(model: ModelId, role: CallRole): readonly Call[] {
		return this.queues.get(`${role}/${model}`)?.list() ?? NONE;
	}

	listByAnswers(model: ModelId, role: CallRole): readonly (readonly Call[] | undefined)[] {
		return this.queuesByAnswers.get(`${role}/${model}`)?.map((queue) => queue.list()) ?? [];
	}

	private queueByAnswers({ model, role }: Call, answers: number): Queue {
		const key = `${role}/${model}`;
		let queues = this.queuesByAnswers.get(key);
		if (queues === undefined) {
			queues = [];
			this.queuesByAnswers.set(key, queues);
		}
		queues[answers] ??= new Queue();
		return queues[answers];
	}

	private queue({ model, role }: Call): Queue {
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
