import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeRun } from '../../live/journal/lock.ts';
import { readJournal } from '../../live/journal/read-journal.ts';
import { hasInEnvironment, processEntries } from '../../live/process/proc-table.ts';
import type { RunRecord } from '../../sim/domain/run-log.ts';
import { mosaic, type RunOptions } from './support.ts';
import { sharedFolder, temporaryFolder } from './temporary-folder.ts';

const EXPERIMENT = path.join(__dirname, '../live/kill-experiment.yaml');
/** Starting processes takes most of it, and a busy machine takes its time. */
const LIMIT_MS = 180_000;

const live = (words: readonly string[], options: RunOptions) =>
	mosaic(['live', ...words], { ...options, env: { XDG_STATE_HOME: path.join(options.cwd, 'state') } });
/** The copy in a run folder. */
const QUESTIONS = 'questions.jsonl';

const readJson = (...parts: string[]) => JSON.parse(readFileSync(path.join(...parts), 'utf8'));
const journalOf = (folder: string) => readJournal(path.join(folder, 'journal.jsonl'));

function linesOf(...parts: string[]) {
	const lines = readFileSync(path.join(...parts), 'utf8')
		.trim()
		.split('\n');
	return lines.map((line) => JSON.parse(line));
}

const recordsOf = (folder: string): RunRecord[] => linesOf(folder, 'events.jsonl');

function leftOf(folder: string): number[] {
	const { runId } = journalOf(folder).header;
	return processEntries()
		.map(({ pid }) => pid)
		.filter((pid) => hasInEnvironment(pid, 'MOSAIC_RUN_ID', runId));
}

/** What does not depend on how fast anything was. */
const counts = ({ status, calls, tokens, queries, accuracy }: Record<string, Record<string, unknown>>) => ({
	status,
	calls,
	tokens: [tokens?.prompt, tokens?.output],
	queries: [queries?.total, queries?.settledByVote, queries?.aggregated],
	accuracy,
});

