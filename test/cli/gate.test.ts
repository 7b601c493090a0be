import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const few = ['--set', 'gate.calibrationQueries=600'];

describe('a calibrated gate on the command line', () => {
	it('promises in the log, and the summary says how much', async () => {
		const cwd = temporaryFolder();
		const words = ['simulate', 'tiny', '--scheduler', 'greedy', '--gate', 'calibrated', ...few];
		const { code, stdout } = await mosaic(
			[...words, '--set', 'gate.budgetPoints=20', '--out', 'run', '--json', '--quiet'],
			{ cwd },
		);
		expect(code).toBe(0);
		expect(JSON.parse(stdout)).toMatchObject({
			gate: 'calibrated',
			accuracy: { lossBoundPoints: 20 },
			gateEvidence: { budgetPoints: 20, note: null },
		});
		const [started = ''] = readFileSync(path.join(cwd, 'run/events.jsonl'), 'utf8').split('\n');
		expect(JSON.parse(started)).toMatchObject({
			gateEvidence: {
				source: '600 simulated past queries',
				budgetPoints: 20,
				confidence: 0.9,
				note: null,
				audit: null,
			},
		});
		const { stdout: table } = await mosaic([...words, '--out', 'poor'], { cwd });
		// Too few to promise a tenth of a point: all is aggregated, which loses nothing.
		expect(table).toMatch(/^queries +12: 0 by vote, 12 aggregated$/m);
		expect(table).toMatch(/^accuracy .*; the gate promised 0\.00 at worst, as a mean/m);
		expect(table).toMatch(
			/^gate +calibrated: spends nothing of its budget: 600 simulated past queries .* too few to promise 0\.1 points/m,
		);
	});

	it('sends a share of what it would skip to the aggregator with --audit', async () => {
		const cwd = temporaryFolder();
		const words = [
			'simulate',
			'tiny',
			'--scheduler',
			'greedy',
			'--gate',
			'majority',
			...few,
			'--json',
			'--quiet',
		];
		const run = async (...more: string[]) => JSON.parse((await mosaic([...words, ...more], { cwd })).stdout);
		const plain = await run('--out', 'plain');
		const audited = await run('--audit', '1', '--out', 'audited');
		expect(plain.calls.audited).toBe(0);
		expect(audited.calls.audited).toBe(plain.queries.settledByVote);
		expect(audited.queries.settledByVote).toBe(0);
		// What they found stands at the end of the log, and in the summary.
		expect(audited.gateEvidence.audit.audited).toBe(plain.queries.settledByVote);
		const ended =
			readFileSync(path.join(cwd, 'audited/events.jsonl'), 'utf8').trim().split('\n').at(-1) ?? '';
		expect(JSON.parse(ended).audit).toEqual(audited.gateEvidence.audit);
	});

	it('says under a comparison why it spends nothing', async () => {
		const words = [
			'compare',
			'tiny',
			'--schedulers',
			'greedy',
			'--gates',
			'never,calibrated',
			'--seeds',
			'2',
			...few,
		];
		const { stdout } = await mosaic([...words, '--quiet'], { cwd: temporaryFolder() });
		expect(stdout).toMatch(
			/^gate calibrated spends nothing of its budget: 600 simulated past queries .* too few .*\(so in 2 of 2 runs\)$/m,
		);
	});

	it('gives no reason where a policy takes no cuts and nothing is skipped, audited or not', async () => {
		const cwd = temporaryFolder();
		const audited = [...few, '--audit', '0.5', '--quiet'];
		const gates = ['--gates', 'never', '--seeds', '2'];
		const { stdout } = await mosaic(['compare', 'tiny', '--schedulers', 'greedy', ...gates, ...audited], {
			cwd,
		});
		expect(stdout).toMatch(/^greedy /m);
		expect(stdout).not.toContain('spends nothing');
		const { stdout: one } = await mosaic(
			['simulate', 'tiny', '--scheduler', 'greedy', '--gate', 'never', ...audited, '--out', 'one'],
			{ cwd },
		);
		expect(one).toMatch(/^audit +nothing to audit/m);
		expect(one).not.toContain('spends nothing');
	});

	it.each(['simulate', 'compare', 'live'])('%s refuses an audit that is no share', async (command) => {
		const { code, stderr } = await mosaic([command, 'tiny', '--audit', '5 %'], { cwd: temporaryFolder() });
		expect({ code, stderr }).toEqual({
			code: 2,
			stderr: "mosaic: option --audit: expected a share from 0 to 1 such as 0.05, got '5 %'\n",
		});
	});

	it('refuses a calibration file with an expert that nobody knows, in one line', async () => {
		const cwd = temporaryFolder();
		const row = {
			slots: ['toy-short', 'toy-raeson', 'toy-chatty'],
			answers: ['A', 'A', 'A'],
			outputTokens: [1, 2, 3],
			correct: 'A',
			aggregator: { answer: 'A', outputTokens: 4 },
		};
		writeFileSync(path.join(cwd, 'past.jsonl'), `${JSON.stringify(row)}\n`);
		const previous = process.cwd();
		const { code, stderr } = await mosaic(
			[
				'simulate',
				'tiny',
				'--set',
				`gate.calibration=${path.relative(previous, path.join(cwd, 'past.jsonl'))}`,
			],
			{ cwd },
		);
		expect(code).toBe(2);
		expect(stderr).toMatch(
			/^mosaic: .*past\.jsonl:1 slots\.1: expected an expert of the pool .*did you mean 'toy-reason'\?\)\n$/,
		);
	});

	it('publishes the schema of a calibration file', async () => {
		const { code, stdout } = await mosaic(['schema', '--of', 'calibration'], { cwd: temporaryFolder() });
		expect(code).toBe(0);
		expect(JSON.parse(stdout)).toMatchObject({
			title: 'MOSAIC calibration',
			required: ['slots', 'answers', 'outputTokens', 'correct', 'aggregator'],
		});
	});
});
