import type { CallId } from '../../sim/domain/ids.ts';
import type { Answer } from '../../sim/domain/work.ts';
import type { CallContent } from '../content.ts';

/** Content that also remembers what each finished call answered, for judging. */
export interface LiveContent extends CallContent {
	/** Undefined for a call of which no reply was read. */
	answerOf(call: CallId): Answer | undefined;
}

export interface ContentOptions {
	/** Calls may carry a script for what to generate (`Backend.takesScripts`). */
	readonly takesScripts: boolean;
}
