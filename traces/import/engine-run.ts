import { z } from 'zod';
import { UsageError } from '../../sim/domain/errors.ts';
import type { MeasuredCall, MeasuredRun, MeasuredStep } from '../../sim/domain/measured-run.ts';
import { usFromMilliseconds, usFromSeconds } from '../../sim/domain/units.ts';
import { expectation, show } from '../experiment-problem.ts';

/**
 * Reads recordings of a real server under load (`engine-cpu-*.jsonl`, format 1): one run a line, empty lines apart.
 * @param place name of the file in messages
 * @throws UsageError E_MEASURED_RUN `file:line: field: expected X, got Y`
 */
export function readEngineRuns(text: string, place: string): readonly MeasuredRun[] {
	const lines = text.split('\n');
	const runs = lines.flatMap((line, index) =>
		line.trim() === '' ? [] : [parseEngineRun(line, `${place}:${index + 1}`)],
	);
	if (runs.length === 0) throw problem(`${place}:1`, [], 'one measured run a line', 'an empty file');
	return runs;
}

/** @param place `file:line` */
function parseEngineRun(line: string, place: string): MeasuredRun {
	const parsed = runSchema.safeParse(jsonOf(line, place));
	if (!parsed.success) {
		const issue = parsed.error.issues[0] as z.core.$ZodIssue;
		throw problem(place, issue.path, expectation(issue), show(valueAt(jsonOf(line, place), issue.path)));
	}
	const { name, engine, model, config, counters, iterations } = parsed.data;
	if (config.maxNumBatchedTokens < config.maxNumSeqs) {
		const expected = `at least maxNumSeqs (${config.maxNumSeqs})`;
		throw problem(place, ['config', 'maxNumBatchedTokens'], expected, String(config.maxNumBatchedTokens));
	}
	const needed = Math.ceil((config.maxModelLen - 1) / config.blockSize) + 1;
	if (config.numGpuBlocks < needed) {
		const expected = `at least ${needed}, room for one sequence of maxModelLen`;
		throw problem(place, ['config', 'numGpuBlocks'], expected, String(config.numGpuBlocks));
	}
	const calls = parsed.data.calls.map((call, index) => {
		checkCall(call, config.maxModelLen, place, index);
		return toCall(call);
	});
	const ids = new Set(calls.map(({ id }) => id));
	if (ids.size < calls.length) throw problem(place, ['calls'], 'each id once', 'one twice');
	return {
		name,
		place,
		server: `${model}, ${engine}`,
		// The recorder's server ran with these defaults of vLLM 0.32.0; the CPU engine schedules synchronously.
		config: {
			longPrefillTokenThreshold: 0,
			policy: 'fcfs',
			asyncScheduling: false,
			watermark: 0,
			reserveFullIsl: true,
			...config,
		},
		calls,
		steps: iterations.map(toStep),
		preemptions: counters.num_preemptions_total,
	};
}

const whole = z.int().min(0);
const positive = z.int().min(1);
const quantity = z.number().min(0);

const callSchema = z.object({
	id: whole,
	sentS: quantity,
	firstS: quantity,
	lastS: quantity,
	promptTokens: positive,
	cachedTokens: whole,
	outputTokens: positive,
	prompt: z.array(z.tuple([z.string(), whole, whole])).min(1),
});

/** Fields that nothing here needs, such as the sizes of the model, may stand beside these. */
const runSchema = z.object({
	format: z.literal(1),
	name: z.string().min(1),
	engine: z.string().min(1),
	model: z.string().min(1),
	config: z.object({
		maxNumSeqs: positive,
		maxNumBatchedTokens: positive,
		maxModelLen: z.int().min(2),
		blockSize: positive,
		numGpuBlocks: z.int().min(2),
		prefixCaching: z.boolean(),
	}),
	calls: z.array(callSchema).min(1),
	counters: z.object({ num_preemptions_total: whole }),
	iterations: z.array(z.tuple([whole, whole, whole, whole, whole, z.number().positive()])).min(1),
});

type CallRecord = z.infer<typeof callSchema>;
type StepRecord = z.infer<typeof runSchema>['iterations'][number];

function checkCall(call: CallRecord, maxModelLen: number, place: string, index: number): void {
	const { sentS, firstS, lastS, promptTokens, outputTokens, cachedTokens, prompt } = call;
	const fail = (field: string, expected: string, got: number): UsageError =>
		problem(place, ['calls', index, field], expected, String(got));
	if (firstS < sentS) throw fail('firstS', `at least sentS (${sentS})`, firstS);
	if (lastS < firstS) throw fail('lastS', `at least firstS (${firstS})`, lastS);
	const given = prompt.reduce((sum, [, , length]) => sum + length, 0);
	if (given !== promptTokens) throw fail('prompt', `lengths that add up to ${promptTokens}`, given);
	if (cachedTokens >= promptTokens)
		throw fail('cachedTokens', `less than promptTokens (${promptTokens})`, cachedTokens);
	if (promptTokens + outputTokens > maxModelLen)
		throw fail('outputTokens', `at most ${maxModelLen - promptTokens}, as the context allows`, outputTokens);
}

const toCall = (call: CallRecord): MeasuredCall => ({
	id: String(call.id),
	sentUs: usFromSeconds(call.sentS),
	firstTokenUs: usFromSeconds(call.firstS),
	lastTokenUs: usFromSeconds(call.lastS),
	promptTokens: call.promptTokens,
	promptSegments: call.prompt,
	cachedPromptTokens: call.cachedTokens,
	outputTokens: call.outputTokens,
});

const toStep = ([
	,
	prefills,
	prefillTokens,
	decodes,
	decodeTokens,
	milliseconds,
]: StepRecord): MeasuredStep => ({
	prefillSequences: prefills,
	prefillTokens,
	decodeSequences: decodes,
	decodeTokens,
	modelUs: usFromMilliseconds(milliseconds),
});

function jsonOf(line: string, place: string): unknown {
	try {
		return JSON.parse(line);
	} catch (error) {
		throw problem(place, [], 'one JSON object a line', (error as Error).message.replaceAll(/\s+/g, ' '));
	}
}

function problem(place: string, path: readonly PropertyKey[], expected: string, got: string): UsageError {
	const field = path.reduce<string>(
		(text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
		'',
	);
	const where = field === '' ? 'the line' : field.replace(/^\./, '');
	return new UsageError('E_MEASURED_RUN', `${place}: ${where}: expected ${expected}, got ${got}`);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
	return path.reduce<unknown>(
		(inner, key) =>
			typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
		value,
	);
}
