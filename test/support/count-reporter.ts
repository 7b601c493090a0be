import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule, TestSpecification } from 'vitest/node';

/** Where the closing line goes instead of stdout, for a caller that has more to print after the tests. */
const COUNT_FILE_VARIABLE = 'MOSAIC_COUNT_FILE';

/**
 * Ends the output of a test run with one plain line, `N passed, N failed` (and `, N skipped` when there are any), which
 * machines can read. A file that could not be loaded, an error outside any test and a run without tests count as failures.
 */
export default class CountReporter implements Reporter {
	#scheduledFiles = 0;

	onTestRunStart(specifications: readonly TestSpecification[]): void {
		this.#scheduledFiles = specifications.length;
	}

	onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
		const line = closingLine(modules, this.#scheduledFiles, unhandledErrors.length);
		const countFile = process.env[COUNT_FILE_VARIABLE];
		if (countFile === undefined) process.stdout.write(`${line}\n`);
		else writeFileSync(countFile, `${line}\n`);
	}
}

/** The parts of vitest's TestModule that are counted. */
export interface CountedModule {
	readonly children: { allTests(): Iterable<{ result(): { readonly state: string } }> };
	state(): string;
}

/**
 * @param scheduledFiles test files that were to run; those that never reported are failures
 * @param otherErrors errors that belong to no test
 */
export function closingLine(
	modules: readonly CountedModule[],
	scheduledFiles: number,
	otherErrors: number,
): string {
	let passed = 0;
	let failed = otherErrors + Math.max(0, scheduledFiles - modules.length);
	let skipped = 0;
	for (const module of modules) {
		let failedHere = 0;
		for (const test of module.children.allTests()) {
			const { state } = test.result();
			if (state === 'passed') passed++;
			else if (state === 'skipped') skipped++;
			else failedHere++;
		}
		// A file that fails to load, or whose hook fails, has no failed test of its own.
		failed += module.state() === 'failed' ? Math.max(1, failedHere) : failedHere;
	}
	if (passed + failed === 0) failed = 1;
	return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
