import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { recordServer, type SentCall } from '../support/recorded-server.ts';
import { itShared } from '../support/shared.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const cost = {
	hostUs: 1000,
	hostPerSequenceUs: 0,
	baseUs: 10_000,
	perTokenOverKneeUs: 500,
	kneeTokens: 0,
	perDecodeSequenceUs: 0,
	perContextTokenUs: 1,
	perPrefillTokenSquaredUs: 0,
	allReduceUs: 0,
};
const calls = (count: number, gapS: number): SentCall[] =>
	Array.from({ length: count }, (_, i) => ({
		sentS: i * gapS,
		prompt: [[`p${i}`, 0, 10 + i]],
		outputTokens: 5 + i,
	}));
const lines = [
	recordServer({ name: 'grid-1', cost }, calls(3, 0)),
	recordServer({ name: 'grid-2', cost }, calls(6, 0)),
	recordServer({ name: 'other', cost }, calls(9, 0.1)),
].map(({ line }) => JSON.stringify(line));

function folderWith(name: string, content: string | Buffer): string {
	const cwd = temporaryFolder();
	writeFileSync(path.join(cwd, name), content);
	return cwd;
}

it('prints one document with the error of every run that was not fitted', async () => {
	const cwd = folderWith('runs.jsonl.gz', gzipSync(lines.join('\n')));
	const { code, stdout, stderr } = await mosaic(['calibrate', 'runs.jsonl.gz', '--json', '--quiet'], { cwd });
	expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
	const { runs, fit, serving } = JSON.parse(stdout);
	expect(runs).toEqual([
		expect.objectContaining({
			name: 'other',
			makespanErrorPercent: expect.closeTo(0, 1),
			ttftMeanErrorPercent: expect.closeTo(0, 1),
			tpotMeanErrorPercent: expect.closeTo(0, 1),
			latencyP95ErrorPercent: expect.closeTo(0, 1),
			preemptions: { measured: 0, simulated: 0 },
		}),
	]);
	expect(fit.servers[0]).toMatchObject({ runs: ['grid-1', 'grid-2'], cost: expect.any(Object) });
	expect(serving).toBeNull();
});

it('prints a table for people', async () => {
	const cwd = folderWith('runs.jsonl', lines.join('\n'));
	const { code, stdout, stderr } = await mosaic(['calibrate', 'runs.jsonl'], { cwd });
	expect({ code, stderr }).toEqual({ code: 0, stderr: 'replaying 3 recorded runs\n' });
	expect(stdout).toMatch(/^run +makespan +TTFT +TPOT/);
	expect(stdout).toMatch(/^other +[+-]?0\.\d %/m);
	expect(stdout).toContain('fitted on 2 runs');
});

const HEADER = 'model,gpu,prompt_tokens,output_tokens,concurrent_requests,ttft_ms,tpot_ms';

it('holds bundled profiles against a table of steady serving', async () => {
	const cwd = folderWith(
		'serving.csv',
		`${HEADER}\nmeta-llama/Llama-3.1-8B-Instruct,h100_sxm,1000,50,2,50,10\n`,
	);
	const table = await mosaic(['calibrate', 'serving.csv', '--quiet'], { cwd });
	expect(table.stdout).toMatch(/^ +1000 +50 +2 +10\.00 +\d+\.\d\d +-\d+\.\d %/m);
	const json = await mosaic(['calibrate', 'serving.csv', '--quiet', '--json'], { cwd });
	expect(JSON.parse(json.stdout)).toMatchObject({
		runs: [],
		fit: null,
		serving: { rows: [{ measured: { tpotMs: 10 } }], maxNumBatchedTokens: 2048 },
	});
});

it.each([
	[
		'a file that is not there',
		undefined,
		/^mosaic: x: expected a run folder or a file of measured runs, got nothing there$/,
	],
	[
		'a packed file cut short',
		gzipSync(lines.join('\n')).subarray(0, 200),
		/^mosaic: x\.gz: expected a readable file/,
	],
	[
		'a line cut short',
		lines.join('\n').slice(0, -40),
		/^mosaic: x:3: the line: expected one JSON object a line/,
	],
	['nothing to fit on', lines[2], /^mosaic: x:1: name: expected at least one run of .* named 'grid'/],
	[
		'a GPU without profile',
		`${HEADER}\nLlama,b200,1,1,1,1,1`,
		/^mosaic: x:2: gpu: expected one of .*, got 'b200'$/,
	],
	['a model without profile', `${HEADER}\nGPT,h100_sxm,1,1,1,1,1`, /^mosaic: x:2: model: expected one of/],
	[
		'more than the context',
		`${HEADER}\nLlama,h100_sxm,40960,1,1,1,1`,
		/^mosaic: x:2: prompt_tokens and output_/,
	],
])('answers %s with one line and exit 2', async (_, content, line) => {
	const name = Buffer.isBuffer(content) ? 'x.gz' : 'x';
	const cwd = content === undefined ? temporaryFolder() : folderWith(name, content);
	const { code, stdout, stderr } = await mosaic(['calibrate', name, '--json', '--quiet'], { cwd });
	expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
	expect(stderr.trimEnd()).toMatch(line);
	expect(stderr.trimEnd()).not.toContain('\n');
});

it('says that a folder is none', async () => {
	const { code, stderr } = await mosaic(['calibrate', '.'], { cwd: temporaryFolder() });
	expect({ code, stderr }).toEqual({
		code: 2,
		stderr: 'mosaic: .: expected a run folder or a file of measured runs, got another folder\n',
	});
});

itShared('golden/scheduler-small.jsonl.gz', 'names what a scheduler trace lacks', async (file) => {
	const { code, stderr } = await mosaic(['calibrate', file, '--quiet'], { cwd: '.' });
	expect(code).toBe(2);
	expect(stderr).toMatch(/scheduler-small\.jsonl\.gz:1: config\.\w+: expected|:1: \w+: expected/);
});

it('replays a simulated run without any error, and a slower one with just that', async () => {
	const cwd = temporaryFolder();
	const simulate = ['simulate', 'tiny', '--gate', 'majority', '--quiet', '--out'];
	await mosaic([...simulate, 'same'], { cwd });
	// The folder says what ran; made by a slower engine, its times are those of another.
	await mosaic([...simulate, 'slow', '--set', 'engine.hostUs=9000'], { cwd });
	const file = path.join(cwd, 'slow', 'experiment.yaml');
	writeFileSync(file, readFileSync(file, 'utf8').replace('hostUs: 9000', 'hostUs: 1000'));
	const { code, stdout } = await mosaic(['calibrate', 'same', 'slow', '--json', '--quiet', '--out', 'both'], {
		cwd,
	});
	expect(code).toBe(0);
	const [same, slow] = JSON.parse(stdout).runs;
	expect(same).toMatchObject({
		name: 'same',
		makespanErrorPercent: 0,
		ttftMeanErrorPercent: 0,
		tpotMeanErrorPercent: 0,
		latencyP95ErrorPercent: 0,
		preemptions: { measured: 0, simulated: 0 },
	});
	expect(slow.tpotMeanErrorPercent).toBeLessThan(-30);
	expect(slow.makespanErrorPercent).toBeLessThan(0);
	expect(existsSync(path.join(cwd, 'both', 'report.html'))).toBe(true);
	const { stdout: text } = await mosaic(['calibrate', 'same', 'slow', '--quiet'], { cwd });
	expect(text).toMatch(/^same .* 0\.0 %/m);
});
