import { errors } from 'undici';

/**
 * refused: nobody listens or the host cannot be reached; reset: the connection was cut; status: an answer with an error status; error-event: an
 * error inside a stream that began well; cut-short: a stream that ended without its end; first-token, silence, time-out: a limit passed;
 * not-vllm: an answer that no vLLM server gives; cancelled: we gave it up ourselves.
 */
export type FailureKind =
	| 'refused'
	| 'reset'
	| 'status'
	| 'error-event'
	| 'cut-short'
	| 'first-token'
	| 'silence'
	| 'time-out'
	| 'not-vllm'
	| 'cancelled';

/** Why a request to a server came to nothing: the world's failure, one line, without any key. */
export class ServerFailure extends Error {
	readonly kind: FailureKind;
	/** HTTP status, also of an error inside a stream; else null. */
	readonly status: number | null;

	constructor(kind: FailureKind, message: string, status: number | null = null) {
		super(message);
		this.name = 'ServerFailure';
		this.kind = kind;
		this.status = status;
	}
}

/** Statuses of 400 and above that say nothing about the request itself: a gateway's time-out and its rate limit. vLLM sends neither. */
const WORTH_ANOTHER_TRY: ReadonlySet<number> = new Set([408, 429]);

/** Whether the same request would fail again. */
export function isFinal({ kind, status }: ServerFailure): boolean {
	if (kind === 'not-vllm') return true;
	return status !== null && status >= 400 && status < 500 && !WORTH_ANOTHER_TRY.has(status);
}

/** What undici threw, in our words. */
export function connectionFailure(error: unknown): ServerFailure {
	if (error instanceof ServerFailure) return error;
	const { code, message } = innermost(error);
	if (REFUSED.has(code)) return new ServerFailure('refused', `no connection (${code})`);
	if (error instanceof errors.HTTPParserError || code.startsWith('HPE_'))
		return new ServerFailure('not-vllm', `no HTTP came back (${message})`);
	return new ServerFailure('reset', `connection lost (${code === '' ? message : code})`);
}

/**
 * The failure that an error body of vLLM stands for: `{"error":{"message","type","param","code"}}`, or `{"error":"Unauthorized"}`.
 * @param body as text; anything else is quoted
 */
export function statusFailure(status: number, body: string): ServerFailure {
	const error = errorOf(body);
	const said = typeof error === 'string' ? error : error?.message;
	const type = typeof error === 'object' && typeof error?.type === 'string' ? ` ${error.type}` : '';
	return new ServerFailure('status', `HTTP ${status}${type}: ${oneLine(said ?? body)}`, status);
}

/** @param error the content of `error` in an event of a stream */
export function eventFailure(error: unknown): ServerFailure {
	const { message, code } = (typeof error === 'object' ? error : null) as Partial<VllmError>;
	const status = typeof code === 'number' ? code : null;
	const said = typeof message === 'string' ? message : JSON.stringify(error);
	return new ServerFailure('error-event', `error in the stream: ${oneLine(said)}`, status);
}

interface VllmError {
	readonly message: string;
	readonly type: string;
	readonly code: number;
}

const REFUSED: ReadonlySet<string> = new Set([
	'ECONNREFUSED',
	'EHOSTUNREACH',
	'ENETUNREACH',
	'ENOTFOUND',
	'EAI_AGAIN',
	'ETIMEDOUT',
	'UND_ERR_CONNECT_TIMEOUT',
]);

/** undici wraps what the socket said, and several attempts to connect come as one error. */
function innermost(error: unknown): { readonly code: string; readonly message: string } {
	let at = error;
	for (let depth = 0; depth < 5; depth++) {
		const { code, cause, errors: inner } = at as { code?: unknown; cause?: unknown; errors?: unknown[] };
		const next = cause ?? (Array.isArray(inner) ? inner[0] : undefined);
		if (next === undefined || (typeof code === 'string' && REFUSED.has(code))) break;
		at = next;
	}
	const { code, message } = at as { code?: unknown; message?: unknown };
	return { code: typeof code === 'string' ? code : '', message: oneLine(String(message)) };
}

function errorOf(body: string): Partial<VllmError> | string | undefined {
	try {
		const { error, detail, ...rest } = JSON.parse(body) as Partial<VllmError> & {
			error?: Partial<VllmError> | string;
			detail?: unknown;
		};
		// Older releases put the fields at the top; what its web framework refuses has a `detail` instead.
		const said = typeof rest.message === 'string' ? rest : typeof detail === 'string' ? detail : undefined;
		return error ?? said;
	} catch {
		return undefined;
	}
}

const MAX_WORDS = 400;

function oneLine(text: string): string {
	const line = text.replace(/\s+/g, ' ').trim();
	return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
