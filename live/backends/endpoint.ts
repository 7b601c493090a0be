import type { ReplicaStart } from '../../sim/core/executor.ts';
import { UsageError } from '../../sim/domain/errors.ts';
import type { ModelId, ReplicaId } from '../../sim/domain/ids.ts';
import type { EndpointSettings } from '../../sim/domain/live.ts';
import type { Backend, ServerAddress } from '../backend.ts';
import { startClock } from '../clock.ts';
import { ServerFailure } from '../http/failure.ts';
import { ServerClient } from '../http/server-client.ts';
import type { BackendOptions, BackendSetup } from './options.ts';
import { serverMismatch } from './server-match.ts';
import { usedModels } from './used-models.ts';

/**
 * Servers that run already, anywhere. The replicas of a model on so many GPUs take the endpoints that serve it on as many in turn; with more
 * replicas than endpoints they share them.
 */
export function createEndpointBackend(setup: BackendSetup, { environment }: BackendOptions): Backend {
	const { endpoints } = setup.live;
	const assigned = new Map<ReplicaId, EndpointSettings>();
	const replicasOf = new Map<string, number>();

	const endpointOf = ({ replica, model, gpus }: ReplicaStart): EndpointSettings => {
		const known = assigned.get(replica);
		if (known !== undefined) return known;
		const wanted = { model, tensorParallel: gpus.length };
		const serving = endpoints.filter((endpoint) => serves(endpoint, wanted));
		const key = `${model} on ${gpus.length}`;
		const count = replicasOf.get(key) ?? 0;
		const endpoint = serving[count % serving.length];
		if (endpoint === undefined) throw noEndpoint(model, gpus.length);
		replicasOf.set(key, count + 1);
		assigned.set(replica, endpoint);
		return endpoint;
	};
	return {
		name: 'endpoint',
		takesScripts: false,
		// Whoever started it may count on it, and nothing tells whether it has a sleep mode: without one it says yes and frees nothing.
		sleepRefusal: 'a server that is not ours is not put to sleep',
		async check() {
			const models = usedModels(setup);
			// On how many GPUs experts run is the scheduler's choice; the aggregator's is the experiment's.
			for (const model of models)
				if (!endpoints.some((endpoint) => endpoint.model === model)) throw noEndpoint(model);
			const { aggregator } = setup;
			if (aggregator !== null && !endpoints.some((endpoint) => serves(endpoint, aggregator)))
				throw noEndpoint(aggregator.model, aggregator.tensorParallel);
			for (const [index, endpoint] of endpoints.entries())
				if (models.includes(endpoint.model)) await checkEndpoint(setup, index, endpoint, environment);
		},
		command: () => null,
		prepare: () => undefined,
		address: (start) => addressOf(endpointOf(start), environment),
		released: async () => undefined,
	};
}

const serves = (
	endpoint: EndpointSettings,
	wanted: Pick<EndpointSettings, 'model' | 'tensorParallel'>,
): boolean => endpoint.model === wanted.model && endpoint.tensorParallel === wanted.tensorParallel;

const noEndpoint = (model: ModelId, gpus?: number): UsageError =>
	new UsageError(
		'E_ENDPOINT',
		`live.endpoints: expected a server for model ${model}${gpus === undefined ? '' : ` with tensorParallel ${gpus}`}, got none`,
	);

/** @throws UsageError E_API_KEY when the variable that should hold its key is not set */
function addressOf(
	{ url, model, servedModel, apiKeyVariable }: EndpointSettings,
	environment: BackendOptions['environment'],
): ServerAddress {
	const apiKey = apiKeyVariable === undefined ? null : environment[apiKeyVariable];
	if (apiKey === undefined || apiKey === '')
		throw new UsageError(
			'E_API_KEY',
			`${url}: expected its API key in the environment variable ${apiKeyVariable}, got nothing`,
		);
	return { baseUrl: url, servedModel: servedModel ?? model, apiKey };
}

/** @throws UsageError one line that names the server, what was expected and what came */
async function checkEndpoint(
	setup: BackendSetup,
	index: number,
	endpoint: EndpointSettings,
	environment: BackendOptions['environment'],
): Promise<void> {
	const address = addressOf(endpoint, environment);
	const field = `live.endpoints[${index}]`;
	const client = new ServerClient(address, startClock(1));
	try {
		await client.version();
		// Whatever the GPUs are called: engine settings are the server's.
		const profile = setup.profiles.find((candidate) => serves(endpoint, candidate));
		if (profile === undefined) return;
		const mismatch = await serverMismatch(client, address.servedModel, profile.engine);
		if (mismatch !== null)
			throw new UsageError(
				'E_ENDPOINT',
				`${field}: expected the server of ${endpoint.model}, but ${endpoint.url} ${mismatch}`,
			);
	} catch (error) {
		throw error instanceof ServerFailure ? endpointError(field, endpoint, error) : error;
	} finally {
		await client.close();
	}
}

function endpointError(
	field: string,
	{ url, apiKeyVariable }: EndpointSettings,
	failure: ServerFailure,
): UsageError {
	const { status } = failure;
	if (status === 401 || status === 403) {
		const key =
			apiKeyVariable === undefined ? 'no key (apiKeyVariable is not set)' : `the key in ${apiKeyVariable}`;
		return new UsageError('E_API_KEY', `${field}: expected a key that ${url} accepts, got ${key}`);
	}
	const notVllm = failure.kind === 'not-vllm' || status === 404;
	const got = notVllm ? `a server that is none (${failure.message})` : failure.message;
	return new UsageError('E_ENDPOINT', `${field}: expected a vLLM server at ${url}, got ${got}`);
}
