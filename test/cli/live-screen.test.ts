import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeArguments } from '../../sim/cli/arguments.ts';
import type { Io } from '../../sim/cli/io.ts';
import { startScreen } from '../../sim/cli/live-screen.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start(values: Readonly<Record<string, unknown>>, isTerminal: boolean) {
	const written: string[] = [];
	const sink = { write: (text: string) => written.push(text) };
	const terminal = isTerminal ? { ...sink, columns: 40, rows: 10 } : null;
	let frame = 0;
	const draw = vi.fn((width: number, height: number) => [`${width}x${height}`, `frame ${++frame}`]);
	const io = { stderr: sink, terminal } as unknown as Io;
	return { written, draw, screen: startScreen(draw, makeArguments([], values), io) };
}

it('draws four times a second, each time over the lines before', () => {
	const { written, draw, screen } = start({}, true);
	vi.advanceTimersByTime(1000);
	expect(draw).toHaveBeenCalledTimes(4);
	expect(written.slice(0, 2)).toEqual(['40x9\nframe 1\n', '\x1b[2F\x1b[J40x9\nframe 2\n']);
	screen.say('something happened\n');
	expect(written.slice(4)).toEqual(['\x1b[2F\x1b[J', 'something happened\n']);
	vi.advanceTimersByTime(250);
	// Below what was said: nothing of it is wiped.
	expect(written.at(-1)).toBe('40x9\nframe 5\n');
	screen.stop();
	expect(written.at(-1)).toBe('\x1b[2F\x1b[J');
	vi.advanceTimersByTime(1000);
	expect(draw).toHaveBeenCalledTimes(5);
});

it.each([
	[{}, false],
	[{ quiet: true }, true],
])('draws nothing with %j, terminal: %s', (values, isTerminal) => {
	const { written, draw, screen } = start(values, isTerminal);
	vi.advanceTimersByTime(1000);
	screen.say('something happened\n');
	screen.stop();
	expect(draw).not.toHaveBeenCalled();
	expect(written).toEqual(['something happened\n']);
});
