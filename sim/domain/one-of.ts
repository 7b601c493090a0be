/** What may stand there, for messages: `one of 1, 2, 4`, and where there is no choice the one thing alone, or `none`. */
export function oneOf(known: readonly (string | number)[]): string {
	if (known.length > 1) return `one of ${known.join(', ')}`;
	return String(known[0] ?? 'none');
}
