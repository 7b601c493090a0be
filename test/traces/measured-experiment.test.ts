import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { UsageError } from '../../sim/domain/errors.ts';
import { modelId } from '../../sim/domain/ids.ts';
import { findProfile } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import { loadExperiment, type MeasuredProfile, measuredProfileText } from '../../traces/index.ts';
import { measuredProfile, measuredTiming } from '../support/measured-profile.ts';
import { plain } from './sample.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-measured-'));
afterAll(() => rmSync(folder, { recursive: true }));

const expert = {
	body: { family: 'constant' as const, tokens: 77 },
	shiftTokens: 0,
	capTokens: 400,
	runawayShare: 0,
};
const profileM = measuredProfile({ lengths: { mmlu_pro: { expert } } });
const yaml = `format: 1
name: measured
cluster: { gpuType: g, gpuCount: 2 }
profiles: [profiles/a.json]
pool: [m]
workload: { task: mmlu_pro, queries: 4, slots: { m: 12 } }
`;

function load(profiles: readonly MeasuredProfile[], text = yaml, sets: readonly string[] = []): Setup {
	mkdirSync(path.join(folder, 'profiles'), { recursive: true });
	profiles.forEach((profile, index) => {
		writeFileSync(path.join(folder, `profiles/${'abc'[index]}.json`), measuredProfileText(profile));
	});
	const file = path.join(folder, 'e.yaml');
	writeFileSync(file, text);
	return loadExperiment(file, { sets });
}

function messageOf(profiles: readonly MeasuredProfile[], text: string): string {
	try {
		load(profiles, text);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		return error.message.replaceAll(`${folder}${path.sep}`, '');
	}
	throw new Error('expected a UsageError');
}

