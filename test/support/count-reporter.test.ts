import { describe, expect, it } from 'vitest';
import { type CountedModule, closingLine } from './count-reporter.ts';

const moduleOf = (state: string, ...tests: readonly string[]): CountedModule => ({
	children: { allTests: () => tests.map((test) => ({ result: () => ({ state: test }) })) },
	state: () => state,
});

describe('closing line of a test run', () => {
	it('counts tests over all files', () => {
		const modules = [moduleOf('passed', 'passed', 'passed'), moduleOf('failed', 'passed', 'failed')];
		expect(closingLine(modules, 2, 0)).toBe('3 passed, 1 failed');
	});

	it('names skipped tests only when there are any', () => {
		expect(closingLine([moduleOf('passed', 'passed', 'skipped')], 1, 0)).toBe(
			'1 passed, 0 failed, 1 skipped',
		);
	});

	it('counts a file that could not be loaded as a failure', () => {
		expect(closingLine([moduleOf('passed', 'passed'), moduleOf('failed')], 2, 0)).toBe('1 passed, 1 failed');
	});

	it('counts a file that never reported as a failure', () => {
		expect(closingLine([moduleOf('passed', 'passed')], 2, 0)).toBe('1 passed, 1 failed');
	});

	it('counts errors outside any test', () => {
		expect(closingLine([moduleOf('passed', 'passed')], 1, 2)).toBe('1 passed, 2 failed');
	});

	it('treats a test that was interrupted as failed', () => {
		expect(closingLine([moduleOf('failed', 'passed', 'pending')], 1, 0)).toBe('1 passed, 1 failed');
	});

	it('fails a run without tests', () => {
		expect(closingLine([], 0, 0)).toBe('0 passed, 1 failed');
	});
});
