/** The table of docs/policies.md on how many past queries a gate needs: what it knows before any run, so nothing is simulated. */
import { createSetupGate } from '../../sim/aggregate/index.ts';
import type { GateEvidence } from '../../sim/domain/calibration.ts';
import { present } from '../../sim/domain/errors.ts';
import { loadExperiment } from '../../traces/index.ts';

const WORKLOADS = ['mmlu-pro', 'medmcqa', 'gpqa'];
/** The published sets, from the smallest, and the default. */
const SIZES = [249, 350, 504, 20_000];
const SEEDS = [0, 1, 2, 3, 4];

const BEGIN = '<!-- calibration-sizes: UPDATE_DOCS=1 npx vitest run test/docs writes this table -->\n';
const END = '<!-- end of calibration-sizes -->';

/** The Markdown with the table between its two marks made new. */
export function withCalibrationSizes(markdown: string): string {
	const begin = markdown.indexOf(BEGIN);
	const end = markdown.indexOf(END);
	if (begin < 0 || end < begin)
		throw new Error('docs/policies.md: expected the marks of the table of calibration sizes');
	const head = ['past queries', ...WORKLOADS.map((name) => `${name}, skipped`), 'why nothing'];
	const rows = SIZES.map((size) => {
		const known = WORKLOADS.map((name) => SEEDS.map((seed) => evidence(name, size, seed)));
		return [grouped(size), ...known.map(skippedText), whyNothing(known.flat())];
	});
	const lines = [head, ['---:', '---:', '---:', '---:', '---'], ...rows].map(
		(cells) => `| ${cells.join(' | ')} |`,
	);
	return `${markdown.slice(0, begin + BEGIN.length)}\n${lines.join('\n')}\n\n${markdown.slice(end)}`;
}

export const grouped = (whole: number): string => whole.toLocaleString('en-US');

/** Under a scheduler that takes no cuts. */
function evidence(workload: string, size: number, seed: number): GateEvidence {
	const setup = loadExperiment(workload, {
		seed,
		gate: 'calibrated',
		sets: [`gate.calibrationQueries=${size}`],
	});
	return present(createSetupGate(setup, false).evidence?.() ?? undefined, 'evidence of the gate');
}

/** `48.6 % (47.8 to 52.7)`: of the first seed, then the least and the most of all. */
function skippedText(known: readonly GateEvidence[]): string {
	const shares = known.map(({ skippedShare }) => 100 * skippedShare);
	const [least, most] = [Math.min(...shares), Math.max(...shares)];
	const first = `${tenths(shares[0] ?? 0)} %`;
	return least === most ? first : `${first} (${tenths(least)} to ${tenths(most)})`;
}

const tenths = (value: number): string => String(Number(value.toFixed(1)));

function whyNothing(known: readonly GateEvidence[]): string {
	const notes = known.flatMap(({ note }) => note ?? []);
	const tooFew = notes.flatMap((note) => /too few.* no fewer than (\d+)/.exec(note)?.[1] ?? []);
	const unshown = notes.filter((note) => note.startsWith('nothing that saves work was shown'));
	if (tooFew.length + unshown.length < notes.length) throw new Error(`unknown note among ${notes}`);
	const { tested } = present(known[0], 'evidence');
	return [
		...(tooFew.length > 0
			? [
					`${grouped(tested)} to test on are too few: without gains no fewer than ${grouped(Number(tooFew[0]))} in all would do`,
				]
			: []),
		...(unshown.length > 0 ? ['where it is 0 %, nothing was shown to cost so little'] : []),
	].join('; ');
}