describe('an experiment on measured profiles', () => {
	it('takes model, GPU type, replica profile and lengths from the file', () => {
		const setup = load([profileM]);
		expect(setup.models).toEqual([
			{
				id: 'm',
				checkpoint: 'tiny/m',
				modelClass: 'instruct',
				weightBytes: 1_000_000,
				kvBytesPerToken: 512,
				contextLimitTokens: 8192,
				outputLimitTokens: 500,
				attentionHeads: 4,
			},
		]);
		expect(setup.cluster.gpus.map(({ type, memoryBytes }) => [type, memoryBytes])).toEqual([
			['g', 2e9],
			['g', 2e9],
		]);
		expect(setup.profiles).toEqual([
			{
				model: 'm',
				gpuType: 'g',
				tensorParallel: 1,
				engine: profileM.engine.config,
				step: profileM.step,
				loadUs: 42_500_000,
				stopUs: 400_000,
				sleep: { 1: null, 2: null },
				gpuBytesPerGpu: 1_500_000_000,
				sleepingGpuBytesPerGpu: 0,
				sleepingHostBytes: 0,
			},
		]);
		expect(setup.lengths.map(({ distribution }) => distribution)).toEqual([{ ...expert, scale: 1 }]);
		expect(setup.queries[0]?.slotPromptTokens.length).toBe(3);
	});

	it('lets what the experiment says itself stand', () => {
		const sets = [
			'engine.config.maxNumSeqs=4',
			'gpuTypes.g={memoryBytes: 3000000000}',
			'workload.lengths.m={body: {family: constant, tokens: 5}, capTokens: 9}',
			'models.m={modelClass: reasoning, weightBytes: 7, kvBytesPerToken: 1, contextLimitTokens: 2048, outputLimitTokens: 60, attentionHeads: 1, stepCost: {baseUs: 1}}',
		];
		const setup = load([profileM], yaml, sets);
		expect(setup.models[0]).toMatchObject({ modelClass: 'reasoning', weightBytes: 7 });
		expect(setup.cluster.gpus[0]?.memoryBytes).toBe(3e9);
		expect(setup.lengths[0]?.distribution.body).toEqual({ family: 'constant', tokens: 5 });
		// The engine is still the measured one, within the model's context.
		expect(setup.profiles[0]?.engine).toEqual({
			...profileM.engine.config,
			maxNumSeqs: 4,
			maxModelLen: 2048,
		});
		expect(setup.profiles[0]?.step).toEqual(profileM.step);
	});

	it('never has a context beyond the measured one', () => {
		expect(load([profileM], yaml, ['engine.config.maxModelLen=1000']).profiles[0]?.engine.maxModelLen).toBe(
			1000,
		);
		expect(load([profileM], yaml, ['engine.config.maxModelLen=9999']).profiles[0]?.engine.maxModelLen).toBe(
			4096,
		);
	});

	it('stands in place of a bundled model on the GPU types that were measured, and only there', () => {
		const Gemma = { id: 'Gemma', checkpoint: 'g', contextLimitTokens: 4096 };
		const measured = measuredProfile({
			model: Gemma,
			gpu: { type: 'A100-SXM-80GB', memoryBytes: 80e9, sharedSpeeds: [1, 0.7] },
			times: { sleep1: { sleep: measuredTiming(0.25), wake: measuredTiming(0.5) } },
		});
		const text = yaml
			.replace(
				'{ gpuType: g, gpuCount: 2 }',
				'{ gpus: [{ type: A100-SXM-80GB }, { type: A100-SXM-80GB }, { type: H100-SXM-80GB }] }',
			)
			.replace('[m]', '[Gemma, Qwen]')
			.replace('{ m: 12 }', '{ Gemma: 6, Qwen: 6 }');
		const { profiles, cluster } = load([measured], text);
		const of = (model: string, type: string, parallel: number) =>
			findProfile(profiles, modelId(model), type, parallel);
		expect(of('Gemma', 'A100-SXM-80GB', 1)).toMatchObject({ loadUs: 42_500_000, step: measured.step });
		expect(of('Gemma', 'A100-SXM-80GB', 1)?.sleep).toEqual({
			1: { sleepUs: 250_000, wakeUs: 500_000 },
			2: null,
		});
		// Two GPUs together were not measured.
		expect(of('Gemma', 'A100-SXM-80GB', 2)).toBeUndefined();
		expect(of('Qwen', 'A100-SXM-80GB', 2)).toBeDefined();
		expect(of('Gemma', 'H100-SXM-80GB', 1)?.step.baseUs).toBeGreaterThan(1100);
		expect(cluster.gpus[0]?.sharedSpeeds).toEqual([1, 0.7]);
	});

	it('has measured lengths by task and role, else the bundled ones', () => {
		const aggregator = { ...expert, body: { family: 'constant' as const, tokens: 33 } };
		const measured = measuredProfile({
			model: { id: 'Gemma' },
			lengths: { mmlu_pro: { expert, aggregator } },
		});
		const text = `${yaml.replaceAll('m: 12', 'Gemma: 12').replace('[m]', '[Gemma]')}aggregator: { model: Gemma }\n`;
		const tokens = (setup: Setup) => setup.lengths.map(({ distribution }) => distribution.body);
		expect(tokens(load([measured], text))).toEqual([expert.body, aggregator.body]);
		const gpqa = tokens(load([measured], text, ['workload.task=gpqa']));
		expect(gpqa).toHaveLength(2);
		expect(gpqa).not.toContainEqual(expert.body);
	});

	it('runs again from a folder that keeps the resolved experiment and its inputs', () => {
		const other = measuredProfile({ tensorParallel: 2 });
		const text = yaml.replace('[profiles/a.json]', '[profiles/a.json, ./profiles/b.json]');
		const setup = load([profileM, other], text);
		expect(setup.resolved.profiles).toEqual(['profiles/a.json', 'profiles/b.json']);
		const copy = path.join(folder, 'copy');
		mkdirSync(path.join(copy, 'profiles'), { recursive: true });
		for (const input of setup.inputs) writeFileSync(path.join(copy, input.name), input.text);
		writeFileSync(path.join(copy, 'experiment.yaml'), stringify(setup.resolved));
		expect(plain(loadExperiment(path.join(copy, 'experiment.yaml')))).toBe(plain(setup));
	});

	it('keeps files of one name apart', () => {
		load([profileM]);
		mkdirSync(path.join(folder, 'more'), { recursive: true });
		writeFileSync(
			path.join(folder, 'more/a.json'),
			measuredProfileText(measuredProfile({ tensorParallel: 2 })),
		);
		const setup = load([profileM], yaml.replace('[profiles/a.json]', '[profiles/a.json, more/a.json]'));
		expect(setup.inputs.map(({ name }) => name)).toEqual(['profiles/a.json', 'profiles/1-a.json']);
		expect(setup.resolved.profiles).toEqual(['profiles/a.json', 'profiles/1-a.json']);
	});

	const two = yaml.replace('[profiles/a.json]', '[profiles/a.json, profiles/b.json]');
	it.each([
		[
			[profileM],
			yaml.replace('a.json', 'z.json'),
			"e.yaml:4:12 profiles.0: expected a readable profile file, got 'profiles/z.json', no such file",
		],
		[
			[profileM, profileM],
			two,
			'e.yaml:4:29 profiles.1: expected one profile for each model, GPU type and tensor parallelism, got a second one of m on 1 x g',
		],
		[
			[profileM, measuredProfile({ tensorParallel: 2, model: { weightBytes: 5 } })],
			two,
			'profiles.1: expected m with weightBytes 1000000, as an earlier profile has it, got 5',
		],
		[
			[profileM, measuredProfile({ gpu: { memoryBytes: 5 }, model: { id: 'n' } })],
			two,
			'profiles.1: expected g with 2000000000 bytes, as an earlier profile has it, got 5 bytes',
		],
		[
			[profileM],
			yaml.replace('[m]', '[n]').replace('m: 12', 'n: 12'),
			'e.yaml:5:8 pool.0: expected one of m, ',
		],
		[
			[profileM],
			yaml.replace('gpuType: g', 'gpuType: gg'),
			'e.yaml:3:12 cluster.gpuType: expected one of g, ',
		],
		[
			[measuredProfile()],
			yaml,
			"e.yaml:5:8 pool.0: expected a model with output lengths for mmlu_pro (give them under workload.lengths.m), got 'm'",
		],
	])('%#: %s', (profiles, text, message) => {
		expect(messageOf(profiles, text)).toContain(message);
	});

	it('a broken profile is placed in its own file', () => {
		load([profileM]);
		writeFileSync(
			path.join(folder, 'profiles/b.json'),
			measuredProfileText(profileM).replace('"samples": 5', '"samples": 0'),
		);
		expect(() =>
			loadExperiment(path.join(folder, 'e.yaml'), { sets: [`profiles=[${folder}/profiles/b.json]`] }),
		).toThrow(/profiles\/b\.json:\d+:\d+ times\.load\.samples: expected at least 1, got 0/);
	});
});
