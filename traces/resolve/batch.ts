import type { Experiment } from '../experiment-schema.ts';
import type { AskedQuestion } from '../generate/workload.ts';
import type { Inputs } from '../input-files.ts';
import { aggregatorPrompt, expertPrompt } from '../questions/prompt-text.ts';
import { estimateTokens } from '../questions/token-estimate.ts';
import { promptsFile } from '../read-profile.ts';
import type { ModelEntry } from './catalog.ts';
import type { Fail } from './fail.ts';

/** The questions of an experiment, drawn or read. */
export interface Batch {
	/** Questions in all, before `keepQueries`. */
	readonly count: number;
	/** Null when they are drawn. */
	readonly asked: readonly AskedQuestion[] | null;
	/** Tasks that occur, in order of first appearance. */
	readonly tasks: readonly string[];
}

export function resolveBatch({ workload }: Experiment, inputs: Inputs, fail: Fail): Batch {
	const { queries, task } = workload;
	if (inputs.questions === null) {
		if (queries === undefined)
			throw fail(
				['workload', 'queries'],
				'E_EXPERIMENT_VALUE',
				'a whole number, or a question file in workload.questions',
				'nothing',
			);
		return { count: queries, asked: null, tasks: [task] };
	}
	const count = inputs.questions.length;
	// The count may stand beside the file, but it must be the file's.
	if (queries !== undefined && queries !== count)
		throw fail(
			['workload', 'queries'],
			'E_EXPERIMENT_VALUE',
			`nothing beside workload.questions, or its ${count} questions`,
			String(queries),
		);
	const asked = inputs.questions.map((read) => ({
		question: read.question,
		task: read.task ?? task,
		promptBytes: Buffer.byteLength(expertPrompt(read.question)),
	}));
	return { count, asked, tasks: [...new Set(asked.map((each) => each.task))] };
}

/**
 * Fixed parts of an aggregator's prompt beside question and answers, in its tokens.
 * @param aggregator undefined when there is none
 */
export function aggregatorPromptParts(
	{ asked }: Batch,
	aggregator: ModelEntry | undefined,
): { readonly baseTokens: number; readonly perAnswerTokens: number } {
	const [first] = asked ?? [];
	if (first === undefined || aggregator === undefined) {
		const { baseTokens, perAnswerTokens } = promptsFile().aggregatorPrompt;
		return { baseTokens, perAnswerTokens };
	}
	// Question and closing line are those of an expert's prompt, which the formula of sim/domain/aggregator-prompt.ts adds.
	const size = (answers: readonly string[]): number =>
		Buffer.byteLength(aggregatorPrompt(first.question, answers));
	const oneByte = size(['x']) - 1;
	return {
		baseTokens: estimateTokens(size([]) - first.promptBytes, aggregator.tokensPerByte),
		perAnswerTokens: estimateTokens(oneByte - size([]), aggregator.tokensPerByte),
	};
}
