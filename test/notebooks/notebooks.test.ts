import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CellOutput, parseNotebook } from '../../notebooks/notebook.ts';
import { executeNotebook } from '../../notebooks/run-notebook.ts';
import { repoRoot } from '../support/project-files.ts';

const folder = path.join(repoRoot, 'notebooks');
const notebooks = readdirSync(folder).filter((file) => file.endsWith('.ipynb'));

const MAX_BYTES = 1_000_000;

describe.each(notebooks)('%s', (name) => {
	const file = path.join(folder, name);

	// When it fails because results changed on purpose: npm run mosaic -- notebook run notebooks/NAME
	it('shows what its code gives', async () => {
		const { before, after } = await executeNotebook(file);
		const kept = parseNotebook(before, file);
		expect(after.cells.map(({ outputs }) => outputs?.map(comparable))).toEqual(
			kept.cells.map(({ outputs }) => outputs?.map(comparable)),
		);
		expect(after.cells.map(({ execution_count }) => execution_count)).toEqual(
			kept.cells.map(({ execution_count }) => execution_count),
		);
	});

	it('is small enough to be shown on the web', () => {
		expect(statSync(file).size).toBeLessThan(MAX_BYTES);
	});
});

it('there is a notebook', () => {
	expect(notebooks).toContain('idle-time.ipynb');
});

/** Pictures by their size in pixels: their bytes may differ from one processor to another. */
function comparable(output: CellOutput): unknown {
	if (output.output_type === 'stream') return output;
	const { 'image/png': picture, ...data } = output.data;
	if (picture === undefined) return output;
	const bytes = Buffer.from(String(picture), 'base64');
	expect(bytes.subarray(1, 4).toString('latin1')).toBe('PNG');
	return { ...output, data: { ...data, picture: [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] } };
}
