#!/usr/bin/env node
import { EXIT } from './exit.ts';
import { processIo } from './io.ts';
import { runProgram } from './program.ts';

void runProgram(process.argv.slice(2), processIo()).then((code) => {
	// A solver given up in the middle would keep the process alive until it is done.
	if (code === EXIT.interrupted) process.exit(code);
	// Otherwise the code is set, not forced: output still on its way into a pipe is written before the process ends.
	process.exitCode = code;
});
