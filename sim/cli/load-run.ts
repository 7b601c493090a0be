import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../domain/errors.ts';
import type { RunRecord, RunStarted } from '../domain/run-log.ts';
import { RUN_LOG_FORMAT } from '../domain/run-log.ts';
import { type Summary, summarize } from '../report/summary.ts';
import { RUN_FOLDER_FORMAT } from './run-status.ts';

/** A finished or interrupted run, from its folder. */
export interface LoadedRun {
	/** As the user named it. */
	readonly name: string;
	readonly summary: Summary;
	/** Empty when only the summary was kept. */
	readonly records: readonly RunRecord[];
	/** Null when only the summary was kept. */
	readonly world: RunStarted['world'] | null;
}

const LOG_FILE = 'events.jsonl';
const SUMMARY_FILE = 'summary.json';

/**
 * Everything from the log alone, so that runs of older versions meet today's arithmetic. Without a log its summary is taken.
 * @param name what to call it in messages and tables
 * @throws UsageError E_NOT_A_RUN when there is neither, E_RUN_FORMAT when a file is of another format or broken
 */
export function loadRun(folder: string, name = folder): LoadedRun {
	if (existsSync(path.join(folder, LOG_FILE))) return loadLog(folder, name);
	if (existsSync(path.join(folder, SUMMARY_FILE))) {
		return { name, summary: loadSummary(folder, name), records: [], world: null };
	}
	const killed = existsSync(path.join(folder, `${LOG_FILE}.partial`));
	throw notARun(name, killed ? 'one whose run was killed before it ended' : `one without ${LOG_FILE}`);
}

/** @throws UsageError as loadRun; also when only a summary is left */
export function loadLog(folder: string, name = folder): LoadedRun & { readonly started: RunStarted } {
	const file = path.join(folder, LOG_FILE);
	const shown = path.join(name, LOG_FILE);
	if (!existsSync(file)) throw notARun(name, `one without ${LOG_FILE}`);
	const records = readFileSync(file, 'utf8')
		.split('\n')
		.flatMap((line, index) => (line === '' ? [] : [parseRecord(line, `${shown}:${index + 1}`)]));
	const [started] = records;
	if (started?.type !== 'run-started') {
		throw wrongFormat(`${shown}:1`, 'a run-started record', started?.type ?? 'an empty file');
	}
	if (started.format !== RUN_LOG_FORMAT) {
		throw wrongFormat(`${shown}:1`, `format ${RUN_LOG_FORMAT}`, String(started.format));
	}
	if (records.at(-1)?.type !== 'run-ended') {
		throw wrongFormat(`${shown}:${records.length}`, 'a run-ended record at the end', 'none');
	}
	return { name, summary: summarize(records), records, world: started.world, started };
}

function loadSummary(folder: string, name: string): Summary {
	const where = path.join(name, SUMMARY_FILE);
	const summary = parseJson(readFileSync(path.join(folder, SUMMARY_FILE), 'utf8'), where) as Partial<Summary>;
	if (summary.format !== RUN_FOLDER_FORMAT) {
		throw wrongFormat(where, `format ${RUN_FOLDER_FORMAT}`, String(summary.format));
	}
	if (summary.makespanSeconds === undefined)
		throw notARun(name, 'the folder of a comparison; its runs are under runs/');
	return summary as Summary;
}

/** Folders of the single runs inside the folder of a comparison, in the order of their names; not those that were killed. */
export function runFoldersInside(folder: string): string[] {
	const inside = path.join(folder, 'runs');
	if (!existsSync(inside)) return [];
	return readdirSync(inside)
		.sort()
		.flatMap((cell) => readdirSync(path.join(inside, cell)).map((seed) => path.join(inside, cell, seed)))
		.filter((run) => [LOG_FILE, SUMMARY_FILE].some((file) => existsSync(path.join(run, file))));
}

function parseRecord(line: string, where: string): RunRecord {
	const record = parseJson(line, where) as Partial<RunRecord> | null;
	if (typeof record?.type !== 'string')
		throw wrongFormat(where, 'a run-log record', `'${line.slice(0, 60)}'`);
	return record as RunRecord;
}

function parseJson(text: string, where: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw wrongFormat(where, 'JSON', `'${text.trim().slice(0, 60)}'`);
	}
}

const wrongFormat = (where: string, expected: string, got: string): UsageError =>
	new UsageError('E_RUN_FORMAT', `${where}: expected ${expected}, got ${got}`);

const notARun = (name: string, got: string): UsageError =>
	new UsageError('E_NOT_A_RUN', `${name}: expected the folder of a run that has ended, got ${got}`);
