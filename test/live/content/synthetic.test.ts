import { describe, expect, it } from 'vitest';
import { createContent } from '../../../live/content/create-content.ts';
import { promptTokenIds } from '../../../live/content/token-ids.ts';
import type { CallReply } from '../../../live/content.ts';
import { aggregatorCallId, expertCallId, modelId, type QueryId, queryId } from '../../../sim/domain/ids.ts';
import type { Call, FinishReason } from '../../../sim/domain/work.ts';
import { smallSetup } from '../../support/setup-builder.ts';

const setup = smallSetup({
	queries: [
		{
			calls: [
				{ model: 'a', outputTokens: 50, answer: 'A' },
				{ model: 'a', outputTokens: 7, answer: 'B' },
				{ model: 'b', outputTokens: 2048, answer: null },
			],
			aggregatorOutputTokens: 90,
			aggregatorAnswer: 'B',
		},
		{ calls: [{ model: 'a', outputTokens: 50, answer: 'A' }] },
	],
});

const expert = (slotIndex: number, model: string, query: QueryId = queryId('q0')): Call => ({
	id: expertCallId(query, slotIndex),
	query,
	task: 'test',
	role: 'expert',
	slotIndex,
	model: modelId(model),
	promptTokens: 20,
	maxOutputTokens: 2048,
});
const aggregator: Call = {
	...expert(0, 'agg'),
	id: aggregatorCallId(queryId('q0')),
	role: 'aggregator',
	slotIndex: -1,
	promptTokens: 60,
};
const reply = (outputTokens: number, finishReason: FinishReason): CallReply => ({
	text: 'babble, the answer is (D)',
	reasoningText: '',
	promptTokens: 20,
	outputTokens,
	cachedPromptTokens: 0,
	finishReason,
});
const ids = (prompt: { readonly body: Readonly<Record<string, unknown>> }): number[] =>
	prompt.body.prompt as number[];

describe('calls without words', () => {
	it('on a server: token ids, exactly the drawn length', () => {
		const content = createContent(setup, { takesScripts: false });
		const prompt = content.prompt(expert(0, 'a'));
		expect(prompt).toMatchObject({ endpoint: 'completions', maxTokens: 50, promptTokens: 20 });
		expect(prompt.body).toEqual({ prompt: ids(prompt), ignore_eos: true });
		expect(ids(prompt)).toHaveLength(20);
		expect(content.prompt(expert(2, 'b')).maxTokens).toBe(2048);
		expect(content.prompt(aggregator)).toMatchObject({ maxTokens: 90, promptTokens: 60 });
	});

	it('on an emulator: the drawn length as a script, within the real limit', () => {
		const content = createContent(setup, { takesScripts: true });
		const prompt = content.prompt(expert(0, 'a'));
		expect(prompt).toMatchObject({ endpoint: 'completions', maxTokens: 2048, promptTokens: 20 });
		expect(prompt.body).toEqual({ prompt: ids(prompt), mosaic: { output_tokens: 50 } });
	});

	it('that are cut ask for no more than they may have, wherever they are sent', () => {
		const cut = { ...expert(0, 'a'), maxOutputTokens: 30 };
		const onServer = createContent(setup, { takesScripts: false });
		expect(onServer.prompt(cut)).toMatchObject({ maxTokens: 30, body: { ignore_eos: true } });
		const onEmulator = createContent(setup, { takesScripts: true });
		expect(onEmulator.prompt(cut)).toMatchObject({ maxTokens: 30, body: { mosaic: { output_tokens: 50 } } });
		for (const content of [onServer, onEmulator])
			expect(content.read(cut, reply(30, 'length'))).toEqual({ answer: null, answerTokens: 10 });
	});

	it('slots of one query on one model share their prompt; others share nothing that a cache could hold', () => {
		const content = createContent(setup, { takesScripts: false });
		const first = ids(content.prompt(expert(0, 'a')));
		expect(ids(content.prompt(expert(1, 'a')))).toEqual(first);
		const other = ids(content.prompt(expert(0, 'a', queryId('q1'))));
		expect(other.slice(0, 16)).not.toEqual(first.slice(0, 16));
		expect(ids(content.prompt(aggregator)).slice(0, 16)).not.toEqual(first.slice(0, 16));
	});

	it('answers are the drawn ones, whatever was said; the aggregator is given those of the experts', () => {
		const content = createContent(setup, { takesScripts: false });
		expect(content.read(expert(0, 'a'), reply(50, 'stop'))).toEqual({ answer: 'A', answerTokens: 10 });
		expect(content.read(expert(1, 'a'), reply(7, 'stop'))).toEqual({ answer: 'B', answerTokens: 7 });
		expect(content.read(aggregator, reply(90, 'stop')).answer).toBe('B');
		expect(content.answerOf(aggregator.id)).toBe('B');
		expect(content.answerOf(expertCallId(queryId('q0'), 2))).toBeUndefined();
	});

	it('output that was cut has no answer', () => {
		const content = createContent(setup, { takesScripts: true });
		expect(content.read(expert(2, 'b'), reply(2048, 'length')).answer).toBeNull();
		expect(content.read(expert(0, 'a'), reply(30, 'length')).answer).toBeNull();
		expect(content.read(aggregator, reply(40, 'length')).answer).toBeNull();
	});
});

describe('prompts of token ids', () => {
	it('are ids that every vocabulary has, the same for the same stream, a longer one going on where a shorter one ends', () => {
		const long = promptTokenIds('q7', 500);
		expect(promptTokenIds('q7', 200)).toEqual(long.slice(0, 200));
		expect(Math.min(...long)).toBeGreaterThanOrEqual(10);
		expect(Math.max(...long)).toBeLessThanOrEqual(249);
		expect(new Set(long).size).toBeGreaterThan(180);
	});

	it('of different streams differ from the first block on', () => {
		const blocks = new Set(Array.from({ length: 5000 }, (_, i) => promptTokenIds(`q${i}`, 16).join()));
		expect(blocks.size).toBe(5000);
	});
});
