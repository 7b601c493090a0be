/**
 * Records what a real vLLM server answers to the requests of `body-cases.ts`, into test/live/fixtures/vllm-VERSION:
 * `node -r ts-node/register test/vllm/record-bodies.ts`. README there says what the files hold.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type BodyCase, bodyGroups, GUARDED_ARGUMENTS, MAX_MODEL_LEN, MODEL } from './body-cases.ts';
import { fixtureFolder, format, writeJson } from './fixture-files.ts';
import { installVllm, makeModels, vllmHome } from './installation.ts';
import { type RealServer, startRealServer } from './real-server.ts';

interface Recorded {
	readonly name: string;
	readonly request: Omit<BodyCase, 'name'>;
	readonly response: {
		readonly status: number;
		readonly headers: Readonly<Record<string, string>>;
		/** JSON where it is JSON, else text. */
		readonly body?: unknown;
		/** Of a stream: what stood behind each `data: `. */
		readonly events?: readonly unknown[];
	};
}

/** Others tell the day and the way, not the answer. */
const KEPT_HEADERS = ['content-type', 'x-request-id', 'www-authenticate', 'allow', 'transfer-encoding'];
const PORT = 8471;

async function main(): Promise<void> {
	const python = await installVllm();
	await makeModels(python, [MODEL]);
	const shared = { python, folder: vllmHome(), model: MODEL, port: PORT, core: 0 };
	const short = ['--max-model-len', String(MAX_MODEL_LEN)];

	let folder = '';
	const open = await startRealServer({ ...shared, developmentMode: true, extraArguments: short });
	try {
		folder = await fixtureFolder(open);
		await recordGroups('open', open, folder);
		writeJson(folder, 'aborted', await recordAborted(open));
		writeFileSync(path.join(folder, 'metrics.txt'), await (await fetch(`${open.baseUrl}/metrics`)).text());
	} finally {
		await open.stop();
	}
	const guarded = await startRealServer({
		...shared,
		developmentMode: false,
		extraArguments: [...short, ...GUARDED_ARGUMENTS],
	});
	try {
		await recordGroups('guarded', guarded, folder);
	} finally {
		await guarded.stop();
	}
	format(folder);
}

async function recordGroups(kind: 'open' | 'guarded', server: RealServer, folder: string): Promise<void> {
	for (const { file, server: wanted, cases } of bodyGroups) {
		if (wanted !== kind) continue;
		const recorded: Recorded[] = [];
		for (const each of cases) recorded.push(await record(server.baseUrl, each));
		writeJson(folder, file, recorded);
	}
}

/** What a stream says whose request is aborted by its id after the first token, and what the abort says. */
async function recordAborted(server: RealServer): Promise<readonly Recorded[]> {
	const victim: BodyCase = {
		name: 'stream-aborted',
		method: 'POST',
		path: '/v1/completions',
		headers: { 'X-Request-Id': 'victim' },
		body: {
			model: MODEL,
			prompt: 'A',
			max_tokens: MAX_MODEL_LEN - 1,
			ignore_eos: true,
			stream: true,
			temperature: 0,
			logit_bias: { '65': 100 },
		},
	};
	const response = await send(server.baseUrl, victim);
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
	let text = (await reader?.read())?.value ?? '';
	const abort = await record(server.baseUrl, {
		name: 'abort-requests-one',
		method: 'POST',
		path: '/abort_requests',
		body: { request_ids: ['cmpl-victim-0'] },
	});
	for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read())
		text += part.value;
	const all = describe(victim, response, text);
	const events = all.response.events ?? [];
	// The tokens before the abort are as many as the moment allowed: the first two and the end say it all.
	const kept = events.length > 5 ? [...events.slice(0, 2), ...events.slice(-3)] : events;
	return [{ ...all, response: { ...all.response, events: kept } }, abort];
}

async function record(baseUrl: string, each: BodyCase): Promise<Recorded> {
	const response = await send(baseUrl, each);
	return describe(each, response, await response.text());
}

function send(baseUrl: string, { method, path, headers, body }: BodyCase): Promise<Response> {
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	return fetch(baseUrl + path, {
		method,
		headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
		...(body === undefined ? {} : { body: text }),
		signal: AbortSignal.timeout(60_000),
	});
}

function describe({ name, ...request }: BodyCase, response: Response, text: string): Recorded {
	const headers = Object.fromEntries(
		KEPT_HEADERS.flatMap((key) => {
			const value = response.headers.get(key);
			return value === null ? [] : [[key, value]];
		}),
	);
	const isStream = headers['content-type']?.startsWith('text/event-stream') ?? false;
	return {
		name,
		request,
		response: {
			status: response.status,
			headers,
			...(isStream ? { events: eventsOf(name, text) } : { body: parsed(text) }),
		},
	};
}

/** @throws Error when the stream is framed in another way than `data: X` and an empty line: then the fixtures would not tell all */
function eventsOf(name: string, text: string): readonly unknown[] {
	const parts = text.split('\n\n');
	if (parts.pop() !== '' || parts.some((part) => !part.startsWith('data: ') || part.includes('\n')))
		throw new Error(`${name}: a stream framed in another way:\n${text}`);
	return parts.map((part) => parsed(part.slice('data: '.length)));
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

void main();
