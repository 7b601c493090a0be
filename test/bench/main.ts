/**
 * Benchmarks: `npm run bench` for all, `npm run bench -- NAME...` for some, by group or by name. They print times, and
 * ratios to something run in the same process; they assert nothing, since seconds belong to a machine.
 */
import { cpus, loadavg } from 'node:os';
import { engineScenarios } from './engine.ts';
import { planScenarios } from './plan.ts';
import { say } from './report.ts';

type Scenario = () => void | Promise<void>;

const groups: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = {
	engine: engineScenarios,
	plan: planScenarios,
};

async function main(wanted: readonly string[]): Promise<void> {
	if (wanted.includes('--help') || wanted.includes('-h')) {
		say(`npm run bench -- [NAME...]\n${whatExists()}`);
		return;
	}
	const all = Object.entries(groups).flatMap(([group, scenarios]) =>
		Object.entries(scenarios).map(([name, run]) => ({ group, name, run })),
	);
	const unknown = wanted.find((word) => !all.some(({ group, name }) => word === group || word === name));
	if (unknown !== undefined) {
		process.stderr.write(`unknown benchmark '${unknown}'\n${whatExists()}\n`);
		process.exitCode = 2;
		return;
	}
	const [cpu] = cpus();
	const busy = loadavg()[0]?.toFixed(1);
	say(
		`${cpu?.model ?? 'unknown processor'}, ${cpus().length} cores seen, load ${busy}; node ${process.version}`,
	);
	say('Times are medians over rounds in which what is compared takes turns; ratios are of CPU time.');
	for (const { group, name, run } of all) {
		if (wanted.length > 0 && !wanted.includes(group) && !wanted.includes(name)) continue;
		say(`\n${group}: ${name}`);
		await run();
	}
}

function whatExists(): string {
	return Object.entries(groups)
		.map(([group, scenarios]) => `${group}: ${Object.keys(scenarios).join(', ')}`)
		.join('\n');
}

main(process.argv.slice(2)).catch((error) => {
	process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
	process.exitCode = 1;
});
