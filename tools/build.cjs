// Builds the program: `node tools/build.cjs [--out DIR] [--unchecked]` (default: dist, with types checked). Compiles the product without its tests, and
// puts every file that is read at run time (profiles, workloads, page templates) where the compiled code looks for it.
const { execFileSync } = require('node:child_process');
const { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const repoRoot = path.resolve(__dirname, '..');
const roomsWithAssets = ['sim', 'solver', 'traces', 'live', 'notebooks'];
const notAssets = new Set(['.ts', '.md', '.ipynb']);

const { values } = parseArgs({
	options: { out: { type: 'string', default: 'dist' }, unchecked: { type: 'boolean', default: false } },
});
const outDir = path.resolve(repoRoot, values.out);
// The folder is emptied first, so it must not hold sources.
const fromRepo = path.relative(repoRoot, outDir);
const fromOut = path.relative(outDir, repoRoot);
if ((!fromRepo.startsWith('..') && fromRepo !== 'dist') || !fromOut.startsWith('..')) {
	console.error(`--out: expected dist or a folder outside the checkout, got '${values.out}'`);
	process.exit(2);
}

rmSync(outDir, { recursive: true, force: true });
compile();
for (const room of roomsWithAssets) copyAssets(room);
chmodSync(path.join(outDir, 'sim/cli/main.js'), 0o755);

function compile() {
	const tsc = require.resolve('typescript/bin/tsc');
	const options = [
		'-p',
		path.join(repoRoot, 'tsconfig.build.json'),
		'--outDir',
		outDir,
		...(values.unchecked ? ['--noCheck'] : []),
	];
	try {
		execFileSync(process.execPath, [tsc, ...options], { stdio: 'inherit' });
	} catch (error) {
		process.exit(error.status ?? 1);
	}
}

function copyAssets(folder) {
	for (const entry of readdirSync(path.join(repoRoot, folder), { withFileTypes: true })) {
		const relative = path.join(folder, entry.name);
		if (entry.isDirectory()) copyAssets(relative);
		else if (!notAssets.has(path.extname(entry.name))) {
			mkdirSync(path.join(outDir, folder), { recursive: true });
			copyFileSync(path.join(repoRoot, relative), path.join(outDir, relative));
		}
	}
}
