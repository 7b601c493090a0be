import { Pool } from 'undici';
import type { SleepLevel } from '../../sim/domain/model.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { ServerAddress } from '../backend.ts';
import type { LiveClock } from '../clock.ts';
import { AnswerReader, type AnswerSoFar, type StreamedAnswer } from './answer-reader.ts';
import { readGauges, type ServerGauges } from './engine-gauges.ts';
import { connectionFailure, ServerFailure, statusFailure } from './failure.ts';
import { timeLimitUs } from './time-limit.ts';
import { Watch } from './watch.ts';

export interface GenerationRequest {
	readonly endpoint: 'completions' | 'chat';
	/** Fields of the request but for `model` and those of streaming. */
	readonly body: Readonly<Record<string, unknown>>;
	/** What the server calls it in its log; not used by two requests that it has at the same time. */
	readonly requestId?: string;
	readonly firstTokenLimitUs: TimeUs;
	readonly silenceLimitUs: TimeUs;
	/** Gives the request up, on the server too: its connection is closed. */
	readonly signal: AbortSignal;
	/** Called for every chunk with the tokens so far, first when the first token is there. */
	readonly onTokens: (outputTokens: number, soFar: () => AnswerSoFar) => void;
}

export interface ServedModel {
	readonly id: string;
	/** Tokens; null when the server does not say. */
	readonly maxModelLen: number | null;
}

/** Control requests answer at once, even when the engine is busy; tokenizing a long prompt takes longer. */
const CONTROL_SECONDS = 30;

/** vLLM closes a connection that was idle for 5 s; a request on its way at that moment would be lost. */
const KEEP_ALIVE_MS = 2_000;

/**
 * Client of one vLLM server, with connections of its own. Every method but `close` fails with a ServerFailure; limits are in time of the run's
 * clock.
 */
export class ServerClient {
	private readonly address: ServerAddress;
	private readonly clock: LiveClock;
	private readonly pool: Pool;
	private readonly prefix: string;
	private readonly controlLimitUs: TimeUs;

	constructor(address: ServerAddress, clock: LiveClock) {
		this.address = address;
		this.clock = clock;
		const { origin, pathname } = new URL(address.baseUrl);
		this.prefix = pathname.replace(/\/+$/, '');
		this.controlLimitUs = timeLimitUs(clock, CONTROL_SECONDS);
		// As many connections as there are calls, and no limit on their length: a reasoning call may stream for an hour.
		this.pool = new Pool(origin, {
			connections: null,
			pipelining: 1,
			headersTimeout: 0,
			bodyTimeout: 0,
			keepAliveTimeout: KEEP_ALIVE_MS,
			keepAliveMaxTimeout: KEEP_ALIVE_MS,
		});
	}

	/** Whether the engine is well; false when the server says that it is not. */
	async isHealthy(limitUs: TimeUs = this.controlLimitUs): Promise<boolean> {
		const { status, text } = await this.exchange('GET', '/health', undefined, limitUs);
		if (status === 503) return false;
		if (status !== 200) throw statusFailure(status, this.withoutKey(text));
		return true;
	}

	async models(): Promise<readonly ServedModel[]> {
		const { data } = (await this.json('GET', '/v1/models')) as { data?: unknown };
		if (!Array.isArray(data)) throw new ServerFailure('not-vllm', '/v1/models: expected a list of models');
		return (data as { id?: unknown; max_model_len?: unknown }[]).map(({ id, max_model_len: length }) => ({
			id: String(id),
			maxModelLen: typeof length === 'number' ? length : null,
		}));
	}

	async version(): Promise<string> {
		const { version } = (await this.json('GET', '/version')) as { version?: unknown };
		if (typeof version !== 'string') throw new ServerFailure('not-vllm', '/version: expected a version');
		return version;
	}

	/**
	 * Tokens of a prompt as the model would get it.
	 * @param body a generation request's fields: `prompt` or `messages` are read
	 */
	async countTokens(body: Readonly<Record<string, unknown>>): Promise<number> {
		const { prompt, messages, chat_template_kwargs: extra } = body;
		const what =
			messages === undefined
				? { prompt }
				: { messages, ...(extra === undefined ? {} : { chat_template_kwargs: extra }) };
		const { count } = (await this.json('POST', '/tokenize', {
			model: this.address.servedModel,
			...what,
		})) as {
			count?: unknown;
		};
		if (typeof count !== 'number') throw new ServerFailure('not-vllm', '/tokenize: expected a count');
		return count;
	}

	async gauges(): Promise<ServerGauges> {
		return readGauges(await this.text('GET', '/metrics'));
	}

