import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { assert, UsageError } from '../domain/errors.ts';
import type { LineFile } from './atomic-file.ts';
import { openLineFile, writeFileAtomically } from './atomic-file.ts';
import { jsonText } from './json-text.ts';
import {
	endStatus,
	isRunFolder,
	RUN_FOLDER_FORMAT,
	type RunStatus,
	restartStatus,
	STATUS_FILE,
} from './run-status.ts';

export interface RunFolder {
	readonly path: string;
	/** @param name file, or `folder/file`, below this folder */
	write(name: string, content: string | Uint8Array): void;
	writeJson(name: string, value: unknown): void;
	openLines(name: string): LineFile;
	end(state: 'complete' | 'interrupted' | 'failed', endedAt: Date): void;
	/** Takes back everything in it, and the folders made for it: the run never began. */
	discard(): void;
}

export interface RunFolderRequest {
	/** From --out; absolute. Absent: a free name below `runsFolder`. */
	readonly out: string | undefined;
	readonly runsFolder: string;
	readonly defaultName: string;
	readonly kind: RunStatus['kind'];
	readonly command: readonly string[];
	readonly version: string;
	readonly startedAt: Date;
}

/**
 * Claims a folder, so that a second process or an earlier run is never written over.
 * @throws UsageError E_RUN_EXISTS when `out` already holds a run, E_OUT_FOLDER when it cannot be made or written
 */
export function createRunFolder(request: RunFolderRequest): RunFolder {
	const made: string[] = [];
	try {
		const folder =
			request.out === undefined
				? makeFreshFolder(request.runsFolder, portable(request.defaultName), made)
				: makeNamedFolder(request.out, made);
		return openFolder(folder, request, made);
	} catch (error) {
		removeEmpty(made);
		if (error instanceof UsageError) throw error;
		const { code, message } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		const wanted = request.out ?? path.join(request.runsFolder, request.defaultName);
		if (code === 'EEXIST' && request.out !== undefined) throw alreadyHeld(wanted);
		throw new UsageError(
			'E_OUT_FOLDER',
			`output folder ${wanted}: expected a folder that can be written, got ${message.replace(/,.*$/s, '')}`,
		);
	}
}

/** The folder of a run that goes on: its files are written anew, its status says that it runs. */
export function reopenRunFolder(folder: string): RunFolder {
	restartStatus(folder);
	return folderAt(folder, []);
}

/** A path as a person in `cwd` would type it. */
export function shownPath(file: string, cwd: string): string {
	const relative = path.relative(cwd, file);
	return relative.startsWith('..') ? file : relative;
}

/** Without what some file system refuses in names: a scheduler may be called `adaptive:all-cuts`. */
const portable = (name: string): string => name.replaceAll(/[<>:"|?*]/g, '_');

function makeFreshFolder(runsFolder: string, name: string, made: string[]): string {
	const parent = path.resolve(runsFolder);
	assert(path.dirname(path.resolve(parent, name)) === parent, `run folder '${name}' leads out of ${parent}`);
	makeFolders(runsFolder, made);
	for (let attempt = 1; ; attempt++) {
		const folder = path.join(runsFolder, attempt === 1 ? name : `${name}-${attempt}`);
		try {
			mkdirSync(folder);
			made.push(folder);
			return folder;
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
		}
	}
}

function makeNamedFolder(folder: string, made: string[]): string {
	if (existsSync(folder)) {
		if (!statSync(folder).isDirectory()) {
			throw new UsageError('E_OUT_FOLDER', `output folder ${folder}: expected a folder, got a file`);
		}
		const [first] = readdirSync(folder);
		if (isRunFolder(folder)) throw alreadyHeld(folder);
		// Nothing of the user's may ever be mistaken for ours.
		if (first !== undefined) {
			throw new UsageError(
				'E_OUT_FOLDER',
				`output folder ${folder}: expected an empty or new one, got one with ${first} in it`,
			);
		}
	}
	makeFolders(folder, made);
	return folder;
}

const alreadyHeld = (folder: string): UsageError =>
	new UsageError(
		'E_RUN_EXISTS',
		`output folder ${folder}: expected an empty or new one, got one that already holds a run`,
	);

function makeFolders(folder: string, made: string[]): void {
	if (existsSync(folder)) return;
	makeFolders(path.dirname(folder), made);
	try {
		mkdirSync(folder);
		made.push(folder);
	} catch (error) {
		// Another process was quicker.
		if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
	}
}

function openFolder(folder: string, request: RunFolderRequest, made: string[]): RunFolder {
	const { kind, command, version, startedAt } = request;
	const status: RunStatus = {
		format: RUN_FOLDER_FORMAT,
		kind,
		state: 'running',
		command,
		version,
		startedAt: startedAt.toISOString(),
		endedAt: null,
	};
	// 'wx': of two processes given the same --out, one gets it.
	writeFileSync(path.join(folder, STATUS_FILE), jsonText(status), { flag: 'wx' });
	return folderAt(folder, made);
}

/** @param made folders that `discard` takes back, outermost first */
function folderAt(folder: string, made: readonly string[]): RunFolder {
	const place = (name: string): string => {
		const file = path.join(folder, name);
		mkdirSync(path.dirname(file), { recursive: true });
		return file;
	};
	const write = (name: string, content: string | Uint8Array): void =>
		writeFileAtomically(place(name), content);
	return {
		path: folder,
		write,
		writeJson: (name, value) => write(name, jsonText(value)),
		openLines: (name) => openLineFile(place(name)),
		end: (state, endedAt) => endStatus(folder, state, endedAt),
		discard() {
			for (const name of readdirSync(folder)) rmSync(path.join(folder, name), { recursive: true });
			removeEmpty(made);
		},
	};
}

/** Innermost first; a folder that another process uses meanwhile stays. */
function removeEmpty(folders: readonly string[]): void {
	for (const folder of [...folders].reverse()) {
		if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
	}
}
