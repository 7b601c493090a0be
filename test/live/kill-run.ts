/**
 * `npm run kill:live [-- KILLS [SEED]]`: live runs on emulators, killed with `kill -9` at random seeded moments (controller, engine, both) and
 * resumed. Exit 1 when a call was lost or made twice, a process was left, or a result differs from that of an undisturbed run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killCampaign } from './kill-campaign.ts';

const [kills = 100, seed = 0] = process.argv.slice(2).map(Number);

async function main(): Promise<void> {
	const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-kills-'));
	const startMs = performance.now();
	const say = (line: string): void => void process.stderr.write(`${line}\n`);
	const result = await killCampaign({ kills, killsPerRun: 5, seed, folder, say });
	const { controller, engine, both } = result.kills;
	const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
	process.stdout.write(
		[
			`${kills} kills (${controller} controller, ${engine} engine, ${both} both) of ${result.runs} runs in ${minutes} minutes, seed ${seed}`,
			`${result.calls} calls, ${result.requests} requests to emulators`,
			`${result.lost.length} calls lost, ${result.twice.length} made twice, ${result.orphans.length} orphan processes, ${result.different.length} results that differ from an undisturbed run`,
			...[...result.lost, ...result.twice, ...result.orphans, ...result.different],
			'',
		].join('\n'),
	);
	const isClean = [result.lost, result.twice, result.orphans, result.different].every(
		(list) => list.length === 0,
	);
	if (isClean) rmSync(folder, { recursive: true });
	else {
		process.stderr.write(`run folders: ${folder}\n`);
		process.exitCode = 1;
	}
}

void main();
