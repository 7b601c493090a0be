/**
 * Records how vLLM servers that cannot start say so, into test/live/fixtures/vllm-VERSION/failing-starts.json:
 * `node -r ts-node/register test/vllm/record-starts.ts`.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { MAX_MODEL_LEN, MODEL } from './body-cases.ts';
import { fixtureFolder, format, writeJson } from './fixture-files.ts';
import { installVllm, makeModels, vllmHome } from './installation.ts';
import { StartFailure, startRealServer } from './real-server.ts';

interface FailingStart {
	readonly name: string;
	readonly model: string;
	readonly extraArguments: readonly string[];
	readonly exitCode: number | null;
	/** Lines of the log that name an error, each once. */
	readonly errorLines: readonly string[];
	readonly lastLines: readonly string[];
}

const PORT = 8472;
const context = (tokens: number): readonly string[] => ['--max-model-len', String(tokens)];

async function main(): Promise<void> {
	const python = await installVllm();
	await makeModels(python, [MODEL]);
	const shared = { python, folder: vllmHome(), port: PORT, core: 0, developmentMode: false };
	const fail = async (
		name: string,
		model: string,
		extraArguments: readonly string[] = [],
	): Promise<FailingStart> => {
		try {
			await (await startRealServer({ ...shared, model, extraArguments })).stop();
		} catch (error) {
			if (!(error instanceof StartFailure)) throw error;
			const lines = error.log.trimEnd().split('\n').map(withoutFolders);
			const errorLines = [...new Set(lines.filter((line) => /\b[A-Z]\w+Error\b: /.test(line)))];
			const { exitCode } = error;
			return { name, model, extraArguments, exitCode, errorLines, lastLines: lines.slice(-15) };
		}
		throw new Error(`${name}: expected a server that does not start, got one that does`);
	};
	const failures = [
		await fail('no-such-model', 'nobody'),
		await fail('context-does-not-fit', MODEL, [...context(8192), '--kv-cache-memory-bytes', '1M']),
		await fail('memory-does-not-fit', MODEL, [...context(1024), '--kv-cache-memory-bytes', '900G']),
		await fail('sleep-mode-on-cpu', MODEL, ['--enable-sleep-mode']),
		await fail('unknown-flag', MODEL, ['--no-such-flag']),
	];
	const holder = createServer().listen(PORT, '127.0.0.1');
	await once(holder, 'listening');
	failures.push(await fail('port-in-use', MODEL).finally(() => holder.close()));

	const server = await startRealServer({ ...shared, model: MODEL, extraArguments: context(MAX_MODEL_LEN) });
	const folder = await fixtureFolder(server).finally(() => server.stop());
	writeJson(folder, 'failing-starts', failures);
	format(folder);
}

/** Paths keep only their last name. */
const withoutFolders = (line: string): string =>
	line.replace(/(?<![\w.:/])\/(?:[\w.+-]+\/)+(?=[\w.+-])/g, '');

void main();
