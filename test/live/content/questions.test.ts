import { describe, expect, it } from 'vitest';
import type { LiveContent } from '../../../live/content/answer-book.ts';
import { createContent } from '../../../live/content/create-content.ts';
import type { CallPrompt, CallReply } from '../../../live/content.ts';
import { aggregatorCallId, expertCallId, modelId } from '../../../sim/domain/ids.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import type { Call, FinishReason, Query } from '../../../sim/domain/work.ts';
import { loadExperiment } from '../../../traces/index.ts';
import { aggregatorPrompt, expertPrompt } from '../../../traces/questions/prompt-text.ts';

const load = (...sets: readonly string[]): Setup => loadExperiment('quiz', { sets });
const setup = load();

const queryAt = (of: Setup, index: number): Query => of.queries[index] as Query;
const questionOf = (of: Setup, query: Query) => {
	const found = of.questions?.find((question) => question.query === query.id);
	if (found === undefined) throw new Error(`no question ${query.id}`);
	return found;
};
const limitOf = (of: Setup, model: string): number =>
	of.models.find(({ id }) => id === model)?.outputLimitTokens ?? 0;

const expertCall = (of: Setup, query: Query, slotIndex: number): Call => ({
	id: expertCallId(query.id, slotIndex),
	query: query.id,
	task: query.task,
	role: 'expert',
	slotIndex,
	model: query.slots[slotIndex] ?? modelId('none'),
	promptTokens: query.slotPromptTokens[slotIndex] ?? 0,
	maxOutputTokens: limitOf(of, query.slots[slotIndex] ?? ''),
});
const aggregatorCall = (of: Setup, query: Query): Call => ({
	...expertCall(of, query, 0),
	id: aggregatorCallId(query.id),
	role: 'aggregator',
	slotIndex: -1,
	model: modelId('toy-thinker'),
	maxOutputTokens: limitOf(of, 'toy-thinker'),
});
const reply = (text: string, outputTokens = 100, finishReason: FinishReason = 'stop'): CallReply => ({
	text,
	reasoningText: '',
	promptTokens: 300,
	outputTokens,
	cachedPromptTokens: 0,
	finishReason,
});
const said = (prompt: CallPrompt): string =>
	(prompt.body.messages as { role: string; content: string }[])[0]?.content ?? '';
const script = (prompt: CallPrompt) => prompt.body.mosaic as { output_tokens: number; text?: string };

/** What the emulator says: words of its own so that the whole takes a byte a token, then the script's; cut at the limit. */
function emulated(content: LiveContent, call: Call): CallReply {
	const prompt = content.prompt(call);
	const { output_tokens: tokens, text = '' } = script(prompt);
	const filler = 'so it goes on and on '
		.repeat(200)
		.slice(0, Math.max(0, tokens - 1 - Buffer.byteLength(text)));
	const isCut = tokens >= prompt.maxTokens;
	const outputTokens = Math.min(tokens, prompt.maxTokens);
	return reply(
		isCut ? `${filler}${text}`.slice(0, outputTokens) : `${filler}${text}`,
		outputTokens,
		isCut ? 'length' : 'stop',
	);
}

