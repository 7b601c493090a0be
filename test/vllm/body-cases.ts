/** Requests whose answers are recorded from a real server: the surface that the emulator has to show. */

export interface BodyCase {
	readonly name: string;
	readonly method: 'GET' | 'POST' | 'DELETE';
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	/** Sent as JSON; a string is sent as it is. */
	readonly body?: unknown;
}

/** Cases of one file, sent one after the other. */
export interface BodyGroup {
	readonly file: string;
	readonly server: 'open' | 'guarded';
	readonly cases: readonly BodyCase[];
}

export const MODEL = 'tiny2';
/** Short, so that requests beyond it are small. */
export const MAX_MODEL_LEN = 1024;
/** Key of the `guarded` server, which runs without development endpoints, and with what is off by default: metrics in answers, ids in headers, load. */
export const API_KEY = 'key-of-the-recording';
export const GUARDED_ARGUMENTS: readonly string[] = [
	...['--api-key', API_KEY, '--enable-per-request-metrics', '--enable-request-id-headers'],
	'--enable-server-load-tracking',
];

/** Ids that make the next token certain whatever the weights are: `A`, and the end-of-sequence token. */
const ONLY_A = { '65': 100 };
const ONLY_END = { '257': 100 };

const get = (name: string, path: string): BodyCase => ({ name, method: 'GET', path });
const post = (name: string, path: string, body?: unknown): BodyCase => ({
	name,
	method: 'POST',
	path,
	...(body === undefined ? {} : { body }),
});
const complete = (name: string, fields: object): BodyCase =>
	post(name, '/v1/completions', { model: MODEL, prompt: 'Once upon', temperature: 0, ...fields });
const chat = (name: string, fields: object): BodyCase =>
	post(name, '/v1/chat/completions', {
		model: MODEL,
		messages: [{ role: 'user', content: 'Hello' }],
		temperature: 0,
		...fields,
	});

const usage = { stream: true, stream_options: { include_usage: true } };
/** Longer than one block of 128, so that the second time finds it in the cache. */
const longText = 'The same words again and again. '.repeat(10);

const completions: readonly BodyCase[] = [
	complete('text', { max_tokens: 8, logit_bias: ONLY_A }),
	complete('noise', { max_tokens: 8, seed: 1 }),
	complete('default-max-tokens', { logit_bias: ONLY_A }),
	complete('token-ids', { prompt: [72, 101, 108, 108, 111], max_tokens: 4, logit_bias: ONLY_A }),
	complete('two-prompts', { prompt: ['One', 'Three'], max_tokens: 3, logit_bias: ONLY_A }),
	complete('two-token-id-prompts', { prompt: [[79], [84, 119, 111]], max_tokens: 3, logit_bias: ONLY_A }),
	complete('n', { n: 2, max_tokens: 3, temperature: 1, seed: 7, logit_bias: ONLY_A }),
	complete('stop', { stop: ['AAA'], max_tokens: 8, logit_bias: ONLY_A }),
	complete('stop-included', {
		...{ stop: 'AAA', include_stop_str_in_output: true, max_tokens: 8 },
		logit_bias: ONLY_A,
	}),
	complete('stop-token', { stop_token_ids: [65], max_tokens: 8, logit_bias: ONLY_A }),
	complete('end-of-sequence', { max_tokens: 8, logit_bias: ONLY_END }),
	complete('min-tokens', { min_tokens: 3, max_tokens: 8, logit_bias: ONLY_END }),
	complete('min-tokens-and-stop', { min_tokens: 5, stop: ['AA'], max_tokens: 8, logit_bias: ONLY_A }),
	complete('ignore-eos', { ignore_eos: true, max_tokens: 4, logit_bias: ONLY_END }),
	complete('echo', { echo: true, max_tokens: 2, logit_bias: ONLY_A }),
	complete('logprobs', { logprobs: 1, max_tokens: 2, logit_bias: ONLY_A }),
	complete('return-token-ids', { return_token_ids: true, max_tokens: 3, logit_bias: ONLY_A }),
	complete('request-id-in-body', { request_id: 'mine', max_tokens: 1, logit_bias: ONLY_A }),
	{
		...complete('request-id-in-header', { request_id: 'mine', max_tokens: 1, logit_bias: ONLY_A }),
		headers: { 'X-Request-Id': 'header' },
	},
	complete('priority-under-fcfs', { priority: 5, max_tokens: 1, logit_bias: ONLY_A }),
	complete('unknown-field', { no_such_field: 1, max_tokens: 1, logit_bias: ONLY_A }),
	complete('long-first-time', { prompt: longText, max_tokens: 1, logit_bias: ONLY_A }),
	complete('long-second-time', { prompt: longText, max_tokens: 1, logit_bias: ONLY_A }),
	complete('long-with-cache-salt', { prompt: longText, cache_salt: 's', max_tokens: 1, logit_bias: ONLY_A }),
	complete('empty-text', { prompt: '', max_tokens: 1, logit_bias: ONLY_A }),
	complete('no-model', { model: undefined, max_tokens: 1, logit_bias: ONLY_A }),
	complete('stream', { stream: true, max_tokens: 3, logit_bias: ONLY_A }),
	complete('stream-usage', { ...usage, max_tokens: 3, logit_bias: ONLY_A }),
	complete('stream-continuous-usage', {
		stream: true,
		stream_options: { include_usage: true, continuous_usage_stats: true },
		...{ max_tokens: 3, logit_bias: ONLY_A },
	}),
	complete('stream-token-ids', { ...usage, return_token_ids: true, max_tokens: 3, logit_bias: ONLY_A }),
	complete('stream-n', { ...usage, n: 2, max_tokens: 2, temperature: 1, seed: 7, logit_bias: ONLY_A }),
	complete('stream-two-prompts', { ...usage, prompt: ['One', 'Three'], max_tokens: 2, logit_bias: ONLY_A }),
	complete('stream-stop', { ...usage, stop: ['AAA'], max_tokens: 8, logit_bias: ONLY_A }),
	complete('stream-stop-token', { ...usage, stop_token_ids: [65], max_tokens: 8, logit_bias: ONLY_A }),
	complete('stream-end-of-sequence', { ...usage, max_tokens: 8, logit_bias: ONLY_END }),
	complete('stream-min-tokens', { ...usage, min_tokens: 2, max_tokens: 8, logit_bias: ONLY_END }),
	complete('stream-one-token', { ...usage, max_tokens: 1, logit_bias: ONLY_A }),
	complete('stream-echo', { ...usage, echo: true, max_tokens: 2, logit_bias: ONLY_A }),
	complete('stream-long', { ...usage, prompt: longText, max_tokens: 1, logit_bias: ONLY_A }),
	complete('stream-incomplete-characters', { ...usage, max_tokens: 2, logit_bias: { '195': 100 } }),
];