describe('mosaic live', () => {
	const cwd = sharedFolder();
	const run = path.join(cwd, 'run');
	let result: Awaited<ReturnType<typeof live>>;

	it('carries a run out on emulators and ends everything that it started', {
		timeout: LIMIT_MS,
	}, async () => {
		result = await live([EXPERIMENT, '--speed', '4', '--out', 'run', '--json'], { cwd });
		expect(result.code, result.stderr).toBe(0);
		expect(result.stderr).toBe(
			'running kill live: 8 queries, round-robin, gate never, seed 0, backend emulator at 4 times real time, in run\nrun folder: run\n',
		);
		expect(JSON.parse(result.stdout)).toEqual(readJson(run, 'summary.json'));
		expect(leftOf(run)).toEqual([]);
		expect(readdirSync(path.join(cwd, 'state/mosaic/live'))).toEqual([]);
	});

	it('counts, output tokens and accuracy are those of the simulation', async () => {
		const simulated = JSON.parse((await mosaic(['simulate', EXPERIMENT, '--json'], { cwd })).stdout);
		const summary = readJson(run, 'summary.json');
		// Aggregator prompts are as long as the words make them, which a simulation can only expect.
		const prompt = simulated.tokens.prompt;
		expect(counts({ ...summary, tokens: { ...summary.tokens, prompt } })).toEqual(counts(simulated));
		expect(Math.abs(summary.tokens.prompt / prompt - 1)).toBeLessThan(0.02);
		expect(summary.makespanSeconds).toBeGreaterThan(simulated.makespanSeconds);
	});

	it('writes the folder of a simulated run, and the journal and the servers’ logs', () => {
		const names = readdirSync(run).filter((name) => !name.endsWith('.lock'));
		expect(names.sort()).toEqual([
			...[
				'answers.jsonl',
				'calls.csv',
				'charts',
				'events.jsonl',
				'experiment.yaml',
				'journal.jsonl',
				'logs',
				'plan.json',
			],
			...[
				'queries.csv',
				'questions.jsonl',
				'report.html',
				'status.json',
				'summary.json',
				'trace.perfetto.json',
			],
		]);
		expect(readJson(run, 'status.json')).toMatchObject({ kind: 'run', state: 'complete' });
		const records = recordsOf(run);
		expect(records[0]).toMatchObject({ type: 'run-started', world: 'live', engineMode: 'emulator' });
		expect(records.at(-1)).toMatchObject({ type: 'run-ended', status: 'complete' });
		expect(journalOf(run).entries.at(-1)?.record.kind).toBe('end');
		expect(readdirSync(path.join(run, 'logs')).filter((name) => name.endsWith('.log'))).toHaveLength(3);
	});

	it('keeps what the models said, with the answer that was read out of it', () => {
		const answers = linesOf(run, 'answers.jsonl');
		expect(answers).toHaveLength(32);
		const finished = new Map(
			recordsOf(run).flatMap((record) => (record.type === 'call-finished' ? [[record.call, record]] : [])),
		);
		for (const { call, answer, text } of answers) {
			expect(answer).toBe(finished.get(call)?.answer);
			if (answer !== null) expect(text).toContain(answer);
		}
	});

	it('a complete run that is resumed says so, with its summary again', async () => {
		const before = journalOf(run).entries.length;
		const again = await live(['--resume', 'run', '--json'], { cwd });
		expect({ code: again.code, stdout: again.stdout }).toEqual({ code: 0, stdout: result.stdout });
		expect(again.stderr).toBe('run is complete already\nrun folder: run\n');
		expect(journalOf(run).entries).toHaveLength(before);
	});

	it('a complete run whose experiment was changed says that its results are those of the run as it was', async () => {
		const changed = path.join(cwd, 'changed');
		cpSync(run, changed, { recursive: true });
		const file = path.join(changed, 'experiment.yaml');
		writeFileSync(file, readFileSync(file, 'utf8').replace('keepQueries: 8', 'keepQueries: 7'));
		const again = await live(['--resume', 'changed', '--json'], { cwd });
		expect({ code: again.code, stdout: again.stdout }).toEqual({ code: 0, stdout: result.stdout });
		expect(again.stderr).toMatch(
			/^changed\/experiment.yaml: expected the experiment .*, got one that was changed; the results are those of the run as it was\nchanged is complete already\n/,
		);
	});

	it('a run that was killed while its results were written gets them from its journal', async () => {
		const summary = readFileSync(path.join(run, 'summary.json'), 'utf8');
		const events = readFileSync(path.join(run, 'events.jsonl'), 'utf8');
		const answers = readFileSync(path.join(run, 'answers.jsonl'), 'utf8');
		writeFileSync(
			path.join(run, 'status.json'),
			JSON.stringify({ ...readJson(run, 'status.json'), state: 'running', endedAt: null }),
		);
		writeFileSync(path.join(run, 'events.jsonl'), 'half');
		writeFileSync(path.join(run, 'answers.jsonl'), 'half');
		writeFileSync(path.join(run, 'summary.json'), '');
		expect((await live(['--resume', 'run', '--quiet'], { cwd })).code).toBe(0);
		expect(readFileSync(path.join(run, 'summary.json'), 'utf8')).toBe(summary);
		expect(readFileSync(path.join(run, 'events.jsonl'), 'utf8')).toBe(events);
		expect(readFileSync(path.join(run, 'answers.jsonl'), 'utf8')).toBe(answers);
		expect(readJson(run, 'status.json').state).toBe('complete');
	});

	it('refuses to resume what is not its own', async () => {
		const mistake = async (...words: string[]): Promise<string> => {
			const { code, stderr, stdout } = await live(words, { cwd });
			expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
			expect(stderr).toMatch(/^mosaic: .*\n$/);
			return stderr;
		};
		expect(await mistake('tiny', '--resume', 'run')).toBe(
			'mosaic: run: expected a run of tiny, got one of another experiment (kill, round-robin, gate never, seed 0)\n',
		);
		expect(await mistake('--resume', 'run', '--seed', '3')).toMatch(
			/option --seed: expected none with --resume/,
		);
		expect(await mistake('--resume', 'nowhere')).toMatch(/nowhere: expected the folder of a live run/);
		expect(await mistake('--resume', 'state')).toMatch(
			/state\/journal.jsonl: expected the journal of a live run/,
		);
		const release = takeRun(run);
		expect(await mistake('--resume', 'run')).toMatch(
			/run: expected a run that nobody drives, got one that process \d+ is carrying out/,
		);
		release();
		const { entries } = journalOf(run);
		const unfinished = path.join(cwd, 'unfinished');
		cpSync(run, unfinished, { recursive: true });
		const lines = readFileSync(path.join(run, 'journal.jsonl'), 'utf8').split('\n');
		writeFileSync(
			path.join(unfinished, 'journal.jsonl'),
			`${lines.slice(0, entries.length - 1).join('\n')}\n`,
		);
		const file = path.join(unfinished, 'experiment.yaml');
		writeFileSync(file, readFileSync(file, 'utf8').replace('keepQueries: 8', 'keepQueries: 7'));
		expect(await mistake('--resume', 'unfinished')).toBe(
			'mosaic: unfinished/experiment.yaml: expected the experiment that journal.jsonl belongs to (kill, round-robin, gate never, seed 0), got one that was changed\n',
		);
		cpSync(path.join(run, 'experiment.yaml'), file);
		const questions = path.join(unfinished, QUESTIONS);
		writeFileSync(questions, readFileSync(questions, 'utf8').replace('?', '??'));
		expect(await mistake('--resume', 'unfinished')).toBe(
			`mosaic: unfinished/${QUESTIONS}: expected the file that journal.jsonl belongs to (kill, round-robin, gate never, seed 0), got one that was changed\n`,
		);
		writeFileSync(path.join(unfinished, 'journal.jsonl'), lines.join('\n').replace('"gpu0"', '"gpu7"'));
		expect(await mistake('--resume', 'unfinished')).toMatch(
			/journal.jsonl:\d+: .*does not match its checksum/,
		);
	});

	it('interrupted: everything is stopped; resumed: the same results', { timeout: LIMIT_MS }, async () => {
		const controller = new AbortController();
		const stopped = path.join(cwd, 'stopped');
		const watch = setInterval(() => {
			if (!existsSync(path.join(stopped, 'journal.jsonl'))) return;
			const ended = journalOf(stopped).entries.filter(
				({ record }) => record.kind === 'happening' && record.happening.event.kind === 'call-ended',
			);
			if (ended.length >= 5) controller.abort();
		}, 5);
		const first = await live([EXPERIMENT, '--speed', '4', '--out', 'stopped'], {
			cwd,
			signal: controller.signal,
		}).finally(() => clearInterval(watch));
		expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 130, stdout: '' });
		expect(first.stderr).toMatch(
			/\nmosaic: interrupted; everything is stopped; go on with: mosaic live --resume stopped\n$/,
		);
		expect(leftOf(stopped)).toEqual([]);
		expect(readJson(stopped, 'status.json').state).toBe('interrupted');
		expect(journalOf(stopped).entries.at(-1)?.record.kind).toBe('interrupted');
		expect(recordsOf(stopped).at(-1)).toMatchObject({ type: 'run-ended', status: 'interrupted' });

		const resumed = await live(['--resume', 'stopped'], { cwd });
		expect(resumed.code, resumed.stderr).toBe(0);
		expect(resumed.stderr).toMatch(/^going on with kill live: 8 queries/);
		expect(counts(readJson(stopped, 'summary.json'))).toEqual(counts(readJson(run, 'summary.json')));
		expect(leftOf(stopped)).toEqual([]);
	});

	it.each(['lookahead', 'adaptive'])(
		'%s, which plans by rehearsal or decides as it goes, runs unchanged',
		{
			timeout: LIMIT_MS,
		},
		async (scheduler) => {
			const words = [EXPERIMENT, '--speed', '4', '--scheduler', scheduler, '--out', scheduler, '--json'];
			const { code, stdout, stderr } = await live(words, { cwd });
			expect(code, stderr).toBe(0);
			const summary = JSON.parse(stdout);
			expect([summary.scheduler, summary.status]).toEqual([scheduler, 'complete']);
			expect(summary.queries).toMatchObject({ total: 8, aggregated: 8 });
			expect(leftOf(path.join(cwd, scheduler))).toEqual([]);
		},
	);

	it('a call that fails: exit 3, with its reason', { timeout: LIMIT_MS }, async () => {
		const fault = 'live.emulator.faults.toy-chatty=[{kind: status, atRequest: 2, status: 400}]';
		const { code, stderr } = await live([EXPERIMENT, '--speed', '10', '--out', 'fault', '--set', fault], {
			cwd,
		});
		expect(code).toBe(3);
		expect(stderr).toMatch(/\n1 call failed; see calls.csv\n$/);
		const failed = recordsOf(path.join(cwd, 'fault')).filter(({ type }) => type === 'call-failed');
		expect(failed).toMatchObject([{ model: 'toy-chatty', reason: expect.stringContaining('HTTP 400') }]);
	});

	it('a server that never starts: its last words, exit 3, and the run comes to an end', {
		timeout: LIMIT_MS,
	}, async () => {
		const { code, stderr } = await live(
			[
				...[EXPERIMENT, '--speed', '10', '--out', 'broken', '--set', 'live.retries.replicaRestarts=0'],
				...['--set', 'live.emulator.faults.toy-chatty=[{kind: failing-start}]'],
			],
			{ cwd },
		);
		expect(code).toBe(3);
		expect(stderr).toMatch(/server of s1-toy-chatty failed: .*failing-start/);
		expect(stderr).toMatch(/last lines of broken\/logs\/s1-toy-chatty-1.log:\n(?: {2}\| .*\n)+/);
		expect(stderr).toMatch(/Engine core initialization failed/);
		expect(stderr.match(/last lines of/g)).toHaveLength(1);
		expect(stderr).toMatch(/\n\d+ calls given up, as no server of their model was left; see logs\/\n$/);
		expect(leftOf(path.join(cwd, 'broken'))).toEqual([]);
	});
});

