import { describe, expect, it } from 'vitest';
import { mosaic } from './support.ts';
import { sharedFolder } from './temporary-folder.ts';

describe('oracle on the command line', () => {
	const cwd = sharedFolder();

	it('is told the lengths of a simulated run, and its summary says so', async () => {
		const simulate = [
			'simulate',
			'tiny',
			'--scheduler',
			'oracle:all-cuts',
			'--json',
			'--quiet',
			'--out',
			'run',
		];
		const { code, stdout, stderr } = await mosaic(simulate, { cwd });
		expect(code, stderr).toBe(0);
		expect(JSON.parse(stdout)).toMatchObject({ scheduler: 'oracle:all-cuts', knowsLengths: true });
	});

	it('is refused where answers are real', async () => {
		const words = ['live', 'quiz', '--scheduler', 'oracle', '--set', 'live.lengths=real', '--out', 'live'];
		const { code, stdout, stderr } = await mosaic(words, { cwd });
		expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
		expect(stderr).toBe(
			'mosaic: scheduler oracle knows every output length beforehand: expected live.lengths simulated, got real\n',
		);
	});
});