const chats: readonly BodyCase[] = [
	chat('text', { max_tokens: 4, logit_bias: ONLY_A }),
	chat('max-completion-tokens', { max_completion_tokens: 3, logit_bias: ONLY_A }),
	chat('system-and-history', {
		messages: [
			{ role: 'system', content: 'Be short.' },
			{ role: 'user', content: 'Hi' },
			{ role: 'assistant', content: 'Hi.' },
			{ role: 'user', content: [{ type: 'text', text: 'Again' }] },
		],
		...{ max_tokens: 2, logit_bias: ONLY_A },
	}),
	chat('n', { n: 2, max_tokens: 2, temperature: 1, seed: 7, logit_bias: ONLY_A }),
	chat('stop', { stop: ['AAA'], max_tokens: 8, logit_bias: ONLY_A }),
	chat('end-of-sequence', { max_tokens: 8, logit_bias: ONLY_END }),
	chat('min-tokens', { min_tokens: 3, max_tokens: 8, logit_bias: ONLY_END }),
	chat('logprobs', { logprobs: true, top_logprobs: 1, max_tokens: 2, logit_bias: ONLY_A }),
	chat('return-token-ids', { return_token_ids: true, max_tokens: 2, logit_bias: ONLY_A }),
	chat('stream', { stream: true, max_tokens: 3, logit_bias: ONLY_A }),
	chat('stream-usage', { ...usage, max_tokens: 3, logit_bias: ONLY_A }),
	chat('stream-continuous-usage', {
		stream: true,
		stream_options: { include_usage: true, continuous_usage_stats: true },
		...{ max_tokens: 2, logit_bias: ONLY_A },
	}),
	chat('stream-token-ids', { ...usage, return_token_ids: true, max_tokens: 2, logit_bias: ONLY_A }),
	chat('stream-n', { ...usage, n: 2, max_tokens: 2, temperature: 1, seed: 7, logit_bias: ONLY_A }),
	chat('stream-stop', { ...usage, stop: ['AAA'], max_tokens: 8, logit_bias: ONLY_A }),
	chat('stream-end-of-sequence', { ...usage, max_tokens: 8, logit_bias: ONLY_END }),
	chat('stream-one-token', { ...usage, max_tokens: 1, logit_bias: ONLY_A }),
];

