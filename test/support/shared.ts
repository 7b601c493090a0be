import { existsSync } from 'node:fs';
import path from 'node:path';
import { it } from 'vitest';

const sharedRoot = process.env.MOSAIC_SHARED ?? path.resolve(__dirname, '../../../shared');

/** Path of a file in the shared data folder, or undefined where that folder is not present. */
export function sharedPath(relative: string): string | undefined {
	const full = path.join(sharedRoot, relative);
	return existsSync(full) ? full : undefined;
}

/** A test on shared data: runs where `relative` exists; elsewhere it is skipped and its name says why. */
export function itShared(relative: string, name: string, run: (file: string) => Promise<void> | void): void {
	const file = sharedPath(relative);
	if (file === undefined) it.skip(`${name} (skipped: no ${relative}; set MOSAIC_SHARED)`, () => undefined);
	else it(name, () => run(file));
}
