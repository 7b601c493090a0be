import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { makeArguments } from '../../sim/cli/arguments.ts';
import type { Io } from '../../sim/cli/io.ts';
import { startProgress } from '../../sim/cli/progress.ts';

/** What is said on stderr, and what is drawn on the terminal where there is one. */
function watch(options: { readonly terminal: boolean; readonly quiet: boolean }) {
	let said = '';
	let drawn = '';
	const terminal = Object.assign(
		new Writable({
			write(bytes, _encoding, done) {
				drawn += bytes;
				done();
			},
		}),
		{ isTTY: true, columns: 100 },
	);
	const io: Io = {
		stdout: { write: () => undefined },
		stderr: {
			write(text) {
				said += text;
			},
		},
		terminal: options.terminal ? terminal : null,
		clockSeconds: () => 0,
		now: () => new Date(0),
		cwd: '.',
		env: {},
		signal: new AbortController().signal,
	};
	const progress = startProgress('running', 4, makeArguments([], { quiet: options.quiet }), io);
	progress.update(2, 'half of it');
	progress.update(3, 'more', 6);
	progress.stop();
	return { said, drawn };
}

it('draws a bar on a terminal', () => {
	const { said, drawn } = watch({ terminal: true, quiet: false });
	expect(said).toBe('running\n');
	expect(drawn).toContain('0/4');
});

it('says one line where nobody watches', () => {
	expect(watch({ terminal: false, quiet: false })).toEqual({ said: 'running\n', drawn: '' });
});

it('says nothing with --quiet', () => {
	expect(watch({ terminal: true, quiet: true })).toEqual({ said: '', drawn: '' });
});
