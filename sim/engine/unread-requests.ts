import type { EngineRequest } from '../domain/engine.ts';

/**
 * Requests in the order in which they came, first in, first out. They are kept in columns, since a million objects that live until
 * their turn cost more in garbage collection than in scheduling. Prompt segments are left out: nobody shares a token.
 */
export class UnreadRequests {
	/** Those before `first` have left; they are cut off now and then, so that taking one costs O(1). */
	private readonly ids: string[] = [];
	private columns = new Float64Array(1024 * COLUMNS);
	private first = 0;

	get size(): number {
		return this.ids.length - this.first;
	}

	push({ id, promptTokens, outputTokens, endsByStop, maxOutputTokens, priority }: EngineRequest): void {
		const at = this.ids.length * COLUMNS;
		if (at === this.columns.length) this.grow();
		const { columns } = this;
		columns[at] = promptTokens;
		columns[at + 1] = outputTokens;
		columns[at + 2] = endsByStop ? 1 : 0;
		columns[at + 3] = maxOutputTokens;
		columns[at + 4] = priority;
		this.ids.push(id);
	}

	/** @returns the first, which leaves; undefined when there is none */
	shift(): EngineRequest | undefined {
		const { ids, columns, first } = this;
		const id = ids[first];
		if (id === undefined) return undefined;
		const at = first * COLUMNS;
		const request = {
			id,
			promptTokens: columns[at] as number,
			outputTokens: columns[at + 1] as number,
			endsByStop: columns[at + 2] === 1,
			maxOutputTokens: columns[at + 3] as number,
			priority: columns[at + 4] as number,
		};
		this.first++;
		if (this.first >= 64 && this.first * 2 >= ids.length) this.cutOff();
		return request;
	}

	private grow(): void {
		const wider = new Float64Array(2 * this.columns.length);
		wider.set(this.columns);
		this.columns = wider;
	}

	private cutOff(): void {
		this.columns.copyWithin(0, this.first * COLUMNS, this.ids.length * COLUMNS);
		this.ids.splice(0, this.first);
		this.first = 0;
	}
}

const COLUMNS = 5;
