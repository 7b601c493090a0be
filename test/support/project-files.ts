import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const repoRoot = path.resolve(__dirname, '../..');

/**
 * Files of the project, relative to its root with forward slashes, sorted: those that git tracks or would track, or, where
 * there is no git (an unpacked archive), all except the folders that .gitignore names.
 */
export function projectFiles(): readonly string[] {
	return (filesKnownToGit() ?? filesInFolder('', ignoredFolders())).toSorted();
}

export const readProjectFile = (file: string): string => readFileSync(path.join(repoRoot, file), 'utf8');

function filesKnownToGit(): readonly string[] | undefined {
	try {
		const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
			cwd: repoRoot,
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'ignore'],
		});
		const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: repoRoot, encoding: 'utf8' });
		const gone = new Set(deleted.split('\0'));
		return output.split('\0').filter((file) => file !== '' && !gone.has(file));
	} catch {
		return undefined;
	}
}

function ignoredFolders(): ReadonlySet<string> {
	const lines = readProjectFile('.gitignore').split('\n');
	const folders = lines.filter((line) => line.endsWith('/')).map((line) => line.replaceAll('/', ''));
	return new Set(['.git', ...folders]);
}

function filesInFolder(folder: string, ignored: ReadonlySet<string>): string[] {
	return readdirSync(path.join(repoRoot, folder), { withFileTypes: true }).flatMap((entry) => {
		if (ignored.has(entry.name)) return [];
		const relative = path.posix.join(folder, entry.name);
		return entry.isDirectory() ? filesInFolder(relative, ignored) : [relative];
	});
}
