import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { RealServer } from './real-server.ts';

/** test/live/fixtures/vllm-VERSION, for what this server runs. */
export async function fixtureFolder({ baseUrl }: Pick<RealServer, 'baseUrl'>): Promise<string> {
	const { version } = (await (await fetch(`${baseUrl}/version`)).json()) as { version: string };
	const folder = path.resolve(__dirname, '../live/fixtures', `vllm-${version}`);
	mkdirSync(folder, { recursive: true });
	return folder;
}

export function writeJson(folder: string, name: string, content: unknown): void {
	writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(content, null, '\t')}\n`);
}

/** As the linter wants its JSON. */
export function format(folder: string): void {
	const biome = require.resolve('@biomejs/biome/bin/biome');
	execFileSync(process.execPath, [biome, 'format', '--write', folder], { stdio: 'inherit' });
}