describe('mosaic live, before anything starts', () => {
	it('--dry-run: the plan and every server command, and nothing else', async () => {
		const cwd = temporaryFolder();
		const { code, stdout, stderr } = await live(['tiny', '--dry-run'], { cwd });
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		const plan = await mosaic(['plan', 'tiny'], { cwd });
		const planLines = (text: string) => text.split('\n').filter((line) => /^(?:gpu|worker)/.test(line));
		expect(planLines(stdout).slice(0, 5)).toEqual(planLines(plan.stdout));
		expect(stdout).toMatch(
			/\ngpu0 {2}toy-reason {2}http:\/\/127.0.0.1:8100\n {2}\S+=.*--config .*s0-toy-reason/,
		);
		expect(readdirSync(cwd)).toEqual([]);
	});

	it('--dry-run with vLLM: its own arguments', async () => {
		const cwd = temporaryFolder();
		const words = ['tiny', '--dry-run', '--json', '--backend', 'vllm'];
		const { servers } = JSON.parse((await live(words, { cwd })).stdout);
		expect(servers).toHaveLength(4);
		expect(servers[0].command.environment.CUDA_VISIBLE_DEVICES).toBe('0');
		expect(servers[3]).toMatchObject({ worker: 'gpu0+gpu1', model: 'toy-reason' });
		expect(servers[3].command.arguments).toContain('--tensor-parallel-size');
	});

	it.each([
		[[], /expected mosaic live EXPERIMENT or --resume RUN, got neither/],
		[['tiny', '--speed', '0'], /option --speed: expected a number above 0 and up to 10000, got '0'/],
		[['tiny', '--speed', 'fast'], /option --speed: .* got 'fast'/],
		[['tiny', '--backend', 'vlm'], /unknown backend 'vlm', did you mean 'vllm'|unknown backend 'vlm'/],
		[['tiny', '--backend', 'vllm', '--speed', '2'], /option --speed: expected 1 with backend vllm, got 2/],
		[['tiny', '--backend', 'endpoint'], /live.endpoints: expected a server for model toy-\w+, got none/],
		[
			['tiny', '--backend', 'vllm', '--set', 'live.vllm.python=./no-such-python'],
			/live.vllm.python: expected the Python of an installation of vLLM/,
		],
		[['tiny', '--resume', 'x', '--dry-run'], /option --dry-run: expected none with --resume/],
	])('%j: one line, and nothing left behind', async (words, message) => {
		const cwd = temporaryFolder();
		const { code, stdout, stderr } = await live(words, { cwd });
		expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
		expect(stderr).toMatch(/^mosaic: .*\n$/);
		expect(stderr).toMatch(message);
		expect(existsSync(path.join(cwd, 'runs'))).toBe(false);
	});
});
