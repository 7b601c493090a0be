import type { ModelId } from './ids.ts';

export type BackendName = 'emulator' | 'vllm' | 'endpoint';

/** How a live run is carried out; the `live` section of an experiment. Seconds are those of the run's clock (wall time at speed 1). */
export interface LiveSettings {
	/** Address that servers of ours listen on. Anything but loopback is the user's explicit wish. */
	readonly host: string;
	/** HTTP ports are handed out from here upwards. */
	readonly firstPort: number;
	readonly timeouts: LiveTimeouts;
	readonly retries: LiveRetries;
	/**
	 * `simulated`: each call is made to generate exactly as many tokens as the workload drew for it (`max_tokens` and `ignore_eos`);
	 * `real`: the model ends when it ends. Without a question file always simulated.
	 */
	readonly lengths: 'simulated' | 'real';
	/** `simulated`: the answers that the workload drew; `real`: extracted from what the model said. Without a question file always simulated. */
	readonly answers: 'simulated' | 'real';
	readonly requests: RequestSettings;
	readonly vllm: VllmSettings;
	readonly endpoints: readonly EndpointSettings[];
	readonly emulator: EmulatorSettings;
}

export interface LiveTimeouts {
	/** From the start of a server to its first healthy answer. */
	readonly startSeconds: number;
	/** From sending a call to its first token: a queue of reasoning calls may stand before it. */
	readonly firstTokenSeconds: number;
	/** Between two tokens of one call. */
	readonly silenceSeconds: number;
	/** From a polite stop to a forced one. */
	readonly stopSeconds: number;
}

export interface LiveRetries {
	/** Times one call may be sent in all. */
	readonly callAttempts: number;
	/** Before the second attempt; doubles with each further one. */
	readonly backoffSeconds: number;
	/** Times a replica that died is brought up again under the same id before it is given up. */
	readonly replicaRestarts: number;
}

/** Of calls with the text of a question. */
export interface RequestSettings {
	/** `chat`: one user message, put into the model's chat template by the server; `completions`: the text as it is. */
	readonly api: 'chat' | 'completions';
	/** Sampling temperature. Each call has a seed of its own, drawn from the experiment's. */
	readonly temperature: number;
}

export interface VllmSettings {
	/** Python of the installation that holds vLLM. */
	readonly python: string;
	/** Model folder or hub name by model id; absent: the model's checkpoint name. */
	readonly models: Readonly<Record<ModelId, string>>;
	/** `gpu`: each replica sees its own GPUs (CUDA_VISIBLE_DEVICES, by position of the GPU on its host); `cpu`: GPU number n stands for core n. */
	readonly device: 'gpu' | 'cpu';
	/** Further arguments of every server, as typed. */
	readonly extraArguments: readonly string[];
	readonly environment: Readonly<Record<string, string>>;
}

export interface EndpointSettings {
	/** Base URL without `/v1`, e.g. `http://10.0.0.7:8000`. */
	readonly url: string;
	/** Model id of the experiment that it serves. */
	readonly model: ModelId;
	/** GPUs it runs on: it serves replicas of just so many. */
	readonly tensorParallel: number;
	/** Name under which the server knows it; absent: the model id. */
	readonly servedModel?: string;
	/** Environment variable that holds its API key; absent: no key. The key itself never stands in a file. */
	readonly apiKeyVariable?: string;
}

export interface EmulatorSettings {
	/** Faults on order, by model id. */
	readonly faults: Readonly<Record<ModelId, readonly EmulatorFault[]>>;
}

/** `atRequest`: the n-th generation request that reaches one process, from 1. Seconds are engine seconds. */
export type EmulatorFault =
	| { readonly kind: 'slow-start'; readonly seconds: number }
	/** Exits while starting, with vLLM's last words on stderr. */
	| { readonly kind: 'failing-start' }
	| { readonly kind: 'out-of-memory-at-load' }
	/** Accepts the request and never answers. */
	| { readonly kind: 'hang'; readonly atRequest: number }
	| { readonly kind: 'status'; readonly atRequest: number; readonly status: number }
	/** An error event inside a stream that began well. */
	| { readonly kind: 'broken-stream'; readonly atRequest: number; readonly afterTokens: number }
	/** The connection is cut without a word. */
	| { readonly kind: 'dropped-connection'; readonly atRequest: number; readonly afterTokens: number }
	/** `/health` says 503, open requests fail, the process ends a little later. */
	| { readonly kind: 'engine-death'; readonly atRequest: number }
	| { readonly kind: 'ignored-sigterm' };
