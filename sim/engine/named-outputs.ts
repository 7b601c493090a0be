import type { EngineRequest } from '../domain/engine.ts';
import type { Sequence } from './sequence.ts';
import { outputStream } from './token-chains.ts';

/** Whose outputs occur in prompts: only those can be found in the prefix cache by anybody else. */
export class NamedOutputs {
	private readonly streams = new Set<string>();
	/** Sequences that have not ended, as far as noticed. */
	private readonly open = new Set<Sequence>();

	/** @returns ids of requests whose output this prompt is the first to name */
	read({ promptSegments = [] }: EngineRequest): string[] {
		const ids: string[] = [];
		for (const [stream] of promptSegments) {
			if (!stream.startsWith(OUTPUT_STREAM) || this.streams.has(stream)) continue;
			this.streams.add(stream);
			ids.push(stream.slice(OUTPUT_STREAM.length));
		}
		return ids;
	}

	has(id: string): boolean {
		return this.streams.size > 0 && this.streams.has(outputStream(id));
	}

	mark(sequence: Sequence | undefined): void {
		if (sequence === undefined) return;
		sequence.isNamed = true;
		this.open.add(sequence);
	}

	/** Those marked who run. */
	running(): readonly Sequence[] {
		if (this.open.size === 0) return NOBODY;
		for (const sequence of this.open) if (sequence.state === 'ended') this.open.delete(sequence);
		return [...this.open].filter(({ state }) => state === 'running');
	}
}

const OUTPUT_STREAM = outputStream('');
const NOBODY: readonly Sequence[] = [];
