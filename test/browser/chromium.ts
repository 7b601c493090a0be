import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of a browser on this machine (`CHROMIUM` names another place), or undefined. */
export const chromium: string | undefined = [process.env.CHROMIUM ?? '', ...PLACES].find((file) =>
	existsSync(file),
);

/**
 * Opens a local page without a network and without a window.
 * @param windowSize pixels
 * @returns the document as it stands when its scripts have come to rest
 */
export function documentAfterScripts(file: string, windowSize: readonly [number, number]): string {
	const profile = mkdtempSync(path.join(tmpdir(), 'mosaic-chromium-'));
	try {
		const { status, stdout, stderr, error } = spawnSync(
			chromium ?? 'chromium',
			[
				...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', `--user-data-dir=${profile}`],
				...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
				// Nothing may come from anywhere but the file.
				'--host-resolver-rules=MAP * ~NOTFOUND',
				`--window-size=${windowSize.join(',')}`,
				// Timers run as fast as they can, for at most so many milliseconds of page time.
				'--virtual-time-budget=20000',
				...['--dump-dom', pathToFileURL(file).href],
			],
			{ encoding: 'utf8', timeout: 90_000, maxBuffer: 64 * 1024 * 1024 },
		);
		if (error !== undefined) throw error;
		if (status !== 0) throw new Error(`${chromium} ended with ${status}: ${stderr.slice(-2000)}`);
		return stdout;
	} finally {
		rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
	}
}
