import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from './support/project-files.ts';

/** The program as it is packed: built once, beside package.json, its packages in reach. */
let folder: string;
const main = (): string => path.join(folder, 'dist/sim/cli/main.js');
const mosaic = (...args: readonly string[]): string =>
	execFileSync(process.execPath, [main(), ...args], { cwd: folder, encoding: 'utf8' });

beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-build-'));
	const build = path.join(repoRoot, 'tools/build.cjs');
	// Unchecked: `npm test` has checked the types before it comes here.
	const args = [build, '--unchecked', '--out', path.join(folder, 'dist')];
	execFileSync(process.execPath, args, { stdio: 'pipe' });
	cpSync(path.join(repoRoot, 'package.json'), path.join(folder, 'package.json'));
	symlinkSync(path.join(repoRoot, 'node_modules'), path.join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the built program', () => {
	it('starts without TypeScript', () => {
		expect(mosaic('--help')).toContain('simulate');
		accessSync(main(), constants.X_OK);
	});

	it('finds what it reads at run time, and writes what the checkout writes', () => {
		const args = [
			'simulate',
			'tiny',
			'--scheduler',
			'ilp',
			'--gate',
			'majority',
			'--json',
			'--quiet',
			'--out',
		];
		const built = JSON.parse(mosaic(...args, 'built')) as unknown;
		const fromCheckout = execFileSync(
			'npm',
			['run', '-s', 'mosaic', '--', ...args, path.join(folder, 'checkout')],
			{
				cwd: repoRoot,
				encoding: 'utf8',
			},
		);
		expect(built).toEqual(JSON.parse(fromCheckout));
		expect(readdirSync(path.join(folder, 'built'))).toContain('report.html');
	});

	it('holds no tests', () => {
		expect(readdirSync(path.join(folder, 'dist')).toSorted()).not.toContain('test');
	});
});

it.each(['.', 'sim', '..'])('tools/build.cjs does not empty the sources when told --out %s', (out) => {
	const { status, stderr } = spawnSync(process.execPath, ['tools/build.cjs', '--out', out], {
		cwd: repoRoot,
		encoding: 'utf8',
	});
	expect(status).toBe(2);
	expect(stderr).toContain('--out: expected');
});