const tokenizer: readonly BodyCase[] = [
	post('tokenize', '/tokenize', { model: MODEL, prompt: 'Ab é' }),
	post('tokenize-no-model', '/tokenize', { prompt: 'A' }),
	post('tokenize-special', '/tokenize', { model: MODEL, prompt: '<s>A</s>' }),
	post('tokenize-strings', '/tokenize', { model: MODEL, prompt: 'Ab é', return_token_strs: true }),
	post('tokenize-chat', '/tokenize', { model: MODEL, messages: [{ role: 'user', content: 'A' }] }),
	post('tokenize-chat-without-opening', '/tokenize', {
		model: MODEL,
		messages: [{ role: 'user', content: 'A' }],
		add_generation_prompt: false,
	}),
	post('tokenize-unknown-model', '/tokenize', { model: 'nobody', prompt: 'A' }),
	post('tokenize-nothing', '/tokenize', { model: MODEL }),
	post('detokenize', '/detokenize', { model: MODEL, tokens: [65, 98, 32, 195, 169] }),
	post('detokenize-special', '/detokenize', { model: MODEL, tokens: [256, 65, 257] }),
	post('detokenize-none', '/detokenize', { model: MODEL, tokens: [] }),
	post('detokenize-negative', '/detokenize', { model: MODEL, tokens: [-1] }),
	post('detokenize-out-of-vocabulary', '/detokenize', { model: MODEL, tokens: [99999] }),
	post('detokenize-words', '/detokenize', { model: MODEL, tokens: ['A'] }),
];

const status: readonly BodyCase[] = [
	get('health', '/health'),
	get('ping', '/ping'),
	post('ping-post', '/ping'),
	get('models', '/v1/models'),
	get('version', '/version'),
	get('load', '/load'),
];

const development: readonly BodyCase[] = [
	get('is-sleeping', '/is_sleeping'),
	get('is-paused', '/is_paused'),
	post('pause', '/pause'),
	get('is-paused-while-paused', '/is_paused'),
	get('health-while-paused', '/health'),
	post('resume', '/resume'),
	post('pause-abort', '/pause?mode=abort'),
	post('resume-again', '/resume'),
	post('pause-wait', '/pause?mode=wait'),
	post('resume-after-wait', '/resume'),
	post('pause-keep', '/pause?mode=keep'),
	post('resume-after-keep', '/resume'),
	post('pause-unknown-mode', '/pause?mode=nonsense'),
	post('resume-without-pause', '/resume'),
	post('reset-prefix-cache', '/reset_prefix_cache'),
	post('abort-requests-all', '/abort_requests', { request_ids: [] }),
	post('abort-requests-unknown', '/abort_requests', { request_ids: ['cmpl-nobody'] }),
	post('abort-requests-no-body', '/abort_requests'),
	post('sleep-without-sleep-mode', '/sleep?level=1'),
	get('is-sleeping-after-that', '/is_sleeping'),
	get('is-paused-after-that', '/is_paused'),
	get('health-after-that', '/health'),
	post('wake-up-without-sleep-mode', '/wake_up'),
	get('is-sleeping-after-waking', '/is_sleeping'),
	post('sleep-level-2', '/sleep?level=2&mode=wait'),
	post('wake-up-weights', '/wake_up?tags=weights'),
	get('is-sleeping-with-weights-awake', '/is_sleeping'),
	post('wake-up-kv-cache', '/wake_up?tags=kv_cache'),
	post('wake-up-unknown-tag', '/wake_up?tags=nonsense'),
	post('sleep-unknown-mode', '/sleep?level=1&mode=nonsense'),
	post('sleep-words', '/sleep?level=deep'),
	get('is-sleeping-at-the-end', '/is_sleeping'),
];

const raw = (name: string, path: string, body: string, type = 'application/json'): BodyCase => ({
	name,
	method: 'POST',
	path,
	headers: { 'Content-Type': type },
	body,
});

