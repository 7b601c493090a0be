import type { Answer } from '../../sim/domain/work.ts';
import { normalBoxed } from '../../traces/questions/boxed-form.ts';
import { boxes } from './boxes.ts';
import { answerCues } from './cues.ts';

/** Content of the last `\boxed{}` in normal form; without one, what the last line that names an answer says. */
export function extractBoxed(text: string): Answer {
	const box = boxes(text).at(-1);
	if (box !== undefined) return normalBoxed(box.content);
	const cue = answerCues(text).at(-1);
	if (cue === undefined) return null;
	return normalBoxed(
		cue.said.replace(/^[*_\x60"'\s]+|[*_\x60"'\s]+$/g, '').replace(/^\\[([]|\\[)\]]\.?$/g, ''),
	);
}
