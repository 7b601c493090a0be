import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const tiny = readFileSync(path.join(__dirname, '../../traces/data/tiny.yaml'), 'utf8');

/** A mistake: exit 2, one line, nothing on stdout, and not a file more than before. */
async function mistake(words: readonly string[], cwd: string): Promise<string> {
	const before = readdirSync(cwd, { recursive: true });
	const { code, stdout, stderr } = await mosaic(words, { cwd });
	expect({ code, stdout, stderr }).toEqual({
		code: 2,
		stdout: '',
		stderr: expect.stringMatching(/^mosaic: [^\n]+\n$/),
	});
	expect(readdirSync(cwd, { recursive: true })).toEqual(before);
	return stderr.slice('mosaic: '.length, -1);
}

/** As `tiny`, with one line or more replaced. */
function experimentFile(cwd: string, from: string, to: string): string {
	const text = tiny.replace(from, to);
	expect(text).not.toBe(tiny);
	writeFileSync(path.join(cwd, 'mine.yaml'), text);
	return 'mine.yaml';
}

describe('an experiment that is wrong', () => {
	it.each([
		['broken YAML', 'pool: [', 'pool: [[', /mine\.yaml:\d+:\d+ .*expected/],
		['an unknown key', 'gate: majority', 'gatte: majority', /mine\.yaml:7:1 gatte: .*did you mean 'gate'/],
		[
			'an unknown model',
			'model: toy-reason',
			'model: toy-raeson',
			/mine\.yaml:\d+:\d+ aggregator\.model: .*did you mean 'toy-reason'/,
		],
		[
			'a model that fits no GPU',
			'weightBytes: 2400000000',
			'weightBytes: 24000000000',
			/mine\.yaml:\d+:\d+ pool\.0: expected a model that fits/,
		],
		[
			'slots that do not add up',
			'toy-short: 12,',
			'toy-short: 11,',
			/mine\.yaml:\d+:\d+ workload\.slots.*36.*35/,
		],
		[
			'a negative count',
			'toy-short: 12,',
			'toy-short: -12,',
			/mine\.yaml:\d+:\d+ workload\.slots\.toy-short: expected .*0, got -12/,
		],
		['zero queries', 'queries: 12', 'queries: 0', /mine\.yaml:\d+:\d+ workload\.queries: expected .*got 0/],
		[
			'NaN',
			'baseUs: 4000',
			'baseUs: .nan',
			/mine\.yaml:\d+:\d+ models\.toy-reason\.stepCost\.baseUs: expected .*, got NaN/,
		],
		[
			'no calls',
			'{ toy-short: 12, toy-reason: 14, toy-chatty: 10 }',
			'{ toy-short: 0, toy-reason: 0, toy-chatty: 0 }',
			/mine\.yaml:\d+:\d+ workload\.slots/,
		],
		[
			'an unknown scheduler',
			'scheduler: greedy',
			'scheduler: gredy',
			/mine\.yaml:6:\d+ scheduler: expected one of round-robin, .*, got 'gredy' \(did you mean 'greedy'\?\)/,
		],
		[
			'an unknown switch',
			'scheduler: greedy',
			'scheduler: adaptive:all-foo',
			/mine\.yaml:6:\d+ scheduler: expected one of early, .* after \+ or -, got 'foo'$/,
		],
		[
			'an unknown gate',
			'gate: majority',
			'gate: majorty',
			/mine\.yaml:7:\d+ gate: expected one of .*, got 'majorty' \(did you mean 'majority'\?\)/,
		],
		[
			'engine settings that clash',
			'maxNumBatchedTokens: 512',
			'maxNumBatchedTokens: 8',
			/mine\.yaml:16:\d+ engine\.config\.maxNumBatchedTokens: expected at least maxNumSeqs \(16\), got 8/,
		],
		[
			'too few blocks',
			'maxNumBatchedTokens: 512',
			'numGpuBlocks: 200',
			/mine\.yaml:16:\d+ engine\.config\.numGpuBlocks: expected at least 257, .* got 200/,
		],
	])('is refused for %s, with the place', async (_, from, to, line) => {
		const cwd = temporaryFolder();
		const file = experimentFile(cwd, from, to);
		expect(await mistake(['simulate', file], cwd)).toMatch(line);
		expect(await mistake(['plan', file, '--json'], cwd)).toMatch(line);
	});

	it.each([
		[
			['maxModelsPerWorker: 1', '2 GPUs, got 1'],
			/mine\.yaml:3:9 plan\.maxModelsPerWorker: expected at least 2 /,
		],
		// A field left to its default is placed at what contains it.
		[['relativeGap: 0.1', '1 GPU, got 2'], /mine\.yaml:3:1 plan\.maxModelsPerWorker: expected at least 3 /],
	])('is refused for too few seats, found in planning, with the place: %j', async ([field, end], start) => {
		const cwd = temporaryFolder();
		const file = experimentFile(cwd, 'format: 1\n', `format: 1\nplan: { ${field} }\n`);
		const gpuCount = end?.[0];
		const line = await mistake(
			[
				...['simulate', file, '--scheduler', 'ilp'],
				...['--set', `cluster.gpuCount=${gpuCount}`, '--set', 'aggregator.tensorParallel=1'],
			],
			cwd,
		);
		expect(line).toMatch(start);
		expect(line.endsWith(` to place 3 models on ${end}`)).toBe(true);
	});

	it('may hold an expert without slots', async () => {
		const cwd = temporaryFolder();
		const file = experimentFile(
			cwd,
			'{ toy-short: 12, toy-reason: 14, toy-chatty: 10 }',
			'{ toy-short: 22, toy-reason: 14, toy-chatty: 0 }',
		);
		const { code, stdout } = await mosaic(['plan', file, '--json', '--quiet'], { cwd });
		expect(code).toBe(0);
		const models = JSON.parse(stdout).replicas.map(({ model }: { model: string }) => model);
		expect(new Set(models)).toEqual(new Set(['toy-short', 'toy-reason']));
	});
});

