import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../sim/domain/errors.ts';
import { loadExperiment } from '../../traces/index.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));

const good = `format: 1
name: small
cluster:
  gpuType: A100-SXM-80GB
  gpuCount: 2
pool: [Gemma, QwenR1, Qwen]
workload:
  task: mmlu_pro
  queries: 4
  slots:
    Gemma: 6
    QwenR1: 6
    Qwen: 0
aggregator:
  model: QwenR1
  tensorParallel: 2
`;

function problem(load: () => unknown): { code: string; message: string } {
	try {
		load();
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		return { code: error.code, message: error.message };
	}
	throw new Error('expected a UsageError');
}

/** The problem of the good file with one piece of text replaced; the folder is cut from the message. */
function problemOf(from: string, to: string): string {
	expect(good).toContain(from);
	const file = path.join(folder, 'e.yaml');
	writeFileSync(file, good.replace(from, to));
	const { message } = problem(() => loadExperiment(file));
	expect(message).not.toContain('\n');
	return message.replace(`${folder}${path.sep}`, '');
}

describe('a bad experiment file', () => {
	it('the good one loads, with an expert of 0 slots left out', () => {
		const file = path.join(folder, 'good.yaml');
		writeFileSync(file, good);
		const setup = loadExperiment(file);
		expect(setup.models.map((model) => model.id)).toEqual(['Gemma', 'QwenR1']);
		expect(setup.queries).toHaveLength(4);
	});

	it.each([
		// unknown keys
		[
			'gpuCount: 2',
			'gpuCuont: 2',
			"e.yaml:5:3 cluster.gpuCuont: expected one of gpuCount, gpuType, gpus, hostRamBytes, enginesPerGpu, got 'gpuCuont' (did you mean 'gpuCount'?)",
		],
		['format: 1', 'format: 1\nworklaod: {}', "did you mean 'workload'?"],
		[
			'  tensorParallel: 2',
			'  tensorparallel: 2',
			"e.yaml:16:3 aggregator.tensorparallel: expected one of model, tensorParallel, lengthScale, unanimousOverrideRate, got 'tensorparallel' (did you mean 'tensorParallel'?)",
		],
		// an unknown key explains what is missing beside it, or below it
		['  queries: 4', '  querys: 4', 'e.yaml:9:3 workload.querys: expected one of task, queries,'],
		['  queries: 4', '  querys: 4', "got 'querys' (did you mean 'queries'?)"],
		['cluster:', 'clutser:', 'e.yaml:3:1 clutser: expected one of format,'],
		// but not what is wrong elsewhere
		[
			'  queries: 4',
			'  queries: 0\n  lengthScale: { facter: 2 }',
			'e.yaml:9:3 workload.queries: expected at least 1, got 0',
		],
		// names lead to folders
		[
			'name: small',
			'name: ../../evil',
			"e.yaml:2:1 name: expected letters, digits, dots, dashes and underscores, a letter or digit first, got '../../evil'",
		],
		['name: small', 'name: ..', 'name: expected letters, digits, dots, dashes and underscores'],
		['name: small', 'name: a b', 'name: expected letters, digits, dots, dashes and underscores'],
		[
			'name: small',
			`name: ${'x'.repeat(101)}`,
			'e.yaml:2:1 name: expected text of at most 100 characters, got',
		],
		// unknown names
		[
			'pool: [Gemma, QwenR1, Qwen]',
			'pool: [Gemma, QwenR1, Qwne]',
			'e.yaml:6:23 pool.2: expected one of Llama, Qwen,',
		],
		['pool: [Gemma, QwenR1, Qwen]', 'pool: [Gemma, QwenR1, Qwne]', "got 'Qwne' (did you mean 'Qwen'?)"],
		['model: QwenR1', 'model: GPT', 'e.yaml:15:3 aggregator.model: expected one of Llama,'],
		[
			'task: mmlu_pro',
			'task: mmlu-pro',
			"e.yaml:8:3 workload.task: expected one of aime24, gpqa, medmcqa, mmlu_pro, got 'mmlu-pro' (did you mean 'mmlu_pro'?)",
		],
		[
			'gpuType: A100-SXM-80GB',
			'gpuType: A100',
			"e.yaml:4:3 cluster.gpuType: expected one of A100-SXM-80GB, H100-SXM-80GB, H200-SXM-141GB, got 'A100'",
		],
		[
			'name: small',
			'name: small\nengine: { profile: vllm }',
			"engine.profile: expected one of vllm-0.7.1, vllm-v1, got 'vllm'",
		],
		[
			'    Qwen: 0',
			'    Exaone: 0',
			"e.yaml:13:5 workload.slots.Exaone: expected a model of the pool (Gemma, QwenR1, Qwen), got 'Exaone'",
		],
		[
			'name: small',
			'name: small\nengine: { mode: leap }',
			"engine.mode: expected one of stepwise, leaping, got 'leap'",
		],
		// counts
		[
			'    Gemma: 6',
			'    Gemma: 7',
			'e.yaml:10:3 workload.slots: expected counts that add up to 12 (4 queries x 3 slots), got 13',
		],
		['    Gemma: 6', '    Gemma: -6', 'e.yaml:11:5 workload.slots.Gemma: expected at least 0, got -6'],
		['    Gemma: 6', '    Gemma: 6.5', 'e.yaml:11:5 workload.slots.Gemma: expected a whole number, got 6.5'],
		[
			'    Gemma: 6',
			'    Gemma: six',
			"e.yaml:11:5 workload.slots.Gemma: expected a finite number, got 'six'",
		],
		['queries: 4', 'queries: 0', 'e.yaml:9:3 workload.queries: expected at least 1, got 0'],
		['queries: 4', 'queries: .nan', 'e.yaml:9:3 workload.queries: expected a finite number, got NaN'],
		['queries: 4', 'queries: .inf', 'e.yaml:9:3 workload.queries: expected a finite number, got Infinity'],
		['queries: 4', 'queries: 1e99', 'e.yaml:9:3 workload.queries: expected at most 1000000, got 1e+99'],
		['queries: 4', 'queries: -1e99', 'e.yaml:9:3 workload.queries: expected at least 1, got -1e+99'],
		[
			'queries: 4',
			'queries: 4\n  keepQueries: 5',
			'e.yaml:10:3 workload.keepQueries: expected at most 4, the questions of the batch, got 5',
		],
		[
			'name: small',
			'name: small\nreport: { sampleSeconds: 1e-9 }',
			'report.sampleSeconds: expected at least 0.01, got 1e-9',
		],
		['name: small', 'name: small\nseed: 1e300', 'seed: expected at most 9007199254740991, got 1e+300'],
		[
			'queries: 4',
			'queries: 4\n  lengthScale: { factor: .inf }',
			'workload.lengthScale.factor: expected a finite number, got Infinity',
		],
		[
			'    Gemma: 6\n    QwenR1: 6',
			'    Gemma: 0\n    QwenR1: 0',
			'e.yaml:10:3 workload.slots: expected at least one call, got none',
		],
		['gpuCount: 2', 'gpuCount: 0', 'e.yaml:5:3 cluster.gpuCount: expected at least 1, got 0'],
		// missing and wrong shapes
		['name: small\n', '', 'e.yaml:1:1 name: expected text, got nothing'],
		['name: small', "name: ''", "e.yaml:2:1 name: expected text that is not empty, got ''"],
		['format: 1', 'format: 2', 'e.yaml:1:1 format: expected 1, got 2'],
		[
			'  queries: 4\n',
			'',
			'e.yaml:7:1 workload.queries: expected a whole number, or a question file in workload.questions, got nothing',
		],
		['pool: [Gemma, QwenR1, Qwen]', 'pool: Gemma', "e.yaml:6:1 pool: expected a list, got 'Gemma'"],
		['pool: [Gemma, QwenR1, Qwen]', 'pool: []', 'e.yaml:6:1 pool: expected a list of at least 1, got a list'],
		[
			'pool: [Gemma, QwenR1, Qwen]',
			'pool: [Gemma, QwenR1, Qwen, Gemma]',
			"pool.3: expected each model once, got 'Gemma' again",
		],
		['  gpuCount: 2\n', '', 'e.yaml:3:1 cluster.gpuCount: expected a whole number, got nothing'],
		[
			'  gpuCount: 2',
			'  gpus: [{ type: A100-SXM-80GB }]',
			'e.yaml:3:1 cluster: expected either gpuCount and gpuType, or a list gpus, got both',
		],
		[
			'queries: 4',
			'queries: 4\n  lengths: { Gemma: { body: { family: normal }, capTokens: 9 } }',
			"workload.lengths.Gemma.body.family: expected one of lognormal, lognormal2, empirical, constant, got 'normal'",
		],
		[
			'queries: 4',
			'queries: 4\n  lengths: { Gemma: { body: { family: empirical, quantilesTokens: [5, 3] }, capTokens: 9 } }',
			'workload.lengths.Gemma.body.quantilesTokens: expected numbers that do not decrease, got a list',
		],
		// does not fit
		[
			'name: small',
			'name: small\nengine: { gpuMemoryShare: 0.2 }',
			"pool.0: expected a model that fits a GPU (weights and KV cache of 8192 tokens, within engine.config.numGpuBlocks if set), got 'Gemma' with 18.5 GB of weights and room for 0 tokens on one",
		],
		[
			'name: small',
			'name: small\nengine: { config: { numGpuBlocks: 90000 } }',
			'pool.0: expected a model that fits a GPU',
		],
		[
			'tensorParallel: 2',
			'tensorParallel: 4',
			'e.yaml:16:3 aggregator.tensorParallel: expected one of 1, 2 for QwenR1 on this cluster, got 4',
		],
		[
			'tensorParallel: 2',
			'tensorParallel: 3',
			'aggregator.tensorParallel: expected one of 1, 2 for QwenR1 on this cluster, got 3',
		],
		['gpuCount: 2', 'gpuCount: 1', 'aggregator.tensorParallel: expected 1 for QwenR1 on this cluster, got 2'],
		[
			'name: small',
			'name: small\ngpuTypes: { A100-SXM-80GB: { memoryBytes: 1000000 } }',
			'pool.0: expected a model that fits a GPU',
		],
	])('%j -> %j', (from, to, expected) => {
		expect(problemOf(from, to)).toContain(expected);
	});

	it('a bundled model has no step times on a GPU type of the file', () => {
		const sets = ['gpuTypes.mine.memoryBytes=80000000000', 'cluster.gpuType=mine'];
		expect(problem(() => loadExperiment('mmlu-pro', { sets })).message).toMatch(
			/^mmlu-pro\.yaml:\d+:\d+ pool\.0: expected a model with step times on mine, got 'Gemma'$/,
		);
	});

	it('a model of the file needs output lengths', () => {
		const text = readFileSync(path.resolve(__dirname, '../../traces/data/tiny.yaml'), 'utf8');
		const file = path.join(folder, 'tiny.yaml');
		writeFileSync(file, text.replace(/^ {4}toy-short: \{ body.*\n/m, ''));
		expect(problem(() => loadExperiment(file)).message).toContain(
			'expected a model with output lengths for mmlu_pro (give them under workload.lengths.toy-short)',
		);
	});

	it.each([
		['name: small', 'name: [small', /^e\.yaml:\d+:\d+ expected YAML, got: /],
		[
			'name: small',
			'name: small\nname: again',
			/^e\.yaml:\d+:\d+ expected YAML, got: Map keys must be unique/,
		],
		['name: small', 'name: small\n\tx: 1', /^e\.yaml:\d+:\d+ expected YAML, got: /],
		['name: small', 'name: *nobody', /^e\.yaml:\d+:\d+ expected YAML, got: /],
		[
			'aggregator:',
			'---\naggregator:',
			/^e\.yaml:14:1 expected one YAML document, got several \(a line '---' begins the next\)$/,
		],
		[
			'name: small',
			`name: &a [x]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[i]}`)}]`).join('\n')}`,
			/^e\.yaml:1:1 expected a document of moderate size, got YAML aliases that multiply each other$/,
		],
		[
			'name: small',
			`name: ${'['.repeat(20_000)}`,
			/^e\.yaml:\d+:\d+ expected YAML, got brackets nested without end$/,
		],
	])('broken YAML: %j -> %j', (from, to, expected) => {
		expect(problemOf(from, to)).toMatch(expected);
	});

	it.each(['', '# nothing\n', '3', '[1, 2]', 'null'])('a file that holds %j', (text) => {
		const file = path.join(folder, 'odd.yaml');
		writeFileSync(file, text);
		expect(problem(() => loadExperiment(file)).message).toMatch(
			/odd\.yaml:\d+:\d+ experiment: expected a mapping, got /,
		);
	});
});

