import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { LengthDistribution } from '../../sim/domain/distribution.ts';
import { sendAnswer, sendJson } from './answer.ts';
import type { AnswerFace } from './answer-face.ts';
import { ApiError, engineDead, statusError } from './api-error.ts';
import { chatFace } from './chat-face.ts';
import { readChatRequest } from './chat-request.ts';
import { completionFace } from './completion-face.ts';
import { readCompletionRequest } from './completion-request.ts';
import type { EmulatorFlag } from './config.ts';
import { addDevelopmentRoutes } from './development-routes.ts';
import type { EmulatedServer } from './emulated-server.ts';
import type { Faults } from './faults.ts';
import type { GenerationRequest, RequestContext } from './generation-request.ts';
import type { MetricsPage } from './metrics-page.ts';
import { readObject } from './request-body.ts';
import type { SleepMode } from './sleep-mode.ts';
import { planSpeech } from './speech-plan.ts';
import { addTokenRoutes } from './token-routes.ts';
import { VLLM_VERSION } from './vllm-version.ts';

export interface AppParts {
	readonly server: EmulatedServer;
	readonly sleepMode: SleepMode;
	readonly metricsPage: MetricsPage;
	readonly servedModel: string;
	readonly fingerprint: string;
	readonly seed: number;
	readonly lengths: LengthDistribution;
	readonly faults: Faults;
	/** Null: anybody may ask. */
	readonly apiKey: string | null;
	readonly flags: readonly EmulatorFlag[];
	/** Whether the development endpoints are there. */
	readonly isDevelopment: boolean;
	/** An engine death on order struck. */
	readonly onDeath: () => void;
	/** Hears of every request that is taken on, under the id of its answer. */
	readonly onRequest?: (answerId: string) => void;
}

/** Node's own request and answer, for what a `Response` cannot do: notice a client that leaves, and cut a connection. */
export type NodeEnv = {
	readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
};

/** vLLM's HTTP face. Bodies and statuses are those of vLLM 0.32, recorded in test/live/fixtures. */
export function createApp(parts: AppParts): Hono<NodeEnv> {
	const { server, sleepMode, servedModel } = parts;
	const { maxModelLen } = server.profile.engine;
	const app = new Hono<NodeEnv>();
	app.onError((error, c) => {
		const known = error instanceof ApiError ? error : new ApiError(500, 'InternalServerError', error.message);
		return c.json(known.body, known.status as 500);
	});
	app.notFound((c) => c.json({ detail: 'Not Found' }, 404));
	if (parts.flags.includes('request-id-headers')) app.use(tellRequestId);
	app.use(async (c, next) => {
		if (!isAllowed(c, parts.apiKey)) return c.json({ error: 'Unauthorized' }, 401);
		return await next();
	});

	const health = (c: Context<NodeEnv>): Response => c.body(null, server.isDead ? 503 : 200);
	app.get('/health', health);
	app.on(['GET', 'POST'], '/ping', health);
	app.get('/version', (c) => c.json({ version: VLLM_VERSION }));
	const load = new LoadCount(parts.flags.includes('server-load-tracking'));
	app.get('/load', (c) => c.json({ server_load: load.count }));
	app.get('/v1/models', (c) => c.json(modelList(servedModel, maxModelLen)));
	app.get('/metrics', async (c) => {
		const { text, contentType } = await parts.metricsPage.render(server.state(sleepMode.state));
		return c.body(text, 200, { 'content-type': contentType });
	});
	app.post('/v1/completions', (c) => generate(c, parts, load, readCompletionRequest, completionFace));
	app.post('/v1/chat/completions', (c) => generate(c, parts, load, readChatRequest, chatFace));
	addTokenRoutes(app, servedModel, maxModelLen);
	if (parts.isDevelopment) addDevelopmentRoutes(app, server, sleepMode);
	refuseOtherMethods(app);
	return app;
}

type ReadRequest = (body: Readonly<Record<string, unknown>>, context: RequestContext) => GenerationRequest;

