/** Why a file could not be read, as it stands after "got". */
export function fileTrouble(error: unknown): string {
	const { code, message } = error as NodeJS.ErrnoException;
	const words = { ENOENT: 'no such file', EISDIR: 'a folder', EACCES: 'a file that may not be read' }[
		code ?? ''
	];
	return words ?? message;
}
