import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../domain/errors.ts';

/** What the files of a model say about it. */
export interface ModelFolder {
	/** Absolute. */
	readonly path: string;
	/** Name of the folder, as far as it may stand in a model id. */
	readonly id: string;
	readonly weightBytes: number;
	/** A folder without weights is served with random ones. */
	readonly hasWeights: boolean;
	readonly kvBytesPerToken: number;
	readonly contextLimitTokens: number;
	readonly attentionHeads: number;
	/** One token a byte and little more. */
	readonly countsBytes: boolean;
}

/** @throws UsageError E_MODEL_FOLDER when it is none, or its config.json lacks what memory depends on */
export function readModelFolder(folder: string, typed: string): ModelFolder {
	const file = path.join(folder, 'config.json');
	if (!existsSync(file))
		throw new UsageError('E_MODEL_FOLDER', `${typed}: expected a model folder with a config.json, got none`);
	const config = readConfig(file, path.join(typed, 'config.json'));
	const size = (name: string, fallback?: number): number => {
		const value = config[name] ?? fallback;
		if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
		throw new UsageError(
			'E_MODEL_FOLDER',
			`${path.join(typed, 'config.json')}: ${name}: expected a whole number above 0, got ${JSON.stringify(config[name]) ?? 'nothing'}`,
		);
	};
	const hidden = size('hidden_size');
	const layers = size('num_hidden_layers');
	const heads = size('num_attention_heads');
	const kvHeads = size('num_key_value_heads', heads);
	const headDim = size('head_dim', Math.floor(hidden / heads));
	const vocabulary = size('vocab_size');
	const inner = size('intermediate_size', 4 * hidden);
	const bytes = BYTES[String(config.dtype ?? config.torch_dtype)] ?? 2;
	const stored = storedBytes(folder);
	const embeddings = config.tie_word_embeddings === true ? 1 : 2;
	const attention = hidden * headDim * (2 * heads + 2 * kvHeads);
	const parameters = embeddings * vocabulary * hidden + layers * (attention + 3 * hidden * inner);
	return {
		path: folder,
		id: path.basename(folder).replace(/[^\w.-]/g, '-'),
		weightBytes: stored > 0 ? stored : parameters * bytes,
		hasWeights: stored > 0,
		kvBytesPerToken: 2 * layers * kvHeads * headDim * bytes,
		contextLimitTokens: size('max_position_embeddings'),
		attentionHeads: heads,
		countsBytes: vocabulary < 1000,
	};
}

/** Of one number; two where nothing is said. */
const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2 };

/** 0 without weights. */
function storedBytes(folder: string): number {
	const files = readdirSync(folder);
	const kind = ['.safetensors', '.bin', '.pt'].find((ending) => files.some((name) => name.endsWith(ending)));
	if (kind === undefined) return 0;
	return files
		.filter((name) => name.endsWith(kind))
		.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
}

function readConfig(file: string, shown: string): Readonly<Record<string, unknown>> {
	try {
		const config: unknown = JSON.parse(readFileSync(file, 'utf8'));
		if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
		throw new Error('no object');
	} catch (error) {
		throw new UsageError(
			'E_MODEL_FOLDER',
			`${shown}: expected the JSON of a model's settings, got ${(error as Error).message}`,
		);
	}
}
