/** A server with vLLM's manners whose every answer a test writes by hand. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeVllmOptions {
	readonly models?: readonly string[];
	readonly maxModelLen?: number;
	readonly apiKey?: string;
	/** Body of `/metrics`. */
	readonly metrics?: string;
	/** 0: any free one. */
	readonly port?: number;
	/** Knows `return_token_ids`. */
	readonly tellsTokens?: boolean;
}

export class FakeVllm {
	/** Every request in order, as `GET /health`. */
	readonly log: string[] = [];
	readonly options: FakeVllmOptions;
	/** Status of `/health`. */
	health = 200;
	/** Status of `/sleep` and `/wake_up`, and what they wait for. */
	sleepStatus = 200;
	sleepWait: Promise<unknown> = Promise.resolve();
	private readonly server: Server;
	private readonly arrived: FakeRequest[] = [];
	private readonly waiting: ((request: FakeRequest) => void)[] = [];
	private readonly watchers = new Set<() => void>();

	private constructor(options: FakeVllmOptions) {
		this.options = options;
		this.server = createServer((request, response) => void this.serve(request, response));
	}

	static async listen(options: FakeVllmOptions = {}): Promise<FakeVllm> {
		const fake = new FakeVllm(options);
		await new Promise<void>((resolve) => fake.server.listen(options.port ?? 0, '127.0.0.1', resolve));
		return fake;
	}

	get port(): number {
		return (this.server.address() as AddressInfo).port;
	}

	get url(): string {
		return `http://127.0.0.1:${this.port}`;
	}

	/** The next generation request that nobody has taken yet. */
	next(): Promise<FakeRequest> {
		const request = this.arrived.shift();
		if (request !== undefined) return Promise.resolve(request);
		return new Promise((resolve) => this.waiting.push(resolve));
	}

	/** Resolves when the log holds `line` at least `times` times. */
	async seen(line: string, times = 1): Promise<void> {
		while (this.log.filter((each) => each === line).length < times)
			await new Promise<void>((resolve) => this.watchers.add(resolve));
	}

	async close(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}

	private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const body = await bodyOf(request);
		const line = `${request.method} ${request.url}`;
		this.log.push(line);
		for (const watcher of this.watchers) watcher();
		this.watchers.clear();
		const { models = ['m'], maxModelLen = 4096, apiKey, metrics = '' } = this.options;
		const path = (request.url ?? '').split('?')[0] ?? '';
		if (
			path.startsWith('/v1/') &&
			apiKey !== undefined &&
			request.headers.authorization !== `Bearer ${apiKey}`
		) {
			json(response, 401, { error: 'Unauthorized' });
			return;
		}
		switch (path) {
			case '/health':
				response.writeHead(this.health).end();
				break;
			case '/version':
				json(response, 200, { version: '0.32.0' });
				break;
			case '/metrics':
				response.writeHead(200).end(metrics);
				break;
			case '/tokenize':
				json(response, 200, {
					count: JSON.stringify(body.prompt ?? body.messages).length,
					max_model_len: maxModelLen,
				});
				break;
			case '/v1/models': {
				const data = models.map((id) => ({ id, object: 'model', max_model_len: maxModelLen }));
				json(response, 200, { object: 'list', data });
				break;
			}
			case '/sleep':
			case '/wake_up':
			case '/collective_rpc':
			case '/reset_prefix_cache':
				await this.sleepWait;
				json(
					response,
					this.sleepStatus,
					this.sleepStatus === 200 ? {} : errorBody(this.sleepStatus, 'no sleep mode'),
				);
				break;
			case '/is_sleeping':
				json(response, 200, { is_sleeping: false });
				break;
			case '/v1/completions':
			case '/v1/chat/completions':
				this.hand(new FakeRequest(path, body, request, response));
				break;
			default:
				json(response, 404, { detail: 'Not Found' });
		}
	}

	private hand(request: FakeRequest): void {
		const taker = this.waiting.shift();
		request.tellsTokens = this.options.tellsTokens === true && request.body.return_token_ids === true;
		if (taker === undefined) this.arrived.push(request);
		else taker(request);
	}
}

