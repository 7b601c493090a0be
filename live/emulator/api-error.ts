/** A refusal in vLLM's words: `{"error": {message, type, param, code}}`. */
export class ApiError extends Error {
	readonly status: number;
	/** vLLM's name for the kind of error. */
	readonly type: string;
	/** The field at fault. */
	readonly param: string | null;

	constructor(status: number, type: string, message: string, param: string | null = null) {
		super(message);
		this.name = 'ApiError';
		this.status = status;
		this.type = type;
		this.param = param;
	}

	get body(): { readonly error: object } {
		const { message, type, param, status } = this;
		return { error: { message, type, param, code: status } };
	}
}

/** @param value as Python prints it; shown only with a parameter */
export function badRequest(message: string, param: string | null = null, value?: string | number): ApiError {
	const about = param === null ? '' : ` (parameter=${param}${value === undefined ? '' : `, value=${value}`})`;
	return new ApiError(400, 'BadRequestError', message + about, param);
}

export const unknownModel = (asked: string, served: string): ApiError =>
	new ApiError(
		404,
		'NotFoundError',
		`The model \`${asked}\` does not exist. Valid aliases: ${served}.`,
		'model',
	);

/** What the emulator has no model of. vLLM itself would do it. */
export const notEmulated = (what: string): ApiError =>
	new ApiError(501, 'NotImplementedError', `${what} is not emulated`);

export const engineDead = (): ApiError =>
	new ApiError(
		500,
		'InternalServerError',
		'EngineCore encountered an issue. See stack trace (above) for the root cause.',
	);

/** An error of a status that was asked for. */
export const statusError = (status: number): ApiError =>
	new ApiError(status, STATUS_TYPES[status] ?? 'InternalServerError', `fault on order: status ${status}`);

const STATUS_TYPES: Readonly<Record<number, string>> = {
	400: 'BadRequestError',
	401: 'Unauthorized',
	404: 'NotFoundError',
	422: 'UnprocessableEntityError',
	429: 'TooManyRequests',
	501: 'NotImplementedError',
	503: 'ServiceUnavailableError',
};
