import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gateNames } from '../../sim/aggregate/index.ts';
import { ADAPTIVE_SWITCHES, SWITCH_MEANINGS } from '../../solver/adaptive/switches.ts';
import { defaultSchedulerNames, schedulerNames } from '../../solver/index.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

const repository = path.join(__dirname, '../..');
const cwd = '.';

describe('mosaic list', () => {
	it('names everything that the other commands take', async () => {
		const { code, stdout } = await mosaic(['list', '--json'], { cwd });
		const bundled = JSON.parse(stdout);
		expect(code).toBe(0);
		expect(bundled).toMatchObject({
			format: 1,
			schedulers: schedulerNames,
			comparedByDefault: defaultSchedulerNames,
			knowLengths: ['oracle'],
			switches: ADAPTIVE_SWITCHES.map((name) => ({ name, meaning: SWITCH_MEANINGS[name] })),
			gates: gateNames,
		});
		const names = bundled.experiments.map(({ name }: { name: string }) => name);
		expect(names).toEqual(
			expect.arrayContaining(['tiny', 'mmlu-pro', 'medmcqa', 'gpqa', 'aime24', 'pool16']),
		);
		expect(bundled.models.length).toBeGreaterThanOrEqual(16);
		for (const key of ['engineProfiles', 'gpuTypes', 'tasks']) expect(bundled[key].length).toBeGreaterThan(0);
	});

	it('says the same to people', async () => {
		const { stdout } = await mosaic(['list'], { cwd });
		for (const word of [
			'experiments',
			'  tiny ',
			'schedulers',
			'round-robin',
			'compared when named: lookahead  oracle*  worst',
			'switches of adaptive',
			SWITCH_MEANINGS.migrate,
			'gates',
			'majority',
			'models',
			'GPU types',
		]) {
			expect(stdout).toContain(word);
		}
		expect(stdout).not.toMatch(/ $/m);
	});
});

it('mosaic schema prints the JSON Schema of the experiment file and nothing else', async () => {
	const { code, stdout, stderr } = await mosaic(['schema'], { cwd });
	expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
	const schema = JSON.parse(stdout);
	expect(schema.$schema).toMatch(/^https:\/\/json-schema\.org\//);
	expect(Object.keys(schema.properties)).toEqual(
		expect.arrayContaining(['scheduler', 'gate', 'workload', 'cluster']),
	);
});

it('mosaic schema --of names another kind of file', async () => {
	const properties = async (of: string) =>
		Object.keys(JSON.parse((await mosaic(['schema', '--of', of], { cwd })).stdout).properties);
	expect(await properties('profile')).toEqual(expect.arrayContaining(['model', 'engine', 'stepFit']));
	expect(await properties('question')).toEqual(expect.arrayContaining(['id', 'choices', 'answer']));
	const { code, stderr } = await mosaic(['schema', '--of', 'profil'], { cwd });
	expect(code).toBe(2);
	expect(stderr).toContain("unknown schema 'profil' (did you mean 'profile'?)");
});

describe('mosaic plan', () => {
	it('prints plan and evidence, and writes nothing', async () => {
		const empty = temporaryFolder();
		const { code, stdout, stderr } = await mosaic(
			['plan', 'tiny', '--scheduler', 'ilp', '--json', '--quiet'],
			{ cwd: empty },
		);
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		const plan = JSON.parse(stdout);
		expect(plan).toMatchObject({ scheduler: 'ilp', status: 'optimal', fallback: null });
		expect(plan.objectiveSeconds).toBeGreaterThanOrEqual(plan.boundSeconds);
		expect(plan.gap).toBeLessThanOrEqual(0.01);
		const expertCalls = plan.replicas
			.filter(({ role }: { role: string }) => role === 'expert')
			.map(({ worker, model, calls }: { worker: string; model: string; calls: number }) => ({
				worker,
				model,
				calls,
			}));
		expect(expertCalls.reduce((sum: number, { calls }: { calls: number }) => sum + calls, 0)).toBe(36);
		for (const { worker } of expertCalls) expect(['gpu0', 'gpu1']).toContain(worker);
		expect(plan.replicas.at(-1)).toMatchObject({ worker: 'gpu0+gpu1', role: 'aggregator', calls: null });
	});

	it('follows --seed and --set', async () => {
		const words = ['plan', 'tiny', '--scheduler', 'data-parallel', '--json', '--quiet'];
		const three = await mosaic([...words, '--set', 'cluster.gpuCount=3'], { cwd });
		const workers = JSON.parse(three.stdout).replicas.map(({ worker }: { worker: string }) => worker);
		expect(new Set(workers)).toContain('gpu2');
		const objective = async (seed: string): Promise<number> =>
			JSON.parse((await mosaic([...words, '--seed', seed], { cwd })).stdout).objectiveSeconds;
		expect(await objective('1')).not.toBe(await objective('2'));
	});

	it('is a table for people', async () => {
		const { stdout, stderr } = await mosaic(['plan', 'tiny', '--scheduler', 'greedy'], { cwd });
		expect(stderr).toBe('planning tiny with greedy, seed 0\n');
		expect(stdout).toMatch(
			/^greedy: heuristic, objective \d+\.\d s, no bound\nsolved in \d+\.\d\d s; the run is charged \d+\.\d\d s\n\nworker +model/,
		);
	});

	it('says what stopped the solver', async () => {
		const limited = async (limit: string): Promise<string> =>
			(await mosaic(['plan', 'gpqa', '--scheduler', 'ilp', '--set', limit], { cwd })).stdout;
		expect(await limited('plan.timeLimitSeconds=0.001')).toMatch(
			/^ilp: .*; the solver ran out of time \(plan\.timeLimitSeconds\): not reproducible\nsolved in /,
		);
		expect(await limited('plan.maxNodes=1')).toMatch(
			/^ilp: .*\nthe solver stopped after 1 node \(plan\.maxNodes\)\nsolved in /,
		);
	});
});

it('a reader that goes away costs no stack', async () => {
	const child = spawn(process.execPath, ['-r', 'ts-node/register', 'sim/cli/main.ts', 'schema'], {
		cwd: repository,
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	child.stdout.destroy();
	let stderr = '';
	child.stderr.on('data', (bytes: Buffer) => {
		stderr += bytes;
	});
	const [code] = await once(child, 'close');
	expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