describe('calls with words', () => {
	const query = queryAt(setup, 2);
	const question = questionOf(setup, query);

	it('ask the question in a chat and let the model end by itself', () => {
		const content = createContent(setup, { takesScripts: false });
		const prompt = content.prompt(expertCall(setup, query, 0));
		expect(prompt).toMatchObject({
			endpoint: 'chat',
			maxTokens: limitOf(setup, query.slots[0] ?? ''),
			promptTokens: null,
		});
		expect(prompt.body).toEqual({
			messages: [{ role: 'user', content: expertPrompt(question) }],
			temperature: 0.7,
			seed: prompt.body.seed,
		});
		expect(said(prompt).startsWith(question.text)).toBe(true);
	});

	it('or as plain text, at another temperature', () => {
		const other = load('live.requests={api: completions, temperature: 0}');
		const prompt = createContent(other, { takesScripts: false }).prompt(expertCall(other, query, 0));
		expect(prompt.endpoint).toBe('completions');
		expect(prompt.body).toMatchObject({ prompt: expertPrompt(question), temperature: 0 });
		expect(prompt.body).not.toHaveProperty('messages');
	});

	it('have a sampling seed of their own that follows from the experiment', () => {
		const seeds = (of: Setup): unknown[] => {
			const content = createContent(of, { takesScripts: false });
			return of.queries.flatMap((each) =>
				each.slots.map((_, slot) => content.prompt(expertCall(of, each, slot)).body.seed),
			);
		};
		expect(seeds(setup)).toEqual(seeds(load()));
		expect(new Set(seeds(setup)).size).toBe(225);
		expect(seeds(setup)[0]).not.toBe(seeds(load('seed=1'))[0]);
		for (const seed of seeds(setup))
			expect(Number.isInteger(seed) && Number(seed) >= 0 && Number(seed) < 2 ** 31).toBe(true);
	});

	it('can be made as long as the workload drew', () => {
		const fixed = load('live.lengths=simulated');
		const call = expertCall(fixed, query, 1);
		const prompt = createContent(fixed, { takesScripts: false }).prompt(call);
		expect(prompt.maxTokens).toBe(fixed.truth.call(call.id).outputTokens);
		expect(prompt.body).toMatchObject({ ignore_eos: true });
	});

	it.each(['chat', 'completions'] as const)('that are cut ask for no more than they may have: %s', (api) => {
		const of = load(`live.requests={api: ${api}, temperature: 0.7}`);
		const cut = { ...expertCall(of, query, 0), maxOutputTokens: 30 };
		for (const takesScripts of [false, true]) {
			const content = createContent(of, { takesScripts });
			expect(content.prompt(cut).maxTokens).toBe(30);
			// What looks like an answer in it may have been on its way to another.
			expect(content.read(cut, reply('The answer is (A). But', 30, 'length')).answer).toBeNull();
		}
	});

	it('read what the model said, and hand it to the aggregator without its reasoning', () => {
		const content = createContent(setup, { takesScripts: false });
		const read = (slot: number, text: string, finish?: FinishReason) =>
			content.read(expertCall(setup, query, slot), reply(text, 100, finish));
		expect(question.choices).toHaveLength(4);
		expect(read(0, '<think>Hm, A or D?</think>\n\nIt must be.\nThe answer is (D).')).toMatchObject({
			answer: 'D',
		});
		expect(read(1, 'The answer is (A). And on it go', 'length')).toMatchObject({ answer: null });
		const prompt = said(content.prompt(aggregatorCall(setup, query)));
		const isThinker = query.slots[1] === 'toy-thinker';
		expect(prompt).toBe(
			aggregatorPrompt(question, [
				'It must be.\nThe answer is (D).',
				isThinker ? null : 'The answer is (A). And on it go',
				null,
			]),
		);
		expect(content.read(aggregatorCall(setup, query), reply('</think>Answer: D')).answer).toBe('D');
		expect(content.answerOf(aggregatorCallId(query.id))).toBe('D');
	});

	it('take the drawn answers where the experiment says so, and give the aggregator words that say them', () => {
		const drawn = load('live.answers=simulated', 'live.lengths=simulated');
		const content = createContent(drawn, { takesScripts: false });
		const truths = query.slots.map((_, slot) => drawn.truth.call(expertCallId(query.id, slot)));
		truths.forEach(({ answer, answerTokens, outputTokens }, slot) => {
			const read = content.read(expertCall(drawn, query, slot), reply('\uFFFD babble (B)', outputTokens));
			expect(read).toEqual({ answer, answerTokens });
		});
		const prompt = said(content.prompt(aggregatorCall(drawn, query)));
		expect(prompt).not.toContain('babble');
		for (const { answer } of truths) expect(prompt).toContain(`The answer is (${answer}).`);
		// As many bytes as the simulator counts tokens, so that both worlds have prompts of one length.
		const { baseTokens, perAnswerTokens } = drawn.aggregatorPrompt;
		const counted = truths.reduce((sum, { answerTokens }) => sum + answerTokens, 0);
		const expected = baseTokens + 3 * perAnswerTokens + counted + Buffer.byteLength(expertPrompt(question));
		expect(Math.abs(Buffer.byteLength(prompt) - expected)).toBeLessThanOrEqual(6);
	});
});

describe('calls with words on an emulator', () => {
	it('come back with the drawn answers, read from what was said, for every kind of question', () => {
		const content = createContent(setup, { takesScripts: true });
		const kinds = new Set<string>();
		for (const query of setup.queries) {
			query.slots.forEach((_, slot) => {
				const call = expertCall(setup, query, slot);
				const truth = setup.truth.call(call.id);
				const answer = emulated(content, call);
				const read = content.read(call, answer);
				expect(read.answer, `${call.id}: ${answer.text.slice(-80)}`).toBe(truth.answer);
				expect(answer.outputTokens).toBe(truth.outputTokens);
				// The share of the text gives the drawn part, but for the tags and the end of the sequence.
				expect(
					Math.abs(read.answerTokens - Math.min(truth.answerTokens, truth.outputTokens)),
				).toBeLessThanOrEqual(8);
			});
			const answers = query.slots.map((_, slot) => setup.truth.call(expertCallId(query.id, slot)).answer);
			const call = aggregatorCall(setup, query);
			const read = content.read(call, emulated(content, call));
			const { aggregatorAnswer, aggregatorOutputTokens } = setup.truth.query(query.id);
			const isCut = aggregatorOutputTokens >= call.maxOutputTokens;
			expect(read.answer).toBe(isCut ? null : aggregatorAnswer(answers));
			kinds.add(questionOf(setup, query).answerKind);
		}
		expect([...kinds].sort()).toEqual(['boxed', 'letter', 'number']);
	});

	it('an output that is to be cut is given no last words', () => {
		const short = load(
			'workload.lengths.toy-talker={body: {family: constant, tokens: 5000}, capTokens: 5000}',
		);
		const content = createContent(short, { takesScripts: true });
		const query = short.queries.find(({ slots }) => slots.includes(modelId('toy-talker'))) as Query;
		const call = expertCall(short, query, query.slots.indexOf(modelId('toy-talker')));
		const prompt = content.prompt(call);
		expect(script(prompt)).toEqual({ output_tokens: 1000 });
		expect(prompt.maxTokens).toBe(1000);
		expect(content.read(call, emulated(content, call)).answer).toBeNull();
	});

	it('says the same after a resume: replies of a journal bring back what the aggregator is asked', () => {
		const query = queryAt(setup, 5);
		const whole = createContent(setup, { takesScripts: true });
		const replies = query.slots.map((_, slot) => emulated(whole, expertCall(setup, query, slot)));
		replies.forEach((each, slot) => {
			whole.read(expertCall(setup, query, slot), each);
		});
		const resumed = createContent(setup, { takesScripts: true });
		// In another order, as they may have ended.
		for (const slot of [2, 0, 1]) resumed.read(expertCall(setup, query, slot), replies[slot] as CallReply);
		expect(resumed.prompt(aggregatorCall(setup, query))).toEqual(whole.prompt(aggregatorCall(setup, query)));
	});
});
