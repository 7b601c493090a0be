/** What the program's exit code says (the same table is in the README). */
export const EXIT = {
	done: 0,
	bug: 1,
	/** The user's mistake: one line on stderr. */
	usage: 2,
	/** It ran, but calls failed or a comparison is beyond its limit. */
	beyondLimit: 3,
	interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The user asked to stop (Ctrl-C). Whoever throws it has left its folder in order. */
export class Interrupted extends Error {
	constructor(message: string) {
		super(message);
		this.name = 'Interrupted';
	}
}
