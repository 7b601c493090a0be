/** The batch that real servers and the simulator both run: three experts of two sizes on two cores, asked the bundled questions. */
import path from 'node:path';

export interface TinyModel {
	readonly id: string;
	/** Of installation.ts: layers and width. */
	readonly size: string;
}

/** Two are alike but for their names, so that one of them need not be profiled. */
export const MODELS: readonly TinyModel[] = [
	{ id: 'thinker', size: 'small8' },
	{ id: 'sketcher', size: 'mid4' },
	{ id: 'checker', size: 'small8' },
];

/** Whose profile stands for a model. */
export const PROFILED: Readonly<Record<string, string>> = {
	thinker: 'thinker',
	sketcher: 'sketcher',
	checker: 'thinker',
};

export const GPU_TYPE = 'one-core';
export const QUERIES = 48;

const ARGUMENTS = ['--load-format', 'dummy', '--enforce-eager', '--enable-logging-iteration-details'];
/** Apart from where other live runs look for ports. */
const FIRST_PORT = 18_700;

/** Settings of every server, profiled or live, as `--set` takes them. */
export const serverSettings: readonly string[] = [
	...['engine.config.maxModelLen=4096', 'engine.config.numGpuBlocks=257'],
	`live.vllm.extraArguments=${JSON.stringify(ARGUMENTS)}`,
	`live.firstPort=${FIRST_PORT}`,
];

/**
 * @param folder where the profiles `ID.json` and the model folders `models/ID` are
 * @param python of the installation
 */
export function moaExperiment(folder: string, python: string): string {
	const lengths = (mu: number) => ({ body: { family: 'lognormal', mu, sigma: 0.5 }, capTokens: 400 });
	const experiment = {
		format: 1,
		name: 'real-vllm',
		description: 'Three tiny experts and an aggregator on two cores of this machine',
		seed: 1,
		scheduler: 'greedy',
		gate: 'majority',
		cluster: { gpuType: GPU_TYPE, gpuCount: 2, hostRamBytes: 16e9 },
		profiles: MODELS.map(({ id }) => path.join(folder, `${id}.json`)),
		pool: MODELS.map(({ id }) => id),
		workload: {
			task: 'mmlu_pro',
			questions: path.resolve(__dirname, '../../traces/data/questions-small.jsonl'),
			keepQueries: QUERIES,
			slotsPerQuery: 3,
			slots: { thinker: 75, sketcher: 75, checker: 75 },
			lengths: { thinker: lengths(5), sketcher: lengths(5.4), checker: lengths(4.6) },
			answers: { options: 4, mu: 0.6, s: 1.2, lam: 0.5 },
		},
		aggregator: { model: 'sketcher', tensorParallel: 1 },
		report: { sampleSeconds: 1 },
		live: {
			// Untrained models say nothing and never end: lengths and answers are the drawn ones, so that both worlds run the same batch.
			...{ lengths: 'simulated', answers: 'simulated', firstPort: FIRST_PORT },
			// vLLM 0.32.0 on a CPU dies of a seeded draw for a prompt that is cut between steps ("CPU Generator does not use offset"); greedy draws nothing.
			requests: { temperature: 0 },
			vllm: {
				python,
				device: 'cpu',
				models: Object.fromEntries(MODELS.map(({ id }) => [id, path.join(folder, 'models', id)])),
				extraArguments: ARGUMENTS,
			},
		},
	};
	// JSON is YAML.
	return `${JSON.stringify(experiment, null, '\t')}\n`;
}
