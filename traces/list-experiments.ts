import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export interface BundledExperiment {
	readonly name: string;
	readonly description: string;
	readonly file: string;
}

const folder = path.join(__dirname, 'data');

/** The experiments that come with the program, by name. */
export function listExperiments(): readonly BundledExperiment[] {
	return experimentNames().map((name) => {
		const file = bundledFile(name);
		const { description } = parse(readFileSync(file, 'utf8')) as { description?: string };
		return { name, description: description ?? '', file };
	});
}

export const experimentNames = (): readonly string[] =>
	readdirSync(folder)
		.filter((file) => file.endsWith('.yaml'))
		.map((file) => file.slice(0, -'.yaml'.length))
		.sort();

export const bundledFile = (name: string): string => path.join(folder, `${name}.yaml`);
