import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { randomStream } from '../../sim/core/random.ts';
import { KilledRun, type RunResults, type Victim } from './killed-run.ts';

export interface CampaignOptions {
	readonly kills: number;
	readonly killsPerRun: number;
	readonly seed: number;
	/** Empty: run folders, and where the runs are registered. */
	readonly folder: string;
	readonly say: (line: string) => void;
}

export interface CampaignResult {
	readonly kills: Readonly<Record<Victim, number>>;
	/** Runs that were killed and then completed. */
	readonly runs: number;
	/** Calls of all these runs. */
	readonly calls: number;
	/** Requests that their emulators got: more than calls, as a kill cuts calls off. */
	readonly requests: number;
	/** Calls that never ended. */
	readonly lost: readonly string[];
	/** Calls that ended twice, or were sent again after they had ended. */
	readonly twice: readonly string[];
	/** Processes of a run that outlived it. */
	readonly orphans: readonly string[];
	/** Runs whose results are not those of an undisturbed run of the same seed. */
	readonly different: readonly string[];
}

/** Workloads that the runs take in turn; each is run once undisturbed. */
const WORKLOADS = 3;

/** Kills live runs with `kill -9` at random seeded moments and goes on with them until they are complete; then everything is counted. */
export async function killCampaign(options: CampaignOptions): Promise<CampaignResult> {
	const { killsPerRun, folder, say } = options;
	const random = randomStream(options.seed, 'kills');
	const stateFolder = path.join(folder, 'state');
	mkdirSync(stateFolder, { recursive: true });
	const kills: Record<Victim, number> = { controller: 0, engine: 0, both: 0 };
	const lost: string[] = [];
	const twice: string[] = [];
	const orphans: string[] = [];
	const different: string[] = [];
	const undisturbed = new Map<number, RunResults>();
	const result = { kills, runs: 0, calls: 0, requests: 0, lost, twice, orphans, different };

	const carryOut = async (name: string, workload: number, act: (run: KilledRun) => Promise<void>) => {
		const run = new KilledRun(path.join(folder, name), stateFolder, workload, random);
		try {
			await act(run);
			await run.complete();
			return run;
		} finally {
			run.drop();
		}
	};
	for (let left = options.kills; left > 0; ) {
		const workload = result.runs % WORKLOADS;
		const expected =
			undisturbed.get(workload) ??
			(await carryOut(`undisturbed-${workload}`, workload, async () => undefined)).results();
		undisturbed.set(workload, expected);
		const name = `run-${++result.runs}`;
		const run = await carryOut(name, workload, async (killed) => {
			for (let kill = 1; kill <= killsPerRun && left > 0 && !killed.isOver; kill++, left--) {
				const { victim, where } = await killed.kill(expected.journalLength);
				kills[victim]++;
				say(`${name}, kill ${kill}: ${victim} ${where}`);
			}
		});
		const got = run.results();
		const ended = new Set(got.endedCalls);
		lost.push(...expected.endedCalls.filter((call) => !ended.has(call)).map((call) => `${name} ${call}`));
		twice.push(...run.callsMadeTwice().map((call) => `${name} ${call}`));
		orphans.push(...run.orphans().map((pid) => `${name} ${pid}`));
		const [now, then] = [got.compared, expected.compared].map((value) => JSON.stringify(value));
		if (now !== then) different.push(`${name}: ${now} in place of ${then}`);
		result.calls += expected.endedCalls.length;
		result.requests += run.requestCount();
	}
	return result;
}
