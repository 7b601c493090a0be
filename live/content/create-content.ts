import type { Setup } from '../../sim/domain/setup.ts';
import type { ContentOptions, LiveContent } from './answer-book.ts';
import { QuestionContent } from './questions.ts';
import { SyntheticContent } from './synthetic.ts';

/** What a run's calls say and how replies are read: real words with a question file, token ids without. */
export function createContent(setup: Setup, options: ContentOptions): LiveContent {
	return setup.questions === null
		? new SyntheticContent(setup, options)
		: new QuestionContent(setup, setup.questions, options);
}
