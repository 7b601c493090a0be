import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gateNames } from '../../sim/aggregate/index.ts';
import { fewestQueries } from '../../sim/aggregate/loss-test.ts';
import { inAll } from '../../sim/aggregate/split-past.ts';
import { ADAPTIVE_SWITCHES } from '../../solver/adaptive/switches.ts';
import { schedulerNames } from '../../solver/index.ts';
import { repoRoot } from '../support/project-files.ts';
import { grouped, withCalibrationSizes } from './calibration-sizes.ts';

const folder = path.join(repoRoot, 'docs');
const text = readFileSync(path.join(folder, 'policies.md'), 'utf8');
const MAX_PICTURE_BYTES = 60_000;

describe('docs/policies.md', () => {
	it.each(schedulerNames)('explains %s under a title of its own, with a picture', (name) => {
		const [, section = ''] = text.split(`\n### ${name}\n`);
		const own = section.split(/\n##/)[0] ?? '';
		expect(own.trim().split('\n')[0]?.length).toBeGreaterThan(100);
		expect(own).toContain(`![${name}](images/policies/${name}.svg)`);
	});

	it.each(schedulerNames)('has a small picture of %s with its text as text', (name) => {
		const file = path.join(folder, 'images/policies', `${name}.svg`);
		expect(statSync(file).size).toBeLessThan(MAX_PICTURE_BYTES);
		const svg = readFileSync(file, 'utf8');
		expect(svg).toMatch(/^<svg[^>]*>/);
		expect(svg).toContain('>What does each GPU do, and when?</text>');
		expect(svg).toContain(`>${name} on gpqa, gate majority, seed 0</text>`);
	});

	it('has a line for every switch of adaptive and no other', () => {
		// The tables of what they contribute name variants, which are something else.
		const [before = ''] = text.split('<!-- ablation:begin -->');
		const lines = [...before.matchAll(/^\| `([a-z]+)` \| /gm)].map(([, name]) => name);
		expect(lines.toSorted()).toEqual(ADAPTIVE_SWITCHES.toSorted());
	});

	it.each(gateNames)('explains the gate %s', (name) => {
		expect(text.split('\n## Gates\n')[1]).toContain(`\`${name}\``);
	});

	// UPDATE_DOCS=1 npx vitest run test/docs writes it.
	it('shows what so many past queries allow', { timeout: 120_000 }, () => {
		const current = withCalibrationSizes(text);
		if (process.env.UPDATE_DOCS) writeFileSync(path.join(folder, 'policies.md'), current);
		else expect(text).toBe(current);
	});

	it('says how many past queries no test can do without', () => {
		const fewest = fewestQueries(0.001, 0.1);
		expect(text).toContain(
			`fewer than ${grouped(fewest)} queries to test on, ${grouped(inAll(fewest))} in all`,
		);
	});

	it('links to nothing that is not there', () => {
		const targets = [...text.matchAll(/\]\(([^)#]+)/g)].map(([, target = '']) => target);
		const local = targets.filter((target) => !target.startsWith('https://'));
		expect(local.length).toBeGreaterThan(9);
		expect(local.filter((target) => !existsSync(path.join(folder, target)))).toEqual([]);
	});
});
