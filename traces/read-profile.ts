import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { assert } from '../sim/domain/errors.ts';
import {
	type EngineFile,
	engineFileSchema,
	type GpuFile,
	gpuFileSchema,
	type ModelRecord,
	modelsFileSchema,
	type PromptsFile,
	promptsFileSchema,
	type TaskFile,
	taskFileSchema,
} from './profile-schema.ts';

const root = path.join(__dirname, 'profiles');

/** The bundled profiles, read once. A name that is not bundled gives undefined; the `...Names` list what is. */
export const modelRecords = once(
	(): Readonly<Record<string, ModelRecord>> => read('models', modelsFileSchema).models,
);
export const promptsFile = once((): PromptsFile => read('prompts', promptsFileSchema));

const gpuFile = byName('gpus', gpuFileSchema);
const engineFile = byName('engines', engineFileSchema);
const taskFile = byName('tasks', taskFileSchema);

export const gpuProfile = (type: string): GpuFile | undefined => gpuFile(type);
export const engineProfile = (name: string): EngineFile | undefined => engineFile(name);
export const taskProfile = (task: string): TaskFile | undefined => taskFile(task);

export const gpuTypeNames = (): readonly string[] => names('gpus');
export const engineProfileNames = (): readonly string[] => names('engines');
export const taskNames = (): readonly string[] => names('tasks');

function names(folder: string): readonly string[] {
	return readdirSync(path.join(root, folder))
		.filter((file) => file.endsWith('.json'))
		.map((file) => file.slice(0, -'.json'.length))
		.sort();
}

function byName<S extends z.ZodType>(folder: string, schema: S): (name: string) => z.infer<S> | undefined {
	const known = new Map<string, z.infer<S>>();
	return (name) => {
		if (!known.has(name) && names(folder).includes(name)) known.set(name, read(`${folder}/${name}`, schema));
		return known.get(name);
	};
}

function once<T>(make: () => T): () => T {
	let value: T | undefined;
	return () => {
		value ??= make();
		return value;
	};
}

function read<S extends z.ZodType>(name: string, schema: S): z.infer<S> {
	const parsed = schema.safeParse(JSON.parse(readFileSync(path.join(root, `${name}.json`), 'utf8')));
	assert(
		parsed.success,
		`bundled profile ${name}: ${parsed.error?.issues[0]?.path.join('.')} ${parsed.error?.issues[0]?.message}`,
	);
	return parsed.data;
}
