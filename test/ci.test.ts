import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { repoRoot } from './support/project-files.ts';

/** `.ci/run` in a folder of its own, with small programs in place of npm, chromium and apt-get. */
let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'mosaic-ci-'));
	mkdirSync(path.join(folder, 'bin'));
	cpSync(path.join(repoRoot, '.ci'), path.join(folder, '.ci'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, script: string): void {
	writeFileSync(path.join(folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

function runCi(environment: Record<string, string> = {}): {
	status: number | null;
	lines: readonly string[];
} {
	const { status, stdout } = spawnSync(path.join(folder, '.ci/run'), {
		encoding: 'utf8',
		env: { PATH: `${path.join(folder, 'bin')}:${process.env.PATH}`, HOME: folder, ...environment },
	});
	return { status, lines: stdout.trimEnd().split('\n') };
}

/**
 * npm whose `test` writes this closing line, then says something more and ends with this status.
 * @param real what `npm run -s test:vllm` does
 */
const npm = (closingLine: string, status: number, real = "echo 'test:vllm skipped: not here'"): void =>
	program(
		'npm',
		`case "$1" in
			ci) echo installed ;;
			test) ${closingLine === '' ? ':' : `echo '${closingLine}' > "$MOSAIC_COUNT_FILE"`}; echo 'npm: the end'; exit ${status} ;;
			run) ${real} ;;
		esac`,
	);

describe('.ci/run', () => {
	beforeEach(() => program('chromium', 'true'));

	it.each([
		['all is well', '12 passed, 0 failed', 0, 0, '12 passed, 0 failed'],
		['tests failed', '12 passed, 3 failed', 1, 1, '12 passed, 3 failed'],
		['tests failed and npm does not say so', '12 passed, 3 failed', 0, 1, '12 passed, 3 failed'],
		['the linter stopped it before the tests', '', 1, 1, '0 passed, 1 failed'],
		['something after the tests failed', '12 passed, 0 failed', 2, 2, '12 passed, 1 failed'],
		['no test ran', '0 passed, 0 failed', 0, 1, '0 passed, 1 failed'],
		['nothing ran at all', '', 0, 1, '0 passed, 1 failed'],
		['tests were skipped', '12 passed, 0 failed, 2 skipped', 0, 0, '12 passed, 0 failed'],
	])('when %s', (_, counts, npmStatus, status, lastLine) => {
		npm(counts, npmStatus);
		const result = runCi();
		expect(result.status).toBe(status);
		expect(result.lines.at(-1)).toBe(lastLine);
		expect(result.lines.filter((line) => /^\d+ passed, \d+ failed/.test(line))).toHaveLength(1);
	});

	it.each([
		['counts real vLLM as a test that passed', 'echo fine', 0, '13 passed, 0 failed'],
		['counts it as one that failed', 'echo beyond; exit 1', 1, '12 passed, 1 failed'],
		[
			'does not mix up its own tests with those of the suite',
			'[ -z "$MOSAIC_COUNT_FILE" ] || echo 24 passed, 0 failed > "$MOSAIC_COUNT_FILE"',
			0,
			'13 passed, 0 failed',
		],
		[
			'does not count it where it cannot run',
			"echo 'test:vllm skipped: no Python'",
			0,
			'12 passed, 0 failed',
		],
	])('%s', (_, real, status, lastLine) => {
		npm('12 passed, 0 failed', 0, real);
		const result = runCi();
		expect(result.status).toBe(status);
		expect(result.lines.at(-1)).toBe(lastLine);
	});

	it('leaves real vLLM alone when the other tests failed', () => {
		npm('11 passed, 1 failed', 1, 'echo started');
		expect(runCi().lines).not.toContain('started');
	});

	it('fails when the packages cannot be installed', () => {
		program('npm', 'exit 1');
		expect(runCi()).toEqual({ status: 1, lines: ['0 passed, 1 failed'] });
	});
});

describe('.ci/run on a machine without a browser', () => {
	/** Only these are on the path, so that a browser of this machine is not found. */
	const bare = (): Record<string, string> => {
		for (const name of [
			'bash',
			'dirname',
			'grep',
			'mktemp',
			'rm',
			'sed',
			'tail',
			'tee',
			'timeout',
			'id',
			'sh',
		])
			program(name, `exec ${spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()} "$@"`);
		npm('12 passed, 0 failed', 0);
		program('apt-get', 'echo "no network" >&2; exit 100');
		program('sudo', 'shift; exec "$@"');
		return { PATH: path.join(folder, 'bin') };
	};

	it('runs the other tests', () => {
		const { status, lines } = runCi(bare());
		expect(status).toBe(0);
		expect(lines).toContain('chromium could not be installed');
		expect(lines.at(-1)).toBe('12 passed, 0 failed');
	});

	it('fails on CI, where that test must run', () => {
		const { status, lines } = runCi({ ...bare(), CI: 'true' });
		expect(status).toBe(1);
		expect(lines.at(-1)).toBe('0 passed, 1 failed');
	});
});
