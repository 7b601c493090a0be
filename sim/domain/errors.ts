/**
 * The user's mistake: one line on stderr, exit code 2, no stack.
 * The message names the place, what was expected and what came.
 */
export class UsageError extends Error {
	/** Stable machine-readable code, e.g. `E_UNKNOWN_MODEL`. */
	readonly code: string;

	constructor(code: string, message: string) {
		super(message);
		this.name = 'UsageError';
		this.code = code;
	}
}

/** A scheduler broke its contract (an action that is not allowed, or work left undone). Not the user's mistake. */
export class PolicyError extends Error {
	readonly scheduler: string;

	constructor(scheduler: string, message: string) {
		super(`scheduler '${scheduler}': ${message}`);
		this.name = 'PolicyError';
		this.scheduler = scheduler;
	}
}

/** Our own bug: the run stops. */
export function assert(condition: unknown, message: string): asserts condition {
	if (!condition) throw new Error(`internal error: ${message}`);
}

/** Returns `value`, or stops the run when it is null or undefined. */
export function present<T>(value: T | null | undefined, what: string): T {
	assert(value !== null && value !== undefined, `${what} is missing`);
	return value;
}
