/**
 * Commands of a Markdown text: the lines of its fenced `sh` blocks, in order, without comments and without a leading prompt.
 * A line that ends in a backslash goes on in the next.
 */
export function readmeCommands(markdown: string): readonly string[] {
	const commands: string[] = [];
	for (const block of markdown.matchAll(/^```sh\n(.*?)^```$/gms)) {
		const lines = (block[1] ?? '').replaceAll(/\\\n\s*/g, '').split('\n');
		for (const line of lines) {
			const command = line
				.replace(/^\$ /, '')
				.replace(/\s+#\s.*$/, '')
				.trim();
			if (command !== '' && !command.startsWith('#')) commands.push(command);
		}
	}
	return commands;
}

/**
 * Splits what is joined by `&&`, and drops what fetches or tests the project itself: whoever runs the tests has done that.
 * @returns parts that a test can run, in order
 */
export function runnableParts(command: string): readonly string[] {
	const parts = command.split('&&').map((part) => part.trim());
	return parts.filter((part) => !/^(?:git clone|cd|npm ci|npm test)\b/.test(part));
}
