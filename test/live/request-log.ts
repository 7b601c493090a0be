import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

const ADDED = /Added request (?:cmpl|chatcmpl)-(.+)-\d+\.$/;

/** What the emulators of a run say they were asked, from their own logs: a witness that is not the controller's journal. */
export class RequestLog {
	private readonly folder: string;
	private readonly ended = new Set<string>();
	private readonly seenBytes = new Map<string, number>();
	private readonly again: string[] = [];

	constructor(folder: string) {
		this.folder = folder;
	}

	/** From now on no request of these calls may come. */
	mark(endedCalls: readonly string[]): void {
		this.look();
		for (const call of endedCalls) this.ended.add(call);
	}

	/** Calls that were sent although their end had been marked. */
	sentAfterMark(): readonly string[] {
		this.look();
		return this.again;
	}

	/** How many requests there were of each call. */
	counts(): ReadonlyMap<string, number> {
		const counts = new Map<string, number>();
		for (const file of this.files())
			for (const call of requestsIn(readFileSync(file, 'utf8')))
				counts.set(call, (counts.get(call) ?? 0) + 1);
		return counts;
	}

	/** Reads on where it stopped; requests from before a mark are not held against it. */
	private look(): void {
		for (const file of this.files()) {
			const from = this.seenBytes.get(file) ?? 0;
			// A line that is still being written is left for later.
			const text = readFileSync(file).subarray(from, statSync(file).size).toString('utf8');
			const whole = text.slice(0, text.lastIndexOf('\n') + 1);
			this.seenBytes.set(file, from + Buffer.byteLength(whole));
			this.again.push(...requestsIn(whole).filter((call) => this.ended.has(call)));
		}
	}

	private files(): readonly string[] {
		if (!existsSync(this.folder)) return [];
		return readdirSync(this.folder)
			.filter((name) => name.endsWith('.log'))
			.map((name) => path.join(this.folder, name));
	}
}

const requestsIn = (text: string): string[] =>
	text.split('\n').flatMap((line) => ADDED.exec(line)?.[1] ?? []);
