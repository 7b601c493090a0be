import type { EngineRequest } from '../domain/engine.ts';
import type { Sequence } from './sequence.ts';

/**
 * Sequences not admitted yet, or preempted: head first. Under fcfs nobody asks for a newcomer's sequence before its turn, so a
 * request can stand for it: a million waiting sequences cost more than their scheduling.
 */
export class WaitingQueue {
	private readonly byPriority: boolean;
	private readonly items: Sequence[] = [];
	/** Items before it have left; they are cut off now and then, so that taking the head costs O(1). */
	private head = 0;
	/** Newcomers behind the items, and how many of them have become items. */
	private readonly unread: EngineRequest[] = [];
	private readCount = 0;
	private readonly read: (request: EngineRequest) => Sequence;

	/** @param read makes the sequence of an unread request */
	constructor(policy: 'fcfs' | 'priority', read: (request: EngineRequest) => Sequence) {
		this.byPriority = policy === 'priority';
		this.read = read;
	}

	get size(): number {
		return this.items.length - this.head + this.unread.length - this.readCount;
	}

	all(): readonly Sequence[] {
		while (this.readCount < this.unread.length) this.readNext();
		return this.items.slice(this.head);
	}

	peek(): Sequence | undefined {
		if (this.head === this.items.length && this.readCount < this.unread.length) this.readNext();
		return this.items[this.head];
	}

	shift(): void {
		this.head++;
		if (this.head < 64 || this.head * 2 < this.items.length) return;
		this.items.splice(0, this.head);
		this.head = 0;
	}

	/** A newcomer: last under fcfs, at its place under the priority policy. */
	add(sequence: Sequence): void {
		if (this.byPriority) this.insert(sequence);
		else this.items.push(sequence);
	}

	/** A newcomer under fcfs, for whom `add` is not called before all unread ones are read. */
	addUnread(request: EngineRequest): void {
		this.unread.push(request);
	}

	/** A preempted sequence: to the very head under fcfs, to its place under the priority policy. */
	putBack(sequence: Sequence): void {
		if (this.byPriority) this.insert(sequence);
		else if (this.head > 0) this.items[--this.head] = sequence;
		else this.items.unshift(sequence);
	}

	remove(sequence: Sequence): void {
		const index = this.items.indexOf(sequence, this.head);
		if (index >= 0) this.items.splice(index, 1);
	}

	private readNext(): void {
		this.items.push(this.read(this.unread[this.readCount] as EngineRequest));
		this.readCount++;
		if (this.readCount < 64 || this.readCount * 2 < this.unread.length) return;
		this.unread.splice(0, this.readCount);
		this.readCount = 0;
	}

	private insert(sequence: Sequence): void {
		let low = this.head;
		let high = this.items.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (compareUrgency(this.items[middle] as Sequence, sequence) < 0) low = middle + 1;
			else high = middle;
		}
		this.items.splice(low, 0, sequence);
	}
}

/** Negative when `a` goes first under the priority policy: lower number, then earlier arrival, then earlier submission. */
export function compareUrgency(a: Sequence, b: Sequence): number {
	return a.priority - b.priority || a.arrival - b.arrival || a.order - b.order;
}