describe('a command line that is wrong', () => {
	it.each([
		[['simulate', 'nothing.yaml'], /nothing\.yaml: expected a readable YAML file, got no such file/],
		[['simulate', 'tinny'], /expected a YAML file or one of .*, got 'tinny' \(did you mean 'tiny'\?\)/],
		[['simulate', '.'], /expected a readable YAML file, got a folder/],
		[
			['simulate', 'tiny', '--scheduler', 'ipl'],
			/unknown scheduler 'ipl' \(did you mean 'ilp'\?\); expected one of round-robin, /,
		],
		[
			['simulate', 'tiny', '--gate', 'always'],
			/unknown gate 'always'; expected one of never, unanimous, majority/,
		],
		[['simulate', 'tiny', '--seed', '-3'], /option --seed: expected a whole number, 0 or more, got '-3'/],
		[['simulate', 'tiny', '--seed', 'NaN'], /option --seed: .*got 'NaN'/],
		[['simulate', 'tiny', '--set', 'workload.querys=6'], /workload\.querys.*did you mean 'queries'/],
		[['simulate', 'tiny', '--set', 'workload.queries=-6'], /workload\.queries: expected .*got -6/],
		[['simulate', 'tiny', '--set', 'workload.queries=.nan'], /workload\.queries: expected .*got NaN/],
		[['simulate', 'tiny', '--set', 'engine.mode=jumping'], /engine\.mode: expected .*'jumping'/],
		[
			['simulate', 'tiny', '--set', 'name="../../evil"'],
			/^--set name: expected letters, digits, .*, got '\.\.\/\.\.\/evil'$/,
		],
		[
			['simulate', 'tiny', '--set', 'scheduler=gredy'],
			/^--set scheduler: expected one of .*, got 'gredy' \(did you mean 'greedy'\?\)$/,
		],
		[
			['simulate', 'tiny', '--set', 'scheduler=adaptive:early'],
			/^--set scheduler: expected all or none after 'adaptive:', got 'early'$/,
		],
		[
			['plan', 'tiny', '--set', 'scheduler=greedy:all'],
			/^--set scheduler: expected no switches, .*, got 'greedy:all'$/,
		],
		[
			['simulate', 'tiny', '--scheduler', 'adaptive:all-foo'],
			/^scheduler adaptive:all-foo: expected one of early, .*, got 'foo'$/,
		],
		[['plan', 'tiny', '--set', 'gate=majorty'], /^--set gate: expected one of .*did you mean 'majority'/],
		[
			['plan', 'tiny', '--set', 'engine.config.watermark=1'],
			/^--set engine\.config\.watermark: expected a share from 0 to less than 1, got 1$/,
		],
		[
			['plan', 'tiny', '--scheduler', 'ilp', '--set', 'plan.maxModelsPerWorker=1'],
			/^--set plan\.maxModelsPerWorker: expected at least 2 to place 3 models on 2 GPUs, got 1$/,
		],
		[
			[
				...['compare', 'tiny', '--schedulers', 'round-robin,ilp', '--seeds', '1'],
				'--set',
				'plan.maxModelsPerWorker=1',
			],
			/^--set plan\.maxModelsPerWorker: expected at least 2 /,
		],
		[['simulate', 'tiny', '--out', ''], /^option --out: expected a folder to write into, got ''$/],
		[['compare', 'tiny', '--out', ''], /^option --out: expected a folder to write into, got ''$/],
		[['plan', 'tiny', '--scheduler', 'greddy'], /unknown scheduler 'greddy' \(did you mean 'greedy'\?\)/],
		[['compare', 'tiny', '--schedulers', 'ilp,greddy'], /unknown scheduler 'greddy'/],
		[['compare', 'tiny', '--gates', 'nevr'], /unknown gate 'nevr' \(did you mean 'never'\?\)/],
		[['compare', 'tiny', '--seeds', '0'], /option --seeds: expected a whole number, 1 or more, got '0'/],
		[['compare', 'tiny', '--seeds', '2.5'], /option --seeds: .*got '2\.5'/],
		[
			['compare', 'tiny', '--schedulers', 'ilp,greedy', '--baseline', 'round-robin'],
			/unknown baseline 'round-robin'; expected one of ilp, greedy, ilp\/majority, greedy\/majority/,
		],
		[['compare', 'tiny', 'gpqa'], /tiny: expected a run folder/],
		[['report', 'nothing'], /nothing: expected the folder of a run/],
		[['reproduce', '--workloads', 'mmlu'], /unknown workload 'mmlu'; expected one of mmlu-pro, /],
		[['reproduce', '--seeds', '0'], /option --seeds/],
		[['reproduce', '--write', 'docs/table.md'], /option --write: expected a file in a folder that exists/],
		[['reproduce', '--write', 'table.txt'], /option --write: expected a \.md file, got 'table\.txt'/],
		[['notebook', 'run', 'nothing.ipynb'], /nothing\.ipynb: expected a notebook/],
	])('%j', async (words, line) => {
		expect(await mistake(words, temporaryFolder())).toMatch(line);
	});
});

