/** One lock per key, each handed on in the order in which it was asked for. */
export class Locks<Key extends string> {
	private readonly tails = new Map<Key, Promise<void>>();

	/**
	 * Waits for all locks of `keys`.
	 * @param signal ends the waiting; null: nothing does
	 * @returns gives them back; null when the signal came first
	 */
	async take(keys: readonly Key[], signal: AbortSignal | null): Promise<(() => void) | null> {
		// In all queues at once: whoever comes later is behind in each of them, so no two wait for each other.
		const turns = [...new Set(keys)].map((key) => this.queueUp(key));
		const release = (): void => {
			for (const turn of turns) turn.release();
		};
		const ready = Promise.all(turns.map((turn) => turn.ready));
		await (signal === null ? ready : Promise.race([ready, aborted(signal)]));
		if (!signal?.aborted) return release;
		release();
		return null;
	}

	private queueUp(key: Key): { readonly ready: Promise<void>; readonly release: () => void } {
		const ready = this.tails.get(key) ?? Promise.resolve();
		let release = (): void => undefined;
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		// Who gives up while waiting leaves a link that passes the lock on when it arrives.
		this.tails.set(
			key,
			ready.then(() => held),
		);
		return { ready, release };
	}
}

function aborted(signal: AbortSignal): Promise<void> {
	if (signal.aborted) return Promise.resolve();
	return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
