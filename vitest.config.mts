import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.ts'],
		reporters: process.env.CI ? ['default', './test/support/count-reporter.ts'] : ['default'],
		testTimeout: 60_000,
	},
});