describe('an output folder that cannot be used', () => {
	it.each([['simulate'], ['compare']])('stops %s before anything is simulated', async (command) => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'file'), 'x');
		expect(await mistake([command, 'tiny', '--out', 'file/below'], cwd)).toMatch(
			/file\/below: expected a folder that can be written, got ENOTDIR/,
		);
		expect(await mistake([command, 'tiny', '--out', 'file'], cwd)).toMatch(
			/file: expected a folder, got a file/,
		);

		mkdirSync(path.join(cwd, 'old'));
		writeFileSync(path.join(cwd, 'old', 'summary.json'), '{}');
		expect(await mistake([command, 'tiny', '--out', 'old'], cwd)).toMatch(
			/old: expected an empty or new one, got one that already holds a run/,
		);
		expect(readFileSync(path.join(cwd, 'old', 'summary.json'), 'utf8')).toBe('{}');
	});

	it('is not made under runs/ either when that cannot be', async () => {
		const cwd = temporaryFolder();
		writeFileSync(path.join(cwd, 'runs'), 'a file');
		expect(await mistake(['simulate', 'tiny'], cwd)).toMatch(/expected a folder that can be written/);
	});
});

describe('folders that are no runs', () => {
	const started = { type: 'run-started', timeUs: 0, format: 1, scheduler: 'ilp', gate: 'never', seed: 1 };
	const ended = { type: 'run-ended', timeUs: 9, status: 'complete', lowerBoundUs: null };
	const log = (...records: object[]): string =>
		records.map((record) => `${JSON.stringify(record)}\n`).join('');

	it.each([
		[
			'a log of another format',
			'events.jsonl',
			log({ ...started, format: 2 }, ended),
			/events\.jsonl:1: expected format 1, got 2/,
		],
		[
			'a log that breaks off',
			'events.jsonl',
			log(started),
			/events\.jsonl:1: expected a run-ended record at the end, got none/,
		],
		['a log that is none', 'events.jsonl', 'hello\n', /events\.jsonl:1: expected JSON, got 'hello'/],
		[
			'a log that starts elsewhere',
			'events.jsonl',
			log(ended),
			/events\.jsonl:1: expected a run-started record, got run-ended/,
		],
		['an empty log', 'events.jsonl', '', /events\.jsonl:1: expected a run-started record, got an empty file/],
		[
			'a killed run',
			'events.jsonl.partial',
			log(started),
			/expected the folder of a run that has ended, got one whose run was killed/,
		],
		[
			'a summary of another format',
			'summary.json',
			'{"format":7}',
			/summary\.json: expected format 1, got 7/,
		],
		[
			'a comparison',
			'summary.json',
			'{"format":1,"rows":[]}',
			/got the folder of a comparison; its runs are under runs\//,
		],
	])('%s is refused by compare', async (_, file, content, line) => {
		const cwd = temporaryFolder();
		for (const folder of ['a', 'b']) {
			mkdirSync(path.join(cwd, folder));
			writeFileSync(path.join(cwd, folder, file), content);
		}
		expect(await mistake(['compare', 'a', 'b'], cwd)).toMatch(line);
	});

	it('a scheduler set beside those that are compared is not passed over', async () => {
		expect(await mistake(['compare', 'tiny', '--set', 'scheduler=adaptive'], temporaryFolder())).toMatch(
			/--set scheduler: expected --schedulers, .* got 'scheduler=adaptive'/,
		);
	});

	it('one run alone is nothing to compare', async () => {
		const cwd = temporaryFolder();
		mkdirSync(path.join(cwd, 'a'));
		writeFileSync(path.join(cwd, 'a', 'events.jsonl'), log(started, ended));
		expect(await mistake(['compare', 'a'], cwd)).toMatch(
			/a: expected an experiment, or two or more run folders, got one/,
		);
		expect(await mistake(['compare', 'a', 'a', '--seeds', '3'], cwd)).toMatch(
			/option --seeds: expected with an experiment, got finished runs/,
		);
	});
});
