import type { EngineConfig } from '../../sim/domain/model.ts';
import { ServerFailure } from '../http/failure.ts';
import type { ServerClient } from '../http/server-client.ts';

/**
 * Whether a server that answers is the one that the experiment means: its model, and the settings its profile was measured with.
 * @returns null when it is, else what is different, e.g. `serves 'a'`, to be read after the name of the server
 * @throws ServerFailure when it does not answer
 */
export async function serverMismatch(
	client: ServerClient,
	servedModel: string,
	engine: EngineConfig,
): Promise<string | null> {
	const models = await client.models();
	const model = models.find(({ id }) => id === servedModel);
	if (model === undefined) {
		const served = models.map(({ id }) => `'${id}'`).join(', ');
		return `serves ${served === '' ? 'no model' : served}, not '${servedModel}'`;
	}
	const { blockSize, numGpuBlocks, prefixCaching } = await cacheConfig(client);
	const settings = [
		['a context (max_model_len) of', model.maxModelLen, engine.maxModelLen],
		['a block size of', blockSize, engine.blockSize],
		['a number of KV blocks of', roughly(numGpuBlocks, engine.numGpuBlocks), engine.numGpuBlocks],
		['prefix caching', prefixCaching, engine.prefixCaching],
	] as const;
	for (const [what, has, profiled] of settings)
		if (has !== null && has !== profiled)
			return `has ${what} ${said(has)}, its profile says ${said(profiled)}`;
	return null;
}

interface CacheConfig {
	readonly blockSize: number | null;
	readonly numGpuBlocks: number | null;
	readonly prefixCaching: boolean | null;
}

/** Metrics may be shut off or kept behind a gateway; nothing is compared then. */
async function cacheConfig(client: ServerClient): Promise<CacheConfig> {
	try {
		return await client.gauges();
	} catch (error) {
		if (error instanceof ServerFailure && error.kind === 'status')
			return { blockSize: null, numGpuBlocks: null, prefixCaching: null };
		throw error;
	}
}

const said = (value: number | boolean): string =>
	typeof value === 'number' ? String(value) : value ? 'on' : 'off';

/** A server that measures its memory itself finds a few blocks more or less at each start. */
const roughly = (blocks: number | null, profiled: number): number | null =>
	blocks !== null && Math.abs(blocks - profiled) <= 0.02 * profiled ? profiled : blocks;
