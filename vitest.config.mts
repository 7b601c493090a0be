import os from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.ts'],
		reporters: ['default', './test/support/count-reporter.ts'],
		testTimeout: 60_000,
		hookTimeout: 60_000,
		// Many files wait for programs that they started: on two cores one file at a time takes twice as long.
		maxWorkers: Math.max(2, os.availableParallelism() - 1),
	},
});