describe('a reference that leads nowhere', () => {
	it('a name', () => {
		expect(problem(() => loadExperiment('mmlu-por'))).toEqual({
			code: 'E_UNKNOWN_EXPERIMENT',
			message:
				"experiment: expected a YAML file or one of aime24, gpqa, medmcqa, mmlu-pro, pool16, quiz, tiny, got 'mmlu-por' (did you mean 'mmlu-pro'?)",
		});
	});

	it('a file, and a folder', () => {
		expect(problem(() => loadExperiment('no/such.yaml'))).toEqual({
			code: 'E_EXPERIMENT_FILE',
			message: 'no/such.yaml: expected a readable YAML file, got no such file',
		});
		expect(problem(() => loadExperiment(folder)).message).toContain(
			'expected a readable YAML file, got a folder',
		);
	});
});

describe('a bad --set', () => {
	it.each([
		[
			'cluster.gpuCuont=8',
			"--set cluster.gpuCuont: expected one of gpuCount, gpuType, gpus, hostRamBytes, enginesPerGpu, got 'gpuCuont' (did you mean 'gpuCount'?)",
		],
		['clutser.gpuCount=8', '--set clutser: expected one of format, name,'],
		['cluster.gpuCount=many', "--set cluster.gpuCount: expected a finite number, got 'many'"],
		['cluster.gpuCount=', '--set cluster.gpuCount: expected a finite number, got null'],
		[
			'workload.slots.Qwne=1',
			"--set workload.slots.Qwne: expected a model of the pool (Gemma, QwenR1, Qwen, LlamaR1, Exaone, GLM), got 'Qwne' (did you mean 'Qwen'?)",
		],
		['seed.x=1', "--set seed.x: expected nothing after 'seed', which is a number, got 'x'"],
		['pool.9=Qwen', "--set pool.9: expected an index from 0 to 6 after 'pool', got '9'"],
		['pool.a=Qwen', "--set pool.a: expected an index from 0 to 6 after 'pool', got 'a'"],
		['seed', "--set: expected path=value such as cluster.gpuCount=8, got 'seed'"],
		['=3', "--set: expected path=value such as cluster.gpuCount=8, got '=3'"],
		['a..b=3', "--set: expected path=value such as cluster.gpuCount=8, got 'a..b=3'"],
		['seed=[1', '--set seed: expected a YAML value, got: '],
		['__proto__.x=1', "--set __proto__.x: expected a field name, got '__proto__'"],
		[
			'workload.queries=7',
			'workload.slots: expected counts that add up to 21 (7 queries x 3 slots), got 6300',
		],
	])('%s', (set, expected) => {
		const { message } = problem(() => loadExperiment('mmlu-pro', { sets: [set] }));
		expect(message).toContain(expected);
		expect(message).not.toContain('\n');
	});

	it('flags are named as such', () => {
		expect(problem(() => loadExperiment('tiny', { engineMode: 'stepwize' })).message).toBe(
			"--engine-mode engine.mode: expected one of stepwise, leaping, got 'stepwize' (did you mean 'stepwise'?)",
		);
		expect(problem(() => loadExperiment('tiny', { seed: -1 })).message).toBe(
			'--seed seed: expected at least 0, got -1',
		);
		expect(problem(() => loadExperiment('tiny', { seed: Number.NaN })).message).toBe(
			'--seed seed: expected a finite number, got NaN',
		);
	});
});
