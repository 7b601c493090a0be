import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { jsonText } from './json-text.ts';

/** Format number in status.json. */
export const RUN_FOLDER_FORMAT = 1;
export const STATUS_FILE = 'status.json';

/** status.json: the one file of a run folder that carries dates. */
export interface RunStatus {
	readonly format: typeof RUN_FOLDER_FORMAT;
	readonly kind: 'run' | 'comparison' | 'report' | 'profile';
	/** `running` in a folder that nobody writes to any more: the process was killed. */
	readonly state: 'running' | EndState;
	/** What was typed after `mosaic`. */
	readonly command: readonly string[];
	readonly version: string;
	/** ISO 8601. */
	readonly startedAt: string;
	/** ISO 8601; null while running. */
	readonly endedAt: string | null;
}

export type EndState = 'complete' | 'interrupted' | 'failed';

/** Undefined without a status file, or with one that cannot be read. */
export function readStatus(folder: string): RunStatus | undefined {
	try {
		return JSON.parse(readFileSync(path.join(folder, STATUS_FILE), 'utf8')) as RunStatus;
	} catch {
		return undefined;
	}
}

export function endStatus(folder: string, state: EndState, endedAt: Date): void {
	changeStatus(folder, { state, endedAt: endedAt.toISOString() });
}

/** A run that was interrupted or killed goes on. */
export function restartStatus(folder: string): void {
	changeStatus(folder, { state: 'running', endedAt: null });
}

function changeStatus(folder: string, change: Pick<RunStatus, 'state' | 'endedAt'>): void {
	writeFileAtomically(path.join(folder, STATUS_FILE), jsonText({ ...readStatus(folder), ...change }));
}

const RUN_FILES = [STATUS_FILE, 'summary.json', 'events.jsonl', 'events.jsonl.partial'];

/** Whether a path is the folder of a run or of a comparison, rather than an experiment or anything else. */
export const isRunFolder = (folder: string): boolean =>
	existsSync(folder) &&
	statSync(folder).isDirectory() &&
	RUN_FILES.some((name) => existsSync(path.join(folder, name)));
