import type { Summary } from '../report/summary.ts';
import { executeRun, type RunRequest } from './execute-run.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { type KeepRequest, keepRun } from './keep-run.ts';

export type WriteRequest = RunRequest & Pick<KeepRequest, 'folder' | 'now' | 'stderr'>;

/** Simulates one run into its folder. */
export async function writeRun(request: WriteRequest): Promise<Summary> {
	return keepRun({
		...request,
		world: 'simulated',
		execute: (onRecord) => executeRun({ ...request, onRecord }),
		isDiscardable: () => true,
	});
}

/** Exit code of a run that went through. */
export function exitCodeOf(summary: Summary): ExitCode {
	if (summary.status === 'interrupted') return EXIT.interrupted;
	return summary.calls.failed > 0 ? EXIT.beyondLimit : EXIT.done;
}
