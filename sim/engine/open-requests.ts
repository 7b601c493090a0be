import { assert } from '../domain/errors.ts';
import type { Sequence } from './sequence.ts';

/**
 * Sequences that have not ended, by id. With a million of them the index costs more than the scheduling, so it can be
 * left until somebody asks for an id; only from then on a double id is noticed.
 */
export class OpenRequests {
	size = 0;
	private byId: Map<string, Sequence> | null;
	private readonly everybody: () => Iterable<Sequence>;

	/** @param everybody those added and not deleted, for a late index */
	constructor(isIndexed: boolean, everybody: () => Iterable<Sequence>) {
		this.byId = isIndexed ? new Map() : null;
		this.everybody = everybody;
	}

	get isIndexed(): boolean {
		return this.byId !== null;
	}

	/** A request for which `everybody` makes the sequence. */
	addUnread(): void {
		assert(this.byId === null, 'an index needs the sequence');
		this.size++;
	}

	add(sequence: Sequence): void {
		this.size++;
		this.byId?.set(sequence.id, sequence);
		if (this.byId !== null && this.byId.size < this.size)
			assert(false, `request ${sequence.id} is already in the engine`);
	}

	delete(sequence: Sequence): void {
		this.size--;
		this.byId?.delete(sequence.id);
	}

	get(id: string): Sequence | undefined {
		if (this.byId === null) {
			this.byId = new Map();
			for (const sequence of this.everybody()) this.byId.set(sequence.id, sequence);
			assert(this.byId.size === this.size, 'two open requests have the same id');
		}
		return this.byId.get(id);
	}
}
