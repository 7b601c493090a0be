import { z } from 'zod';

const name = z.string().min(1);
const seconds = z.number().min(0);
const positiveSeconds = z.number().positive();
const positiveInt = z.int().min(1);
const atRequest = positiveInt.describe('Which generation request of one process, from 1.');
const afterTokens = z.int().min(0).describe('Tokens that go out before.');

/** Schema of `EmulatorFault` in sim/domain/live.ts. */
const faultSchema = z
	.discriminatedUnion('kind', [
		z
			.strictObject({
				kind: z.literal('slow-start'),
				seconds: positiveSeconds.describe('Added to the load, seconds.'),
			})
			.describe('Needs longer to become ready.'),
		z.strictObject({ kind: z.literal('failing-start') }).describe('Exits while starting.'),
		z
			.strictObject({ kind: z.literal('out-of-memory-at-load') })
			.describe('Exits while starting, for want of GPU memory.'),
		z.strictObject({ kind: z.literal('hang'), atRequest }).describe('Takes the request and never answers.'),
		z
			.strictObject({
				kind: z.literal('status'),
				atRequest,
				status: z.int().min(400).max(599).describe('HTTP status, 400 to 599.'),
			})
			.describe('Answers with an error status.'),
		z
			.strictObject({ kind: z.literal('broken-stream'), atRequest, afterTokens })
			.describe('An error inside a stream that began well.'),
		z
			.strictObject({ kind: z.literal('dropped-connection'), atRequest, afterTokens })
			.describe('Cuts the connection.'),
		z
			.strictObject({ kind: z.literal('engine-death'), atRequest })
			.describe('The engine dies, the process a little later.'),
		z.strictObject({ kind: z.literal('ignored-sigterm') }).describe('Does not stop when asked politely.'),
	])
	.describe('One fault on order.');

const timeoutsSchema = z
	.strictObject({
		startSeconds: positiveSeconds
			.default(900)
			.describe('From the start of a server to its first healthy answer.'),
		firstTokenSeconds: positiveSeconds
			.default(3600)
			.describe('From sending a call to its first token; a queue of reasoning calls may stand before it.'),
		silenceSeconds: positiveSeconds.default(600).describe('Between two tokens of one call.'),
		stopSeconds: positiveSeconds.default(20).describe('From a polite stop to a forced one.'),
	})
	.prefault({})
	.describe("Limits in seconds of the run's clock.");

const retriesSchema = z
	.strictObject({
		callAttempts: positiveInt.default(3).describe('Times one call may be sent in all.'),
		backoffSeconds: seconds.default(1).describe('Before the second attempt; doubles with each further one.'),
		replicaRestarts: z
			.int()
			.min(0)
			.default(2)
			.describe('Times a replica that died is brought up again before it is given up.'),
	})
	.prefault({})
	.describe('What is tried again.');

const vllmSchema = z
	.strictObject({
		python: name
			.default('python3')
			.describe('Python of the installation that holds vLLM. With ./ or ../ in front relative to this file.'),
		models: z
			.record(z.string(), name)
			.default({})
			.describe(
				"Model folder or hub name by model id; absent: the model's checkpoint name. With ./ or ../ in front relative to this file.",
			),
		device: z
			.enum(['gpu', 'cpu'])
			.default('gpu')
			.describe('gpu: each replica sees its own GPUs only; cpu: GPU number n stands for core n.'),
		extraArguments: z.array(z.string()).default([]).describe('Further arguments of every server.'),
		environment: z
			.record(z.string(), z.string())
			.default({})
			.describe('Further environment variables of every server. No secrets: they are shown and logged.'),
	})
	.prefault({})
	.describe('Back end vllm: servers that the run starts.');

const endpointSchema = z
	.strictObject({
		url: name.describe('Base URL without /v1, such as http://10.0.0.7:8000.'),
		model: name.describe('Model of this file that it serves.'),
		tensorParallel: z
			.int()
			.min(1)
			.default(1)
			.describe('GPUs it runs on: it serves replicas of just so many.'),
		servedModel: name.optional().describe('Name under which the server knows it; absent: the model id.'),
		apiKeyVariable: name
			.optional()
			.describe('Environment variable that holds its API key, in capitals; absent: no key.'),
	})
	.describe('A server that runs already.');

/** Schema of `LiveSettings` in sim/domain/live.ts. */
export const liveSchema = z
	.strictObject({
		host: name
			.default('127.0.0.1')
			.describe('Address that started servers listen on. The default is reached from this machine only.'),
		firstPort: z
			.int()
			.min(1)
			.max(65_535)
			.default(8100)
			.describe('HTTP ports are handed out from here upwards.'),
		timeouts: timeoutsSchema,
		retries: retriesSchema,
		lengths: z
			.enum(['simulated', 'real'])
			.optional()
			.describe(
				'simulated: each call generates as many tokens as the workload drew; real: the model ends when it ends. Absent: real with a question file, else simulated.',
			),
		answers: z
			.enum(['simulated', 'real'])
			.optional()
			.describe(
				'simulated: the answers that the workload drew; real: what the models said. Absent: real with a question file, else simulated.',
			),
		requests: z
			.strictObject({
				api: z
					.enum(['chat', 'completions'])
					.default('chat')
					.describe("chat: in the model's chat template; completions: the text as it is."),
				temperature: z
					.number()
					.min(0)
					.max(2)
					.default(0.7)
					.describe('Sampling temperature; the default is assumed. Each call has its own seed.'),
			})
			.prefault({})
			.describe('How the questions of a question file are asked.'),
		vllm: vllmSchema,
		endpoints: z
			.array(endpointSchema)
			.default([])
			.describe('Back end endpoint: servers that run already, on any host.'),
		emulator: z
			.strictObject({
				faults: z
					.record(z.string(), z.array(faultSchema))
					.default({})
					.describe('Faults on order, by model id.'),
			})
			.prefault({})
			.describe('Back end emulator.'),
	})
	.prefault({})
	.describe('How a live run is carried out. Changes nothing in a simulation.');
