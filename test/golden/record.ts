/**
 * Checks the engine model against the scheduler of the installed vLLM, and carries a few of the recordings in `recorded/`:
 * `node -r ts-node/register test/golden/record.ts [SMALL [MEDIUM]]`, so many seeds of each size. README.md says more.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseTrace, replayTrace } from '../../sim/engine/index.ts';
import { installVllm } from '../vllm/installation.ts';
import { type Candidate, pickRecordings } from './pick.ts';

const CARRIED = 36;
const recorded = path.join(__dirname, 'recorded');
const run = promisify(execFile);

async function main(): Promise<void> {
	const [small = 300, medium = 20] = process.argv.slice(2).map(Number);
	const python = await installVllm((line) => console.error(line));
	const scratch = mkdtempSync(path.join(os.tmpdir(), 'mosaic-golden-'));
	const record = async (name: string, ...args: string[]): Promise<readonly Candidate[]> => {
		const file = path.join(scratch, `${name}.jsonl.gz`);
		const script = path.join(__dirname, 'record.py');
		await run(python, [script, file, ...args], { maxBuffer: 2 ** 26 });
		return readTraces(file);
	};
	try {
		const smallOnes = await record('small', '--size', 'small', '--seeds', `0:${small}`);
		const mediumOnes = await record('medium', '--size', 'medium', '--seeds', `0:${medium}`);
		const engine = (JSON.parse(smallOnes[0]?.line ?? '{}') as { readonly engine: string }).engine;
		const agrees = replayAll([...smallOnes, ...mediumOnes], engine);
		for (const file of readdirSync(recorded)) {
			const earlier = path.join(recorded, file);
			compare(file, readTraces(earlier), await record(`again-${file}`, '--again', earlier), engine);
		}
		const picked = pickRecordings(smallOnes, CARRIED);
		const target = path.join(recorded, `${engine.replace(' ', '-')}.jsonl.gz`);
		writeFileSync(target, gzipSync(`${picked.map(({ line }) => line).join('\n')}\n`, { level: 9 }));
		console.log(`${picked.length} of the small ones written to ${path.relative(process.cwd(), target)}`);
		if (!agrees) process.exitCode = 3;
	} finally {
		rmSync(scratch, { recursive: true });
	}
}

function readTraces(file: string): readonly Candidate[] {
	const lines = gunzipSync(readFileSync(file)).toString('utf8').trimEnd().split('\n');
	return lines.map((line, index) => ({
		line,
		trace: parseTrace(line, `${path.basename(file)}:${index + 1}`),
	}));
}

/** @returns whether the model did in all of them what vLLM did */
function replayAll(candidates: readonly Candidate[], engine: string): boolean {
	let agrees = true;
	for (const mode of ['stepwise', 'leaping'] as const) {
		let steps = 0;
		const mismatches = candidates.flatMap(({ trace }) => {
			const result = replayTrace(trace, mode);
			steps += result.steps;
			return result.mismatch === null ? [] : [`${trace.name}: ${JSON.stringify(result.mismatch)}`];
		});
		console.log(
			`${engine}, model ${mode}: ${candidates.length} traces, ${steps} steps, ${mismatches.length} mismatches`,
		);
		for (const mismatch of mismatches.slice(0, 5)) console.log(`  ${mismatch}`);
		if (mismatches.length > 0) agrees = false;
	}
	return agrees;
}

/** Whether this vLLM still does what the one did that was recorded. */
function compare(
	file: string,
	before: readonly Candidate[],
	now: readonly Candidate[],
	engine: string,
): void {
	const stepsOf = ({ trace }: Candidate): string => JSON.stringify(trace.steps);
	const changed = before.filter((each, index) => {
		const again = now[index];
		return again === undefined || stepsOf(each) !== stepsOf(again);
	});
	const names = changed.slice(0, 5).map(({ trace }) => trace.name);
	const verdict =
		changed.length === 0
			? `does the same in all ${before.length} traces`
			: `does otherwise in ${changed.length} of ${before.length} traces: ${names.join(', ')}`;
	console.log(`${file}: ${engine} ${verdict}`);
}

void main();
