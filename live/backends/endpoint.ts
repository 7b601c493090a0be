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

/** Servers that run already, anywhere. The replicas of a model take its endpoints in turn; with more replicas than endpoints they share them. */
export function createEndpointBackend(setup: BackendSetup, { environment }: BackendOptions): Backend {
	const { endpoints } = setup.live;
	const assigned = new Map<ReplicaId, EndpointSettings>();
	const replicasOf = new Map<ModelId, number>();

	const endpointOf = ({ replica, model }: ReplicaStart): EndpointSettings => {
		const known = assigned.get(replica);
		if (known !== undefined) return known;
		const serving = endpoints.filter((endpoint) => endpoint.model === model);
		const count = replicasOf.get(model) ?? 0;
		const endpoint = serving[count % serving.length];
		if (endpoint === undefined) throw noEndpoint(model);
		replicasOf.set(model, count + 1);
		assigned.set(replica, endpoint);
		return endpoint;
	};
	return {
		name: 'endpoint',
		takesScripts: false,
		sleepRefusal: null,
		async check() {
			const models = usedModels(setup);
			for (const model of models)
				if (!endpoints.some((endpoint) => endpoint.model === model)) throw noEndpoint(model);
			for (const [index, endpoint] of endpoints.entries())
				if (models.includes(endpoint.model)) await checkEndpoint(setup, index, endpoint, environment);
		},
		command: () => null,
		prepare: () => undefined,
		address: (start) => addressOf(endpointOf(start), environment),
		released: async () => undefined,
	};
}

const noEndpoint = (model: ModelId): UsageError =>
	new UsageError('E_ENDPOINT', `live.endpoints: expected a server for model ${model}, got none`);

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
		// Any profile of the model will do: engine settings are the server's, whatever the GPUs are called.
		const profile = setup.profiles.find(({ model }) => model === endpoint.model);
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