const errors: readonly BodyCase[] = [
	raw('broken-json', '/v1/completions', '{"model": '),
	raw('list-for-object', '/v1/completions', '[]'),
	raw('empty-body', '/v1/completions', ''),
	raw('plain-text', '/v1/completions', '{"model":"tiny2","prompt":"A","max_tokens":1}', 'text/plain'),
	post('no-prompt', '/v1/completions', { model: MODEL }),
	post('no-messages', '/v1/chat/completions', { model: MODEL }),
	complete('unknown-model', { model: 'nobody' }),
	chat('chat-unknown-model', { model: 'nobody' }),
	complete('unknown-model-stream', { model: 'nobody', stream: true }),
	complete('prompt-too-long', { prompt: 'A'.repeat(1500), max_tokens: 1 }),
	complete('prompt-fills-context', { prompt: 'A'.repeat(1024), max_tokens: 1 }),
	complete('prompt-and-output-too-long', { prompt: 'A'.repeat(1000), max_tokens: 100 }),
	complete('prompt-and-output-too-long-stream', { ...usage, prompt: 'A'.repeat(1000), max_tokens: 100 }),
	complete('token-ids-too-long', { prompt: Array(1024).fill(65), max_tokens: 1 }),
	complete('max-tokens-beyond-context', { max_tokens: 1500 }),
	chat('chat-too-long', { messages: [{ role: 'user', content: 'A'.repeat(1500) }], max_tokens: 1 }),
	chat('chat-output-too-long', { max_tokens: 1500 }),
	complete('stream-options-without-stream', { stream_options: { include_usage: true }, max_tokens: 1 }),
	chat('chat-stream-options-without-stream', { stream_options: { include_usage: true }, max_tokens: 1 }),
	complete('negative-max-tokens', { max_tokens: -1 }),
	complete('zero-max-tokens', { max_tokens: 0 }),
	complete('words-for-max-tokens', { max_tokens: 'many' }),
	complete('fraction-for-max-tokens', { max_tokens: 1.5 }),
	complete('number-for-prompt', { prompt: 5 }),
	complete('empty-prompt-list', { prompt: [] }),
	complete('empty-token-list', { prompt: [[]] }),
	complete('token-out-of-vocabulary', { prompt: [70000], max_tokens: 1 }),
	complete('negative-token', { prompt: [-1], max_tokens: 1 }),
	complete('negative-temperature', { temperature: -1 }),
	complete('top-p-beyond-one', { top_p: 2 }),
	complete('zero-n', { n: 0 }),
	complete('n-with-greedy-sampling', { n: 2, max_tokens: 1 }),
	complete('min-above-max-tokens', { min_tokens: 9, max_tokens: 4 }),
	complete('empty-stop', { stop: [''] }),
	complete('number-for-stop', { stop: 5 }),
	complete('too-many-logprobs', { logprobs: 100 }),
	complete('words-for-stream', { stream: 'maybe' }),
	complete('words-for-ignore-eos', { ignore_eos: 'maybe' }),
	complete('words-for-priority', { priority: 'high' }),
	chat('text-for-messages', { messages: 'Hello' }),
	chat('empty-messages', { messages: [], max_tokens: 1 }),
	chat('message-without-role', { messages: [{ content: 'Hello' }] }),
	get('unknown-route', '/v1/nothing'),
	post('unknown-route-post', '/v1/nothing', {}),
	get('wrong-method', '/v1/completions'),
	{ name: 'wrong-method-delete', method: 'DELETE', path: '/v1/models' },
];

const withKey = (key: string, each: BodyCase): BodyCase => ({
	...each,
	headers: { Authorization: `Bearer ${key}` },
});
const guarded: readonly BodyCase[] = [
	complete('no-key', { max_tokens: 1 }),
	withKey('another-key', complete('wrong-key', { max_tokens: 1 })),
	withKey(API_KEY, complete('right-key', { max_tokens: 1, logit_bias: ONLY_A })),
	withKey(API_KEY, complete('stream-right-key', { ...usage, max_tokens: 3, logit_bias: ONLY_A })),
	withKey(API_KEY, complete('n-right-key', { n: 2, temperature: 1, max_tokens: 3, logit_bias: ONLY_A })),
	withKey(API_KEY, chat('chat-right-key', { max_tokens: 3, logit_bias: ONLY_A })),
	withKey(API_KEY, chat('chat-stream-right-key', { ...usage, max_tokens: 3, logit_bias: ONLY_A })),
	{
		...complete('request-id-right-key', { max_tokens: 1, logit_bias: ONLY_A }),
		headers: { Authorization: `Bearer ${API_KEY}`, 'X-Request-Id': 'mine' },
	},
	get('models-no-key', '/v1/models'),
	withKey(API_KEY, get('models-right-key', '/v1/models')),
	get('unknown-route-no-key', '/v1/nothing'),
	get('health-no-key', '/health'),
	get('version-no-key', '/version'),
	post('tokenize-no-key', '/tokenize', { model: MODEL, prompt: 'A' }),
	get('load-no-key', '/load'),
	get('is-sleeping-without-development-mode', '/is_sleeping'),
	post('sleep-without-development-mode', '/sleep'),
	post('reset-prefix-cache-without-development-mode', '/reset_prefix_cache'),
];

export const bodyGroups: readonly BodyGroup[] = [
	{ file: 'completions', server: 'open', cases: completions },
	{ file: 'chat', server: 'open', cases: chats },
	{ file: 'tokenizer', server: 'open', cases: tokenizer },
	{ file: 'status', server: 'open', cases: status },
	{ file: 'development', server: 'open', cases: development },
	{ file: 'errors', server: 'open', cases: errors },
	{ file: 'guarded', server: 'guarded', cases: guarded },
];
