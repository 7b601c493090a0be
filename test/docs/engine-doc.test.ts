import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EngineConfig, StepCost } from '../../sim/domain/model.ts';
import { LeapingCore } from '../../sim/engine/leaping-core.ts';
import { StepBatch } from '../../sim/engine/step-batch.ts';
import { StepClock } from '../../sim/engine/step-time.ts';
import { projectFiles, readProjectFile, repoRoot } from '../support/project-files.ts';

const page = readProjectFile('docs/engine.md');
const picture = readProjectFile('docs/images/engine-leap.svg');
const spans = [...new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text ?? ''))];
const sources = projectFiles()
	.filter((file) => /^(?:sim\/(?:engine|domain)|test\/bench)\/.*\.ts$/.test(file))
	.map(readProjectFile);

const hasWord = (text: string, word: string): boolean => new RegExp(`\\b${word}\\b`).test(text);

describe('docs/engine.md', () => {
	it('links to what exists', () => {
		const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target ?? '');
		expect(links.length).toBeGreaterThan(1);
		expect(links.filter((link) => !existsSync(path.join(repoRoot, 'docs', link)))).toEqual([]);
	});

	it('names files that exist', () => {
		const files = [...page.matchAll(/[\w./-]+\.(?:ts|gz)\b/g)].map(([file]) => file);
		const missing = files.filter(
			(file) => !existsSync(path.join(repoRoot, file.includes('/') ? file : `sim/engine/${file}`)),
		);
		expect(files.length).toBeGreaterThan(20);
		expect(missing).toEqual([]);
	});

	it('names code that exists', () => {
		const names = spans.filter(
			(span) => /^[A-Za-z]{2,}(?:\.[a-z][A-Za-z]+)?$/.test(span) && !span.endsWith('.ts'),
		);
		const missing = names.filter((name) => {
			const [first = '', member] = name.split('.');
			if (member === undefined) return !sources.some((source) => hasWord(source, first));
			return !sources.some((source) => hasWord(source, `class ${first}`) && hasWord(source, member));
		});
		expect(names.length).toBeGreaterThan(20);
		expect(missing).toEqual([]);
	});

	it('names scripts of package.json', () => {
		const { scripts } = JSON.parse(readProjectFile('package.json')) as { scripts: Record<string, string> };
		const named = [...page.matchAll(/npm run (\S+?)[\s`]/g)].map(([, name]) => name ?? '');
		expect(named).toContain('bench');
		expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
	});
});

describe('the picture', () => {
	const { steps, load } = plan();

	it('shows the leap that the engine plans, and what would limit it next', () => {
		// With C out of the way memory is next; with more of that, but not enough for E, the prompt of D.
		const withoutEnd = plan({ outputTokensOfC: 300 }).steps;
		const withoutBoth = plan({ outputTokensOfC: 300, numGpuBlocks: 200 }).steps;
		expect(picture).toContain(`one leap: ${steps} equal steps`);
		expect(picture).toContain(`step ${steps + 1}: the earliest`);
		expect(picture).toContain(`>step ${withoutEnd + 1}<`);
		expect(picture).toContain(`>step ${withoutBoth + 1}<`);
	});

	it('shows the context and the times of its steps', () => {
		const first = load.decodeContextTokens;
		const clock = new StepClock(COST, false);
		clock.reset(0);
		const { endUs } = clock.foresee(load, steps);
		const stepsBefore415Ms = Array.from({ length: steps }, (_, index) => endUs(index + 1)).filter(
			(timeUs) => timeUs < 415_000,
		).length;
		expect(picture).toContain(`${first} tokens`);
		expect(picture).toContain(`${first + load.decodeSequences * (steps - 1)} tokens`);
		expect(picture).toContain(`${Math.round(endUs(steps) / 1000)} ms`);
		expect(picture).toContain(`415 ms: ${stepsBefore415Ms} steps are over`);
		expect(endUs(steps)).toBeCloseTo(8250 * steps + 30 * steps * steps, 6);
		expect(picture).toContain('8.25 k + 0.03 k²');
	});
});

/** A, B and C decode, D has its first chunk, E does not fit; the next calls are planned. */
function plan({ outputTokensOfC = 101, numGpuBlocks = 120 } = {}) {
	const core = new LeapingCore({ ...CONFIG, numGpuBlocks });
	const batch = new StepBatch(CONFIG.maxNumSeqs);
	const submit = (id: string, promptTokens: number, outputTokens: number) =>
		core.submit(
			{ id, promptTokens, outputTokens, maxOutputTokens: outputTokens, endsByStop: true, priority: 0 },
			0,
		);
	const run = (steps: number) => {
		for (let step = 0; step < steps; step++) {
			core.schedule(batch);
			core.processOutput(batch);
		}
	};
	submit('A', 16, 300);
	run(14);
	submit('B', 12, 250);
	run(13);
	submit('C', 9, outputTokensOfC);
	run(28);
	submit('D', 1600, 50);
	submit('E', 3900, 50);
	run(1);
	const leap = core.planLeap(Number.POSITIVE_INFINITY);
	if (leap === null || core.runningCount !== 4 || core.waitingCount !== 1)
		throw new Error('not the situation of the picture');
	return leap;
}

const CONFIG: Omit<EngineConfig, 'numGpuBlocks'> = {
	blockSize: 16,
	maxNumSeqs: 8,
	maxNumBatchedTokens: 256,
	maxModelLen: 4096,
	longPrefillTokenThreshold: 16,
	// F may overtake E, so its arrival cuts the leap.
	policy: 'priority',
	asyncScheduling: false,
	watermark: 0,
	reserveFullIsl: true,
	prefixCaching: false,
};

const COST: StepCost = {
	hostUs: 1000,
	hostPerSequenceUs: 0,
	baseUs: 4000,
	perTokenOverKneeUs: 0,
	kneeTokens: 0,
	perDecodeSequenceUs: 0,
	perContextTokenUs: 20,
	perPrefillTokenSquaredUs: 0,
	allReduceUs: 0,
};
