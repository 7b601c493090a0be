import { present } from '../../sim/domain/errors.ts';
import type { CallId, QueryId } from '../../sim/domain/ids.ts';
import type { Model } from '../../sim/domain/model.ts';
import type { Question } from '../../sim/domain/question.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { Answer, Call } from '../../sim/domain/work.ts';
import { aggregatorPrompt, expertPrompt } from '../../traces/questions/prompt-text.ts';
import type { CallPrompt, CallReply } from '../content.ts';
import type { ContentOptions, LiveContent } from './answer-book.ts';
import { type DrawnCall, drawnCall, SlotTable } from './drawn.ts';
import { extractAnswer } from './extract-answer.ts';
import { madeUpText } from './made-up-text.ts';
import { splitReply } from './reasoning.ts';
import { hash32 } from './token-ids.ts';

/**
 * Calls with the words of a question file. What is real and what is drawn is the experiment's choice (`live.lengths`, `live.answers`); an emulator is
 * told the drawn length and the drawn last words in any case, so that its answers can be read like a model's.
 */
export class QuestionContent implements LiveContent {
	private readonly setup: Setup;
	private readonly takesScripts: boolean;
	private readonly questions: ReadonlyMap<QueryId, Question>;
	private readonly models: ReadonlyMap<string, Model>;
	private readonly answers = new Map<CallId, Answer>();
	private readonly slotAnswers: SlotTable<string>;
	/** What aggregators read. */
	private readonly slotTexts: SlotTable<string>;

	constructor(setup: Setup, questions: readonly Question[], { takesScripts }: ContentOptions) {
		this.setup = setup;
		this.takesScripts = takesScripts;
		this.questions = new Map(questions.map((question) => [question.query, question]));
		this.models = new Map(setup.models.map((model) => [model.id, model]));
		this.slotAnswers = new SlotTable(setup);
		this.slotTexts = new SlotTable(setup);
	}

	prompt(call: Call): CallPrompt {
		const { requests, lengths } = this.setup.live;
		const question = this.question(call);
		const text =
			call.role === 'expert'
				? expertPrompt(question)
				: aggregatorPrompt(question, this.slotTexts.row(call.query));
		const drawn = this.drawn(call);
		const { maxOutputTokens: limit } = call;
		const isFixed = lengths === 'simulated' && !this.takesScripts;
		return {
			endpoint: requests.api,
			body: {
				...(requests.api === 'chat' ? { messages: [{ role: 'user', content: text }] } : { prompt: text }),
				temperature: requests.temperature,
				seed: hash32(`${this.setup.seed}/${call.id}`) >>> 1,
				...(isFixed ? { ignore_eos: true } : {}),
				...(this.takesScripts ? { mosaic: this.script(call, question, drawn) } : {}),
			},
			maxTokens: isFixed ? Math.min(drawn.outputTokens, limit) : limit,
			promptTokens: null,
		};
	}

	/** Output that was cut has no answer, even where one seems to stand in it: so the simulator has it, and the words may go on to something else. */
	read(call: Call, reply: CallReply): { answer: Answer; answerTokens: number } {
		const question = this.question(call);
		const isReal = this.setup.live.answers === 'real';
		const wasCut = reply.finishReason === 'length';
		const drawn = this.drawn(call);
		const said = splitReply(reply, this.model(call).modelClass);
		const answer = wasCut ? null : isReal ? extractAnswer(question, said.answerText) : drawn.answer;
		const answerTokens = isReal ? said.answerTokens : Math.min(drawn.answerTokens, reply.outputTokens);
		this.answers.set(call.id, answer);
		if (call.role === 'expert') {
			this.slotAnswers.set(call, answer);
			this.slotTexts.set(call, isReal ? said.answerText : this.standIn(question, answer, answerTokens));
		}
		return { answer, answerTokens };
	}

	forget(call: CallId): void {
		this.answers.delete(call);
	}

	answerOf(call: CallId): Answer | undefined {
		return this.answers.get(call);
	}

	private question({ query }: Call): Question {
		return present(this.questions.get(query), `question ${query}`);
	}

	private model({ model }: Call): Model {
		return present(this.models.get(model), `model ${model}`);
	}

	private drawn(call: Call): DrawnCall {
		return drawnCall(this.setup, call, (query) => this.slotAnswers.row(query));
	}

	/** Length and last words for an emulator: the end of the reasoning, where the model reasons, and an answer part of the drawn length. */
	private script(call: Call, question: Question, drawn: DrawnCall): Readonly<Record<string, unknown>> {
		const isReasoning = this.model(call).modelClass === 'reasoning';
		// An emulator says a byte a token.
		const bytes = isReasoning ? Math.min(drawn.answerTokens, drawn.outputTokens) : 0;
		const text = madeUpText(question.answerKind, drawn.answer, bytes);
		return {
			output_tokens: drawn.outputTokens,
			...(drawn.answer === null ? {} : { text: isReasoning ? `\n</think>\n\n${text}` : `\n${text}` }),
		};
	}

	/** Where answers are drawn, an aggregator reads words that say the drawn one at the drawn length: what an untrained model babbles has neither. */
	private standIn(question: Question, answer: Answer, answerTokens: number): string | null {
		const { aggregator, tokensPerByte } = this.setup;
		if (aggregator === null || answerTokens === 0) return null;
		const bytes = Math.round(answerTokens / (tokensPerByte?.[aggregator.model] ?? 1));
		return madeUpText(question.answerKind, answer, bytes);
	}
}
