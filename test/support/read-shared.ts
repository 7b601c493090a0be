import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** Text of a file, packed or not. */
export const readShared = (file: string): string => {
	const bytes = readFileSync(file);
	return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
};
