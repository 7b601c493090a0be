import type { ModelId } from '../../sim/domain/ids.ts';
import { modelId } from '../../sim/domain/ids.ts';
import type { EmulatorFault, EndpointSettings, LiveSettings } from '../../sim/domain/live.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { Experiment } from '../experiment-schema.ts';
import type { FieldPath } from '../experiment-text.ts';
import type { Fail } from './fail.ts';

/**
 * The `live` section with its defaults. What could hold a key by mistake (URLs, names of variables) is checked here and not by the schema, whose
 * messages show the value.
 */
export function resolveLive(experiment: Experiment, hasQuestions: boolean, fail: Fail): LiveSettings {
	const { live } = experiment;
	const known = [
		...new Set([
			...experiment.pool,
			...(experiment.aggregator === null ? [] : [experiment.aggregator.model]),
		]),
	];
	const check = (id: string, path: FieldPath): ModelId => {
		if (known.includes(id)) return modelId(id);
		throw fail(
			path,
			'E_UNKNOWN_MODEL',
			`a model of this experiment (${known.join(', ')})`,
			`'${id}'${didYouMean(id, known)}`,
		);
	};
	for (const id of Object.keys(live.vllm.models)) check(id, ['live', 'vllm', 'models', id]);
	for (const id of Object.keys(live.emulator.faults)) check(id, ['live', 'emulator', 'faults', id]);
	checkSecrets(live.vllm, fail);
	return {
		host: live.host,
		firstPort: live.firstPort,
		timeouts: live.timeouts,
		retries: live.retries,
		lengths: realOrSimulated(live.lengths, 'lengths', hasQuestions, fail),
		answers: realOrSimulated(live.answers, 'answers', hasQuestions, fail),
		requests: live.requests,
		vllm: { ...live.vllm, models: live.vllm.models as Readonly<Record<ModelId, string>> },
		endpoints: live.endpoints.map((endpoint, index) => {
			const path = ['live', 'endpoints', index];
			const { servedModel, apiKeyVariable } = endpoint;
			return {
				url: baseUrl(endpoint.url, [...path, 'url'], fail),
				model: check(endpoint.model, [...path, 'model']),
				tensorParallel: endpoint.tensorParallel,
				...(servedModel === undefined ? {} : { servedModel }),
				...(apiKeyVariable === undefined
					? {}
					: { apiKeyVariable: variableName(apiKeyVariable, [...path, 'apiKeyVariable'], fail) }),
			} satisfies EndpointSettings;
		}),
		emulator: { faults: live.emulator.faults as Readonly<Record<ModelId, readonly EmulatorFault[]>> },
	};
}

/** A wish for something real without questions to ask is a mistake, not a reason to simulate silently. */
function realOrSimulated(
	wish: 'real' | 'simulated' | undefined,
	field: 'lengths' | 'answers',
	hasQuestions: boolean,
	fail: Fail,
): 'real' | 'simulated' {
	if (wish === 'real' && !hasQuestions) {
		throw fail(
			['live', field],
			'E_NO_QUESTIONS',
			'simulated, or a question file in workload.questions',
			"'real'",
		);
	}
	return wish ?? (hasQuestions ? 'real' : 'simulated');
}

function baseUrl(text: string, path: FieldPath, fail: Fail): string {
	const wanted = (expected: string, got: string) => fail(path, 'E_ENDPOINT_URL', expected, got);
	let url: URL;
	try {
		url = new URL(text);
	} catch {
		throw wanted('a URL such as http://10.0.0.7:8000', 'text that is none');
	}
	if (url.protocol !== 'http:' && url.protocol !== 'https:')
		throw wanted('a URL of http or https', `one of ${url.protocol.slice(0, -1)}`);
	if (url.username !== '' || url.password !== '')
		throw wanted('a URL without user and password (name a variable in apiKeyVariable)', 'one with them');
	if (url.search !== '' || url.hash !== '') throw wanted('a URL without query', 'one with a query');
	const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
	if (base.endsWith('/v1')) throw wanted('a URL without /v1', 'one with it');
	return base;
}

/** Capitals only: a key that was pasted here by mistake is then refused before it can be shown anywhere. */
function variableName(text: string, path: FieldPath, fail: Fail): string {
	if (/^[A-Z_][A-Z0-9_]*$/.test(text)) return text;
	throw fail(
		path,
		'E_KEY_VARIABLE',
		'the name of an environment variable in capitals, such as VLLM_API_KEY',
		'other text',
	);
}

/** What stands in this section is shown, logged and kept. */
function checkSecrets({ extraArguments, environment }: Experiment['live']['vllm'], fail: Fail): void {
	const index = extraArguments.findIndex((word) => /^--api[-_]key(=|$)/.test(word));
	if (index >= 0)
		throw fail(
			['live', 'vllm', 'extraArguments', index],
			'E_KEY_IN_FILE',
			'no --api-key (set VLLM_API_KEY in the environment of the command)',
			'one',
		);
	const secret = Object.keys(environment).find((name) => /(?:KEY|TOKEN|SECRET|PASSWORD)$/i.test(name));
	if (secret !== undefined)
		throw fail(
			['live', 'vllm', 'environment', secret],
			'E_KEY_IN_FILE',
			'no secret (set it in the environment of the command)',
			'one',
		);
}
