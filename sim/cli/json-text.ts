/** The text of every JSON file of a run folder, and of `--json`. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
