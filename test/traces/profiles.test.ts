import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { meanTokens } from '../../sim/domain/distribution.ts';
import {
	engineProfile,
	engineProfileNames,
	gpuProfile,
	gpuTypeNames,
	modelRecords,
	promptsFile,
	taskNames,
	taskProfile,
} from '../../traces/read-profile.ts';
import { itShared } from '../support/shared.ts';

const root = path.resolve(__dirname, '../../traces/profiles');
const files = readdirSync(root, { recursive: true })
	.map(String)
	.filter((file) => file.endsWith('.json'));

/** Paths of numbers that no enclosing record gives a source and a basis. */
function unsourced(value: unknown, at: string, covered: boolean): string[] {
	if (typeof value === 'number') return covered ? [] : [at];
	if (typeof value !== 'object' || value === null) return [];
	const record = value as Record<string, unknown>;
	const own = typeof record.source === 'string' && record.source !== '' && typeof record.basis === 'string';
	return Object.entries(record).flatMap(([key, inner]) => unsourced(inner, `${at}.${key}`, covered || own));
}

describe('bundled profiles', () => {
	it.each(files)('%s: every number has a source and a basis', (file) => {
		expect(unsourced(JSON.parse(readFileSync(path.join(root, file), 'utf8')), file, false)).toEqual([]);
	});

	it('parse, and name what they hold', () => {
		expect(Object.keys(modelRecords())).toHaveLength(16);
		for (const type of gpuTypeNames()) {
			expect(gpuProfile(type)?.type).toBe(type);
			expect(Object.keys(gpuProfile(type)?.stepCost ?? {}).sort()).toEqual(
				Object.keys(modelRecords()).sort(),
			);
		}
		for (const name of engineProfileNames()) expect(engineProfile(name)?.name).toBe(name);
		for (const name of taskNames()) {
			expect(taskProfile(name)?.task).toBe(name);
			expect(Object.keys(taskProfile(name)?.lengths ?? {}).sort()).toEqual(
				Object.keys(modelRecords()).sort(),
			);
		}
		expect(gpuTypeNames()).toEqual(['A100-SXM-80GB', 'H100-SXM-80GB', 'H200-SXM-141GB']);
		expect(engineProfileNames()).toEqual(['vllm-0.7.1', 'vllm-v1']);
		expect(taskNames()).toEqual(['aime24', 'gpqa', 'medmcqa', 'mmlu_pro']);
	});

	it('give every model a chat wrapper', () => {
		for (const model of Object.values(modelRecords())) {
			expect(promptsFile().chatWrappers).toHaveProperty(model.chatWrapper);
		}
	});

	// MOSAIC, arXiv 2606.03014: 3146, 3734, 291 and about 200 output tokens.
	it.each([
		['LlamaR1', 3146],
		['QwenR1', 3734],
		['Gemma', 291],
		['Exaone', 200],
		['GLM', 200],
		['Qwen', 200],
	])('mean output of %s on MMLU-Pro is the published %d within 2 %%', (model, published) => {
		const length = taskProfile('mmlu_pro')?.lengths[model];
		const mean = length === undefined ? 0 : meanTokens({ ...length, scale: 1 });
		expect(Math.abs(mean / published - 1)).toBeLessThan(0.02);
	});

	itShared('data/expert_pool.json', 'models carry the numbers of the expert pool', (file) => {
		const { experts } = JSON.parse(readFileSync(file, 'utf8')) as { experts: Record<string, unknown>[] };
		for (const expert of experts) {
			const model = modelRecords()[String(expert.name)];
			expect(model).toMatchObject({
				checkpoint: expert.model,
				modelClass: expert.class,
				weightBytes: expert.weight_bytes,
				kvBytesPerToken: expert.kv_bytes_per_token,
				contextLimitTokens: expert.context_limit,
				outputLimitTokens: expert.max_tokens,
				attentionHeads: expert.heads,
			});
		}
		expect(experts).toHaveLength(16);
	});

	itShared(
		'data/gpu_cost.json',
		'step times are those fitted on the model itself, or else scaled to it, with the error of the fit',
		(file) => {
			const cost = JSON.parse(readFileSync(file, 'utf8')) as {
				devices: Record<string, Record<string, { knee: Coefficients }>>;
				scaling_rule: { experts: Record<string, Record<string, Coefficients>> };
			};
			for (const [type, experts] of Object.entries(cost.scaling_rule.experts)) {
				expect(Object.keys(experts)).toHaveLength(16);
				for (const [model, scaled] of Object.entries(experts)) {
					const own = gpuProfile(type)?.stepCost[model];
					const isQwen = own?.source.includes('Qwen2.5-7B (aiconfigurator');
					const fit = cost.devices[type]?.[isQwen ? 'qwen2.5-7b' : 'llama-8b']?.knee as Coefficients;
					const wanted = own?.basis === 'fitted' ? fit : scaled;
					for (const [got, milliseconds] of [
						[own?.baseUs, wanted.a_ms],
						[own?.perTokenOverKneeUs, wanted.b_ms_per_token_over_knee],
						[own?.perDecodeSequenceUs, wanted.c_ms_per_decode_seq],
						[own?.perContextTokenUs, wanted.d_ms_per_context_token],
						[own?.perPrefillTokenSquaredUs, wanted.q_ms_per_prefill_token_squared],
					] as const)
						expect((got ?? 0) / 1000, `${type} ${model}`).toBeCloseTo(milliseconds, 12);
					expect(own?.kneeTokens).toBe(wanted.knee_tokens);
					expect(own?.fitErrorPercent).toEqual(fit.fit_error_percent);
				}
			}
		},
	);
});

interface Coefficients {
	readonly a_ms: number;
	readonly b_ms_per_token_over_knee: number;
	readonly knee_tokens: number;
	readonly c_ms_per_decode_seq: number;
	readonly d_ms_per_context_token: number;
	readonly q_ms_per_prefill_token_squared: number;
	readonly fit_error_percent: { readonly mean: number; readonly p95: number; readonly max: number };
}
