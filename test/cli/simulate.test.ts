import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { executeRun } from '../../sim/cli/execute-run.ts';
import { loadSetup } from '../../sim/cli/load-setup.ts';
import { createRunFolder } from '../../sim/cli/run-folder.ts';
import { writeRun } from '../../sim/cli/write-run.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import { summarize } from '../../sim/report/summary.ts';
import { type CommandResult, mosaic } from './support.ts';
import { sharedFolder, temporaryFolder } from './temporary-folder.ts';

const repository = path.join(__dirname, '../..');
const read = (...parts: string[]): string => readFileSync(path.join(...parts), 'utf8');
const words = ['simulate', 'tiny', '--scheduler', 'ilp', '--gate', 'majority', '--seed', '5'];

// Runs cost a second or two each, most of it pictures, so most tests look at the same two.
const cwd = sharedFolder();
const RUN = 'runs/tiny-ilp-majority-seed5';
const run = path.join(cwd, RUN);
let talkative: CommandResult;
let silent: CommandResult;
beforeAll(async () => {
	talkative = await mosaic(words, { cwd });
	silent = await mosaic([...words, '--json', '--quiet', '--out', 'silent'], { cwd });
});

describe('a simulated run', () => {
	it('prints a table and says where its folder is', () => {
		const { code, stdout, stderr } = talkative;
		expect(code).toBe(0);
		expect(stdout).toMatch(/^makespan +\d+\.\d s$/m);
		expect(stdout).toMatch(new RegExp(`\\nrun folder: ${RUN}\\n$`));
		expect(stderr).toBe(`running tiny: 12 queries, ilp, gate majority, seed 5, into ${RUN}\n`);
	});

	it('says nothing but the document with --json --quiet, into the folder asked for', () => {
		expect(silent).toEqual({ code: 0, stderr: '', stdout: read(cwd, 'silent/summary.json') });
		expect(JSON.parse(silent.stdout)).toMatchObject({
			format: 1,
			experiment: 'tiny',
			scheduler: 'ilp',
			seed: 5,
		});
		expect(readdirSync(cwd).sort()).toEqual(['runs', 'silent']);
	});

	it('leaves a complete folder', () => {
		const charts = ['batch', 'gantt', 'idle', 'kv', 'latency-tail', 'makespan', 'stages'];
		expect(readdirSync(run).sort()).toEqual([
			'calls.csv',
			'charts',
			'events.jsonl',
			'experiment.yaml',
			'plan.json',
			'queries.csv',
			'report.html',
			'status.json',
			'summary.json',
			'trace.perfetto.json',
		]);
		expect(readdirSync(path.join(run, 'charts')).sort()).toEqual(
			charts.flatMap((name) => [`${name}.png`, `${name}.svg`, `${name}.vl.json`]),
		);
		expect(JSON.parse(read(run, 'status.json'))).toMatchObject({
			kind: 'run',
			state: 'complete',
			command: words,
		});
		expect(read(run, 'queries.csv').trim().split('\r\n')).toHaveLength(13);
	});

	it('sums up its own log', () => {
		const records = read(run, 'events.jsonl')
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line));
		expect(JSON.parse(read(run, 'summary.json'))).toEqual(JSON.parse(JSON.stringify(summarize(records))));
	});

	it('keeps its plan with the evidence and the time it really took', () => {
		const plan = JSON.parse(read(run, 'plan.json'));
		const { plan: evidence } = JSON.parse(read(run, 'summary.json'));
		expect(plan).toMatchObject({ format: 1, scheduler: 'ilp', ...evidence });
		// The clock of these tests ticks a quarter of a second a look.
		expect(plan.measuredSolveSeconds).toBeGreaterThan(0);
		expect(plan.measuredSolveSeconds % 0.25).toBe(0);
		const experts = plan.replicas.filter(({ role }: { role: string }) => role === 'expert');
		expect(experts.reduce((sum: number, replica: { calls: number }) => sum + replica.calls, 0)).toBe(36);
	});

	it('is refused a folder that it used before', async () => {
		const before = read(run, 'status.json');
		const { code, stderr } = await mosaic([...words, '--out', RUN], { cwd });
		expect(code).toBe(2);
		expect(stderr).toMatch(
			/^mosaic: output folder .*seed5: expected an empty or new one, got one that already holds a run\n$/,
		);
		expect(read(run, 'status.json')).toBe(before);
	});

	it('exits 3 when calls failed', async () => {
		// A context limit under most prompts: the engine refuses those calls as vLLM does.
		const short = ['simulate', 'tiny', '--set', 'engine.config.maxModelLen=300', '--json'];
		const { code, stdout, stderr } = await mosaic(short, { cwd: temporaryFolder() });
		const { calls, status } = JSON.parse(stdout);
		expect({ code, status }).toEqual({ code: 3, status: 'complete' });
		expect(calls.failed).toBeGreaterThan(0);
		expect(stderr).toContain(`${calls.failed} calls failed; see calls.csv`);
	});

	it('takes its folder back when a mistake shows only while it runs', async () => {
		const empty = temporaryFolder();
		const clockSeconds = () => 0;
		const loaded = loadSetup({ experiment: 'tiny', sets: [] }, clockSeconds);
		const late = { ...loaded.scheduler, plan: () => Promise.reject(new UsageError('E_LATE', 'late')) };
		const folder = createRunFolder({
			out: path.join(empty, 'a/b'),
			runsFolder: empty,
			defaultName: 'late',
			kind: 'run',
			command: [],
			version: '1.2.3',
			startedAt: new Date(0),
		});
		const running = writeRun({
			...{ ...loaded, scheduler: late, version: '1.2.3', folder, clockSeconds },
			...{ signal: new AbortController().signal, now: () => new Date(0), stderr: { write: () => true } },
		});
		await expect(running).rejects.toThrow('late');
		expect(readdirSync(empty)).toEqual([]);
	});
});

describe('the same experiment, seed and version', () => {
	const reproducible = ['events.jsonl', 'summary.json', 'queries.csv', 'calls.csv', 'experiment.yaml'];

	it('give the same bytes twice', () => {
		for (const file of reproducible) expect(read(cwd, 'silent', file)).toBe(read(run, file));
	});

	it('give the same bytes in a second process', async () => {
		const out = path.join(cwd, 'second');
		await promisify(execFile)(
			process.execPath,
			['-r', 'ts-node/register', 'sim/cli/main.ts', ...words, '--out', out, '--quiet'],
			{ cwd: repository },
		);
		for (const file of reproducible) expect(read(out, file)).toBe(read(run, file));
	});

	it('give the same bytes from the experiment.yaml of a run', async () => {
		expect(parse(read(run, 'experiment.yaml'))).toMatchObject({
			name: 'tiny',
			seed: 5,
			scheduler: 'ilp',
			gate: { name: 'majority' },
		});
		const again = await mosaic(['simulate', `${RUN}/experiment.yaml`, '--out', 'again'], { cwd });
		expect(again.code).toBe(0);
		for (const file of reproducible) expect(read(cwd, 'again', file)).toBe(read(run, file));
	});

	it('are not given away by another seed', async () => {
		const logOf = async (seed: number): Promise<string> => {
			const clockSeconds = () => 0;
			const loaded = loadSetup({ experiment: 'tiny', sets: [], seed }, clockSeconds);
			const { signal } = new AbortController();
			return JSON.stringify((await executeRun({ ...loaded, version: '1', clockSeconds, signal })).records);
		};
		expect(await logOf(1)).toBe(await logOf(1));
		expect(await logOf(1)).not.toBe(await logOf(2));
	});
});