	/** Answers when the engine sleeps: memory is free then. Waits for requests that still run. */
	async sleep(level: SleepLevel, limitUs: TimeUs, signal: AbortSignal): Promise<void> {
		await this.text('POST', `/sleep?level=${level}&mode=wait`, undefined, limitUs, signal);
	}

	/** Answers when the engine is awake. After level 2 the weights are read again first: without that it answers garbage. */
	async wake(level: SleepLevel, limitUs: TimeUs, signal: AbortSignal): Promise<void> {
		const steps: readonly (readonly [path: string, body?: unknown])[] =
			level === 1
				? [['/wake_up']]
				: [
						['/wake_up?tags=weights'],
						['/collective_rpc', { method: 'reload_weights' }],
						['/wake_up?tags=kv_cache'],
						['/reset_prefix_cache'],
					];
		for (const [path, body] of steps) await this.text('POST', path, body, limitUs, signal);
	}

	async isSleeping(): Promise<boolean> {
		const { is_sleeping: sleeping } = (await this.json('GET', '/is_sleeping')) as { is_sleeping?: unknown };
		return sleeping === true;
	}

	/** One streamed answer. */
	async generate(request: GenerationRequest): Promise<StreamedAnswer> {
		const path = request.endpoint === 'chat' ? '/v1/chat/completions' : '/v1/completions';
		const watch = new Watch(this.clock, request.signal, 'first-token', request.firstTokenLimitUs);
		const reader = new AnswerReader((outputTokens) => {
			watch.sign('silence', request.silenceLimitUs);
			request.onTokens(outputTokens, () => reader.soFar());
		});
		try {
			const asked = {
				...request.body,
				model: this.address.servedModel,
				stream: true,
				stream_options: { include_usage: true, continuous_usage_stats: true },
			};
			const { statusCode, body } = await this.send('POST', path, watch.signal, asked, request.requestId);
			if (statusCode !== 200) throw statusFailure(statusCode, this.withoutKey(await body.text()));
			for await (const bytes of body) reader.feed(bytes as Uint8Array);
			return reader.end();
		} catch (error) {
			const { kind, message, status } = watch.failure ?? connectionFailure(error);
			throw new ServerFailure(kind, this.withoutKey(message), status);
		} finally {
			watch.end();
		}
	}

	/** Cuts every connection. */
	async close(): Promise<void> {
		await this.pool.destroy();
	}

	private async json(method: 'GET' | 'POST', path: string, body?: unknown): Promise<object> {
		const text = await this.text(method, path, body);
		try {
			const value: unknown = JSON.parse(text);
			if (typeof value === 'object' && value !== null) return value;
		} catch {
			// Said below.
		}
		const got = JSON.stringify(this.withoutKey(text).slice(0, 80));
		throw new ServerFailure('not-vllm', `${path}: expected JSON, got ${got}`);
	}

	private async text(
		method: 'GET' | 'POST',
		path: string,
		body?: unknown,
		limitUs: TimeUs = this.controlLimitUs,
		signal?: AbortSignal,
	): Promise<string> {
		const { status, text } = await this.exchange(method, path, body, limitUs, signal);
		if (status !== 200) throw statusFailure(status, this.withoutKey(text));
		return text;
	}

	private async exchange(
		method: 'GET' | 'POST',
		path: string,
		body: unknown,
		limitUs: TimeUs,
		signal?: AbortSignal,
	): Promise<{ readonly status: number; readonly text: string }> {
		const watch = new Watch(this.clock, signal ?? null, 'time-out', limitUs);
		try {
			const { statusCode, body: answer } = await this.send(method, path, watch.signal, body);
			return { status: statusCode, text: await answer.text() };
		} catch (error) {
			throw watch.failure ?? connectionFailure(error);
		} finally {
			watch.end();
		}
	}

	private send(
		method: 'GET' | 'POST',
		path: string,
		signal: AbortSignal,
		body: unknown,
		requestId?: string,
	): ReturnType<Pool['request']> {
		const { apiKey } = this.address;
		return this.pool.request({
			method,
			path: this.prefix + path,
			signal,
			headers: {
				...(body === undefined ? {} : { 'content-type': 'application/json' }),
				...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
				...(requestId === undefined ? {} : { 'x-request-id': requestId }),
			},
			body: body === undefined ? null : JSON.stringify(body),
		});
	}

	/** A server may quote what it was sent. */
	private withoutKey(text: string): string {
		const { apiKey } = this.address;
		return apiKey === null ? text : text.replaceAll(apiKey, '(key)');
	}
}