/** A generation request that waits for its answer. */
export class FakeRequest {
	readonly path: string;
	readonly body: Readonly<Record<string, unknown>>;
	readonly headers: IncomingMessage['headers'];
	/** Resolves when its connection is gone, with whether the answer was complete. */
	readonly closed: Promise<boolean>;
	tellsTokens = false;
	private readonly response: ServerResponse;
	private tokens = 0;

	constructor(
		path: string,
		body: Readonly<Record<string, unknown>>,
		request: IncomingMessage,
		response: ServerResponse,
	) {
		this.path = path;
		this.body = body;
		this.headers = request.headers;
		this.response = response;
		this.closed = new Promise((resolve) => {
			response.once('close', () => resolve(response.writableFinished));
		});
	}

	/** Sends one chunk with as many tokens as words (the first has id 100, the next 101), running counts as with `continuous_usage_stats`. */
	say(text: string, finishReason: string | null = null): void {
		this.chunk({ content: text }, text === '' ? 0 : text.trim().split(' ').length, finishReason);
	}

	/** The same, in the part that a reasoning parser takes out. Chats only. */
	reason(text: string): void {
		this.chunk({ reasoning: text }, text.split(' ').length);
	}

	/** A token that makes no whole character yet. */
	sayNothing(): void {
		this.chunk({ content: '' }, 1);
	}

	private chunk(
		delta: { readonly content?: string; readonly reasoning?: string },
		tokens: number,
		finishReason: string | null = null,
	): void {
		const isFirst = this.tokens === 0;
		const ids = Array.from({ length: tokens }, (_, index) => 100 + this.tokens + index);
		this.tokens += tokens;
		const isChat = this.path !== '/v1/completions';
		const prompt = this.tellsTokens && isFirst ? { prompt_token_ids: this.promptIds() } : {};
		const choice = {
			index: 0,
			...(isChat ? { delta } : { text: delta.content ?? '', ...prompt }),
			finish_reason: finishReason,
			...(this.tellsTokens ? { token_ids: ids } : {}),
		};
		this.event({ choices: [choice], usage: this.usage(), ...(isChat ? prompt : {}) });
	}

	/** Ends the answer well. */
	finish(finishReason = 'stop', cachedTokens = 0, metrics?: unknown): void {
		this.say('', finishReason);
		const usage = { ...this.usage(), prompt_tokens_details: { cached_tokens: cachedTokens } };
		this.event({ choices: [], usage, ...(metrics === undefined ? {} : { metrics }) });
		this.end();
	}

	/** One event as it is; a text goes out unchanged. */
	event(data: unknown): void {
		this.open();
		this.response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
	}

	/** Last event and end of the stream. */
	end(): void {
		this.event('[DONE]');
		this.response.end();
	}

	/** Ends the stream without its last event. */
	breakOff(): void {
		this.open();
		this.response.end();
	}

	/** Cuts the connection. */
	drop(): void {
		this.response.destroy();
	}

	refuse(status: number, message: string): void {
		json(this.response, status, errorBody(status, message));
	}

	private open(): void {
		if (!this.response.headersSent) this.response.writeHead(200, { 'content-type': 'text/event-stream' });
	}

	/** Those that were sent, or seven. */
	private promptIds(): readonly number[] {
		const { prompt } = this.body;
		return Array.isArray(prompt) ? (prompt as number[]) : [1, 2, 3, 4, 5, 6, 7];
	}

	private usage() {
		const promptTokens = this.promptIds().length;
		return {
			prompt_tokens: promptTokens,
			completion_tokens: this.tokens,
			total_tokens: promptTokens + this.tokens,
		};
	}
}

const errorBody = (status: number, message: string) => ({
	error: {
		message,
		type: status < 500 ? 'BadRequestError' : 'InternalServerError',
		param: null,
		code: status,
	},
});

function json(response: ServerResponse, status: number, body: unknown): void {
	response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
	let text = '';
	for await (const bytes of request) text += String(bytes);
	return text === '' ? {} : (JSON.parse(text) as Readonly<Record<string, unknown>>);
}