async function generate(
	c: Context<NodeEnv>,
	parts: AppParts,
	load: LoadCount,
	read: ReadRequest,
	face: AnswerFace,
): Promise<Response> {
	const { server, servedModel, faults, fingerprint, seed, lengths } = parts;
	const { outgoing } = c.env;
	load.add(outgoing);
	const fault = faults.nextRequest();
	const requestNumber = faults.requestCount;
	if (fault?.kind === 'status') throw statusError(fault.status);
	const body = await readObject(c);
	const request = read(body, {
		servedModel,
		maxModelLen: server.profile.engine.maxModelLen,
		headers: { requestId: c.req.header('x-request-id'), priority: c.req.header('x-vllm-priority') },
		requestNumber,
	});
	if (fault?.kind === 'engine-death') {
		parts.onDeath();
		sendJson(outgoing, 500, engineDead().body);
		return RESPONSE_ALREADY_SENT;
	}
	if (server.isDead) throw engineDead();
	parts.onRequest?.(request.answerId);
	// Accepted, and never heard of again.
	if (fault?.kind === 'hang') return RESPONSE_ALREADY_SENT;
	sendAnswer({
		server,
		face,
		request,
		head: {
			id: request.answerId,
			created: Math.floor(Date.now() / 1000),
			model: servedModel,
			fingerprint,
		},
		planOf: (prompt, choice) => planSpeech(seed, prompt.speechKeys[choice] as string, prompt.wish, lengths),
		fault,
		tellsTimes: parts.flags.includes('per-request-metrics'),
		outgoing,
	});
	return RESPONSE_ALREADY_SENT;
}

/** Generation requests under way; none where nobody asked to count them. */
class LoadCount {
	count = 0;
	private readonly isTracked: boolean;

	constructor(isTracked: boolean) {
		this.isTracked = isTracked;
	}

	add(outgoing: ServerResponse): void {
		if (!this.isTracked) return;
		this.count++;
		outgoing.once('close', () => this.count--);
	}
}

/** Every answer carries the id of its request, or one at random. */
const tellRequestId: MiddlewareHandler<NodeEnv> = async (c, next) => {
	const id = c.req.header('x-request-id') ?? randomUUID().replaceAll('-', '');
	// A stream is written past the framework.
	c.env.outgoing.setHeader('x-request-id', id);
	await next();
};

/** The key guards what begins with `/v1`, unknown routes included. */
function isAllowed(c: Context<NodeEnv>, apiKey: string | null): boolean {
	if (apiKey === null || !/^\/v[12]/.test(c.req.path) || c.req.method === 'OPTIONS') return true;
	const [scheme, given = ''] = (c.req.header('authorization') ?? '').split(/ (.*)/s);
	const [wanted, got] = [Buffer.from(apiKey), Buffer.from(given)];
	return scheme?.toLowerCase() === 'bearer' && got.length === wanted.length && timingSafeEqual(got, wanted);
}

function modelList(servedModel: string, maxModelLen: number): object {
	const created = Math.floor(Date.now() / 1000);
	const permission = {
		id: `modelperm-${servedModel}`,
		object: 'model_permission',
		created,
		allow_create_engine: false,
		allow_sampling: true,
		allow_logprobs: true,
		allow_search_indices: false,
		allow_view: true,
		allow_fine_tuning: false,
		organization: '*',
		group: null,
		is_blocking: false,
	};
	const model = {
		id: servedModel,
		object: 'model',
		created,
		owned_by: 'vllm',
		root: servedModel,
		parent: null,
		max_model_len: maxModelLen,
		permission: [permission],
	};
	return { object: 'list', data: [model] };
}

/** A known path asked in another way is no unknown path. */
function refuseOtherMethods(app: Hono<NodeEnv>): void {
	const methods = new Map<string, string[]>();
	for (const { path, method } of app.routes)
		if (method !== 'ALL') methods.set(path, [...(methods.get(path) ?? []), method]);
	for (const [path, allowed] of methods)
		app.all(path, (c) => c.json({ detail: 'Method Not Allowed' }, 405, { allow: allowed.join(', ') }));
}
