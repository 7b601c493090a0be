import { readFileSync } from 'node:fs';
import path from 'node:path';
import { assert } from '../domain/errors.ts';

/** Version in package.json, which lies two folders up in a checkout and three in the built program. */
export function programVersion(): string {
	let folder = __dirname;
	for (let up = 0; up < 4; up++) {
		folder = path.dirname(folder);
		const version = versionIn(path.join(folder, 'package.json'));
		if (version !== undefined) return version;
	}
	assert(false, `no package.json above ${__dirname}`);
}

function versionIn(file: string): string | undefined {
	try {
		return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version;
	} catch {
		return undefined;
	}
}
