import type { CallId, ModelId } from '../domain/ids.ts';
import type { Call, CallRole } from '../domain/work.ts';

const NONE: readonly Call[] = Object.freeze([]);

/** Calls that may be dispatched and are not, per (model, role), in workload order. */
export class PendingCalls {
	private readonly queues = new Map<string, Queue>();
	/** The same calls again, by how many slots of their query have ended. */
	private readonly queuesByAnswers = new Map<string, Queue[]>();
	private readonly positions = new Map<string, number>();
	private readonly entries = new Map<CallId, Entry>();

	/** @param answers slots of its query that have ended */
	add(call: Call, answers: number): void {
		let position = this.positions.get(call.query);
		if (position === undefined) {
			position = this.positions.size;
			this.positions.set(call.query, position);
		}
		const entry = { call, position, answers };
		this.entries.set(call.id, entry);
		this.queue(call).add(entry);
		this.queueByAnswers(entry).add(entry);
	}

	remove(call: Call): void {
		const entry = this.entries.get(call.id);
		if (entry === undefined) return;
		this.entries.delete(call.id);
		this.queue(call).remove(entry);
		this.queueByAnswers(entry).remove(entry);
	}

	/** One more slot of the query that these calls belong to has ended. */
	answered(calls: readonly CallId[]): void {
		for (const id of calls) {
			const entry = this.entries.get(id);
			if (entry === undefined) continue;
			this.queueByAnswers(entry).remove(entry);
			entry.answers++;
			this.queueByAnswers(entry).add(entry);
		}
	}

	list(model: ModelId, role: CallRole): readonly Call[] {
		return this.queues.get(`${role}/${model}`)?.list() ?? NONE;
	}

	listByAnswers(model: ModelId, role: CallRole): readonly (readonly Call[] | undefined)[] {
		return this.queuesByAnswers.get(`${role}/${model}`)?.map((queue) => queue.list()) ?? [];
	}

	private queueByAnswers({ call: { model, role }, answers }: Entry): Queue {
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

interface Entry {
	readonly call: Call;
	/** Of its query, in order of arrival. */
	readonly position: number;
	answers: number;
}

/**
 * Calls of one (model, role), always in order, so that a change moves a block of memory and a list is a copy of one. The list is made when somebody
 * asks and kept until the queue changes.
 */
class Queue {
	private readonly entries: Entry[] = [];
	/** Those of the entries. */
	private readonly calls: Call[] = [];
	private listed: readonly Call[] | null = NONE;

	add(entry: Entry): void {
		const index = this.indexOf(entry);
		if (index === this.entries.length) {
			this.entries.push(entry);
			this.calls.push(entry.call);
		} else {
			this.entries.splice(index, 0, entry);
			this.calls.splice(index, 0, entry.call);
		}
		this.listed = null;
	}

	remove(entry: Entry): void {
		const index = this.indexOf(entry);
		if (this.entries[index] !== entry) return;
		this.entries.splice(index, 1);
		this.calls.splice(index, 1);
		this.listed = null;
	}

	list(): readonly Call[] {
		this.listed ??= Object.freeze(this.calls.slice());
		return this.listed;
	}

	/** Where an entry stands, or would. */
	private indexOf(entry: Entry): number {
		const { entries } = this;
		const last = entries.at(-1);
		if (last === undefined || isBefore(last, entry)) return entries.length;
		let low = 0;
		let high = entries.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (isBefore(entries[middle] as Entry, entry)) low = middle + 1;
			else high = middle;
		}
		return low;
	}
}

const isBefore = (one: Entry, other: Entry): boolean =>
	one.position < other.position ||
	(one.position === other.position && one.call.slotIndex < other.call.slotIndex);
