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
		'step times are those of the scaling table, or of the closer own fit',
		(file) => {
			const cost = JSON.parse(readFileSync(file, 'utf8')) as {
				scaling_rule: { experts: Record<string, Record<string, Record<string, number>>> };
			};
			for (const [type, experts] of Object.entries(cost.scaling_rule.experts)) {
				for (const [model, scaled] of Object.entries(experts)) {
					const own = gpuProfile(type)?.stepCost[model];
					// The scaling rule is good to 5 % on the model it was checked with.
					expect(Math.abs((own?.baseUs ?? 0) / 1000 / (scaled.a_ms ?? 0) - 1)).toBeLessThan(0.06);
					const context = (own?.perContextTokenUs ?? 0) / 1000 / (scaled.d_ms_per_context_token ?? 0);
					expect(Math.abs(context - 1)).toBeLessThan(0.03);
				}
			}
		},
	);
});
