import path from 'node:path';
import type { CompareRequest } from '../study/compare.ts';
import { compareJobs } from '../study/compare.ts';
import { plural } from './plural.ts';
import { shellLine, simulateWords } from './simulate-words.ts';

/** README.md of a comparison's folder: what is where, and how to get what is not kept. */
export function comparisonReadme(request: CompareRequest & { readonly folder: string }): string {
	const { experiment, schedulers, gates, seeds, firstSeed, folder, written } = request;
	const jobs = compareJobs(request);
	const first = jobs[0];
	const other = jobs.find(({ detail }) => detail === 'summary');
	const where = first?.folder ? path.relative(folder, first.folder) : 'runs';
	return [
		`# ${experiment}: ${schedulers.join(', ')} under ${gates.join(', ')}, ${plural(seeds, 'seed')} from ${firstSeed}`,
		'',
		'- `report.html`: opens in a browser, offline',
		'- `summary.json`: the figures of every scheduler and gate, as `mosaic compare --json` prints them',
		'- `charts/`: every chart as Vega-Lite specification, SVG and PNG',
		'- `experiment.yaml`: the experiment as resolved',
		'- `runs/SCHEDULER--GATE/seedN/`: the single runs',
		'',
		`The runs of seed ${firstSeed}${written === undefined ? '' : ` with ${written.join(' and ')}`} are whole run folders, such as \`${where}\`.`,
		...(other === undefined
			? []
			: [
					'Of the others `summary.json` and `plan.json` are kept; the rest can be made again at any time, byte for byte:',
					'',
					`    mosaic ${shellLine(simulateWords(other))}`,
				]),
		'',
	].join('\n');
}
