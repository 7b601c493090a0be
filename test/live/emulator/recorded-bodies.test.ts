import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { API_KEY, eventsOf, MODEL, readyEmulator, type TestEmulator } from './emulator-fixture.ts';

/** What a real vLLM 0.32.0 answered (fixtures/README.md), against what the emulator answers to the same requests in the same order. */
const folder = path.resolve(__dirname, '../fixtures/vllm-0.32.0');

interface Recorded {
	readonly name: string;
	readonly request: {
		readonly method: string;
		readonly path: string;
		readonly headers?: Readonly<Record<string, string>>;
		readonly body?: unknown;
	};
	readonly response: {
		readonly status: number;
		readonly headers: Readonly<Record<string, string>>;
		readonly body?: unknown;
		readonly events?: readonly unknown[];
	};
}

const recorded = (file: string): readonly Recorded[] =>
	JSON.parse(readFileSync(path.join(folder, `${file}.json`), 'utf8')) as Recorded[];

/** Values that are another each time, or each server's own. */
const OWN_VALUES: ReadonlySet<string> = new Set(['created', 'system_fingerprint', 'root']);
/** What a model with random weights said, and how sure it was. */
const WORDS: ReadonlySet<string> = new Set([
	'noise',
	'min-tokens',
	'stream-min-tokens',
	'prompt-and-output-too-long',
	'prompt-and-output-too-long-stream',
]);
const SAID: ReadonlySet<string> = new Set(['text', 'content']);
const TIMES = /_ms$|^tokens_per_second$/;
const LOGPROBS: ReadonlySet<string> = new Set(['logprob', 'token_logprobs', 'top_logprobs']);

/** A body with values that cannot agree replaced by their type; key order stays as it is. */
function comparable(name: string, value: unknown, key = ''): unknown {
	if (OWN_VALUES.has(key) || LOGPROBS.has(key) || (TIMES.test(key) && value !== null)) return typeof value;
	if (key === 'id' && typeof value === 'string') return value.replace(/-(?!mine$|header$|victim$).*/, '-*');
	if (SAID.has(key) && WORDS.has(name) && typeof value === 'string') return typeof value;
	if (Array.isArray(value)) return value.map((item) => comparable(name, item));
	if (typeof value !== 'object' || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([each, item]) => [each, comparable(name, item, each)]),
	);
}

/** In the order of the choices: how those of one step follow each other is no promise. */
function byChoice(events: readonly unknown[]): readonly unknown[] {
	const choiceOf = (event: unknown): number =>
		(event as { choices?: { index: number }[] }).choices?.[0]?.index ?? Number.POSITIVE_INFINITY;
	return events.toSorted((a, b) => choiceOf(a) - choiceOf(b) || 0);
}

async function ask({ baseUrl }: TestEmulator, { request }: Recorded): Promise<Recorded['response']> {
	const { method, path: asked, headers, body } = request;
	const response = await fetch(baseUrl + asked, {
		method,
		headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
		...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
	});
	const text = await response.text();
	const type = response.headers.get('content-type') ?? '';
	return {
		status: response.status,
		headers: Object.fromEntries(response.headers),
		...(type.startsWith('text/event-stream')
			? { events: eventsOf(text) }
			: { body: type.startsWith('application/json') ? (JSON.parse(text) as unknown) : text }),
	};
}

async function compare(server: TestEmulator, each: Recorded): Promise<void> {
	const { name, response } = each;
	const got = await ask(server, each);
	// Compared as text, so that the order of keys counts too.
	const shown = ({ status, body, events }: Recorded['response']): string =>
		JSON.stringify(
			{
				status,
				...(events === undefined ? { body: comparable(name, body) } : {}),
				...(events === undefined ? {} : { events: comparable(name, byChoice(events)) }),
			},
			null,
			'\t',
		);
	expect(shown(got), name).toBe(shown(response));
	expect(got.headers['x-request-id']?.length, name).toBe(response.headers['x-request-id']?.length);
	for (const header of ['content-type', 'allow'])
		if (response.headers[header] !== undefined)
			expect(got.headers[header], `${name}: ${header}`).toBe(response.headers[header]);
}

const open = (): Promise<TestEmulator> => readyEmulator({ flags: [] });

describe('answers key by key as a real vLLM 0.32.0 does', () => {
	// One server a file, as in the recording: what one request leaves in the cache the next one finds.
	it.each(['completions', 'chat', 'tokenizer', 'status', 'development'])('%s', async (file) => {
		const server = await open();
		for (const each of recorded(file)) await compare(server, each);
	});

	it('errors', async () => {
		const server = await open();
		// pydantic reports every kind of message that it could not be; the emulator only the first two.
		for (const each of recorded('errors'))
			if (each.name !== 'message-without-role') await compare(server, each);
	});

	it('guarded by a key, without development endpoints', async () => {
		const flags = ['per-request-metrics', 'request-id-headers', 'server-load-tracking'] as const;
		const server = await readyEmulator({ flags }, { apiKey: API_KEY, isDevelopment: false });
		for (const each of recorded('guarded')) await compare(server, each);
	});

	it('a stream whose request is aborted', async () => {
		const server = await open();
		const [stream, abort] = recorded('aborted') as [Recorded, Recorded];
		const body = stream.request.body as { max_tokens: number };
		server.clock.hold(true);
		const response = await fetch(`${server.baseUrl}/v1/completions`, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', ...stream.request.headers },
			body: JSON.stringify(body),
		});
		server.clock.pass(15_000);
		await compare(server, abort);
		const events = eventsOf(await response.text());
		const known = stream.response.events ?? [];
		const pick = (all: readonly unknown[]): unknown => comparable('', [all[0], ...all.slice(-2)]);
		expect(pick(events)).toEqual(pick(known));
		expect(events).toHaveLength(3);
	});
});

it('an unknown model is not the one it serves', () => {
	expect(recorded('status').find(({ name }) => name === 'models')?.response.body).toMatchObject({
		data: [{ id: MODEL }],
	});
});
