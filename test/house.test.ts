import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
	clockBreaches,
	importBreaches,
	loadedPackages,
	machineBreaches,
	type SourceFile,
	unfinishedTestBreaches,
} from './support/house-rules.ts';
import { projectFiles, readProjectFile, repoRoot } from './support/project-files.ts';
import { itShared } from './support/shared.ts';

const files = projectFiles();
const sources: readonly SourceFile[] = files
	.filter((file) => file.endsWith('.ts'))
	.map((file) => ({ file, text: readProjectFile(file) }));
const isTest = (file: string): boolean => file.startsWith('test/');

/** The top level that the user fixed, what documents it, and what tools look for there. */
const topLevel = new Set([
	...['sim', 'solver', 'traces', 'notebooks', 'live', 'test', 'package.json', 'tsconfig.json'],
	...['README.md', 'CHANGELOG.md', 'LICENSE', 'docs'],
	...['.ci', '.github', '.gitignore', '.gitattributes', 'tools', 'package-lock.json', 'tsconfig.build.json'],
	...['biome.json', 'knip.json', 'vitest.config.mts'],
]);

const MAX_DATA_FILE_BYTES = 200_000;

describe('the house', () => {
	it('keeps the import arrows', () => {
		expect(sources.filter(({ file }) => !isTest(file)).flatMap(importBreaches)).toEqual([]);
	});

	it('reads no clock and draws no unseeded number where results must reproduce', () => {
		expect(sources.flatMap(clockBreaches)).toEqual([]);
	});

	it('leaves no test that runs alone or never', () => {
		expect(sources.flatMap(unfinishedTestBreaches)).toEqual([]);
	});

	it('names no path of a machine and no host that packages came from', () => {
		const text = files.filter((file) => !/\.(?:png|gz)$/.test(file));
		expect(text.flatMap((file) => machineBreaches({ file, text: readProjectFile(file) }))).toEqual([]);
	});

	it('has the top level that the user fixed', () => {
		const present = new Set(files.map((file) => file.split('/')[0] ?? ''));
		expect([...present].filter((entry) => !topLevel.has(entry))).toEqual([]);
		const rooms = ['sim', 'solver', 'traces', 'notebooks', 'live', 'test', 'package.json', 'tsconfig.json'];
		expect(rooms.filter((room) => !present.has(room))).toEqual([]);
	});

	it.each(['heap-js', 'seedrandom', 'highs', 'yargs', 'vega-lite'])(
		'puts %s to work in the product',
		(name) => {
			const users = sources.filter((source) => !isTest(source.file) && loadedPackages(source).includes(name));
			expect(users.map(({ file }) => file)).not.toEqual([]);
		},
	);

	it('runs the checkout by ts-node', () => {
		const { scripts } = JSON.parse(readProjectFile('package.json')) as { scripts: Record<string, string> };
		expect(scripts.start).toContain('ts-node/register');
		expect(scripts.mosaic).toContain('ts-node/register');
	});

	it('ships only small data files', () => {
		const data = files.filter((file) => /^(?:traces|test)\//.test(file));
		const large = data.filter((file) => statSync(path.join(repoRoot, file)).size > MAX_DATA_FILE_BYTES);
		expect(large).toEqual([]);
	});

	for (const questions of ['aime24', 'gpqa', 'medmcqa', 'mmlu_pro']) {
		itShared(`data/questions_${questions}.jsonl`, `ships no question text of ${questions}`, (file) => {
			const openings = questionTexts(readFileSync(file, 'utf8')).map((text) => text.slice(0, 60));
			const shipped = files.filter((name) => /\.(?:ts|json|jsonl|yaml|csv|md|ipynb)$/.test(name));
			const texts = shipped.map((name) => [name, readProjectFile(name)] as const);
			const found = texts.filter(([, text]) => openings.some((opening) => text.includes(opening)));
			expect(found.map(([name]) => name)).toEqual([]);
		});
	}
});

/** Texts of 60 characters and more in a question file, plain or, as the fields named `..._b64` are, encoded. */
function questionTexts(jsonLines: string): readonly string[] {
	const rows = jsonLines.split('\n').filter((line) => line !== '');
	const fields = rows.flatMap((row) => Object.entries(JSON.parse(row) as Record<string, unknown>));
	const texts = fields.flatMap(([name, value]) => {
		if (typeof value !== 'string') return [];
		return name.endsWith('_b64') ? [value, Buffer.from(value, 'base64').toString('utf8')] : [value];
	});
	return texts.filter((text) => text.length >= 60);
}

describe('every rule of the house can be broken', () => {
	const source = (file: string, ...lines: readonly string[]): SourceFile => ({
		file,
		text: lines.join('\n'),
	});

	it.each([
		['sim/domain/a.ts', "import { b } from '../core/b.ts';"],
		['sim/domain/a.ts', "import seedrandom from 'seedrandom';"],
		['sim/core/a.ts', "import type { B } from '../run/b.ts';"],
		['sim/engine/a.ts', "import { type B } from '../core/b.ts';"],
		['sim/aggregate/a.ts', "export { b } from '../report/b.ts';"],
		['sim/aggregate/a.ts', "export * from '../../solver/index.ts';"],
		['sim/run/a.ts', "import '../../solver/index.ts';"],
		['sim/run/a.ts', "const b = await import('../../live/b.ts');"],
		['sim/report/a.ts', "const b = require('../run/b.ts');"],
		['sim/report/a.ts', "type B = import('../core/b.ts').B;"],
		['sim/study/a.ts', "import { b } from '../../traces/index.ts';"],
		['sim/other/a.ts', ''],
		['solver/a.ts', "import { b } from '../sim/core/b.ts';"],
		['solver/a.ts', "import type { Truth } from '../sim/domain/truth.ts';"],
		['solver/ilp/a.ts', "import type { Setup } from '../../sim/domain/setup.ts';"],
		['traces/a.ts', "import { b } from '../sim/core/view.ts';"],
		['live/a.ts', "import { b } from '../sim/run/b.ts';"],
		['live/a.ts', "import { b } from '../sim/engine/b.ts';"],
		['notebooks/a.ts', "import { b } from '../sim/cli/b.ts';"],
		['sim/report/a.ts', "import * as vega from 'vega';"],
		['sim/report/a.ts', "const { compile } = require('vega-lite');"],
	])('%s: %s', (file, text) => {
		expect(importBreaches({ file, text })).toHaveLength(1);
	});

	it.each([
		['sim/domain/a.ts', "import type { B } from './b.ts';"],
		['sim/core/a.ts', "import { b } from '../domain/b.ts';"],
		['sim/cli/a.ts', "import { createScheduler } from '../../solver/index.ts';"],
		['traces/a.ts', "import { randomStream } from '../sim/core/random.ts';"],
		['live/emulator/a.ts', "import { b } from '../../sim/engine/b.ts';"],
		['sim/report/a.ts', "import type { View } from 'vega';"],
		['sim/report/a.ts', "const { compile } = await import('vega-lite');"],
		['sim/report/a.ts', "const file = require.resolve('vega-embed');"],
		['test/a.test.ts', "import { b } from '../sim/cli/b.ts';"],
	])('%s may say %s', (file, text) => {
		expect(importBreaches({ file, text })).toEqual([]);
	});

	it('says where an import breaks the rule', () => {
		const broken = source('solver/a.ts', '', "import { b } from '../sim/core/b.ts';");
		expect(importBreaches(broken)).toEqual(['solver/a.ts:2: solver must not import sim/core/b.ts']);
	});

	it.each([
		'const t = Date.now();',
		'const clock = performance.now;',
		'const r = Math.random();',
		'const d = new Date();',
		'const d = Date();',
		'const t = process.hrtime.bigint();',
		"import { randomUUID } from 'node:crypto';",
	])('clocks: %s', (text) => {
		for (const file of ['sim/run/a.ts', 'solver/a.ts', 'traces/a.ts'])
			expect(clockBreaches({ file, text })).toHaveLength(1);
		for (const file of ['sim/cli/a.ts', 'live/a.ts', 'test/a.test.ts'])
			expect(clockBreaches({ file, text })).toEqual([]);
	});

	it('takes a clock only for a clock in code', () => {
		const text = "// no Date.now here\nconst name = 'Math.random'; const d = new Date(0);";
		expect(clockBreaches({ file: 'sim/run/a.ts', text })).toEqual([]);
	});

	it('sees tests that run alone or never', () => {
		const text = "it.only('a', run); describe.todo('b'); it.skip.only('c', run); it('d', run);";
		expect(unfinishedTestBreaches({ file: 'test/a.test.ts', text })).toHaveLength(3);
	});

	it.each(['work', 'root', 'home', 'tmp'])('sees a path below /%s', (folder) => {
		for (const text of [`see /${folder}/a`, `'/${folder}'`, `file:///${folder}/a`])
			expect(machineBreaches({ file: 'docs/a.md', text })).toHaveLength(1);
		for (const text of [`dist/${folder}/a`, `https://${folder}.example`, `/${folder}-x`, `./${folder}/a`])
			expect(machineBreaches({ file: 'docs/a.md', text })).toEqual([]);
	});

	it('sees hosts that packages came from', () => {
		const url = (host: string): string => `"resolved": "https:/${''}/${host}/a.tgz"`;
		const other = ['mirror', 'example', 'org'].join('.');
		expect(machineBreaches({ file: '.ci/run', text: url(other) })).toHaveLength(1);
		expect(machineBreaches({ file: 'package-lock.json', text: url('packages.example.org') })).toHaveLength(1);
		expect(machineBreaches({ file: 'package-lock.json', text: '"resolved": "file:../a"' })).toEqual([]);
	});

	it('does not take a type for a package at work', () => {
		expect(loadedPackages(source('a.ts', "import type { Highs } from 'highs';"))).toEqual([]);
		expect(loadedPackages(source('a.ts', "const highs = await import('highs');"))).toEqual(['highs']);
		expect(loadedPackages(source('a.ts', "import { x } from '@scope/name/inner';"))).toEqual(['@scope/name']);
	});
});
