import { UsageError } from '../domain/errors.ts';

/**
 * An error for the way out of a worker thread, where only message, stack and cause of an error survive. A mistake of the
 * user leaves its code in the cause.
 */
export const departing = (error: unknown): unknown =>
	error instanceof UsageError ? new Error(error.message, { cause: { usageCode: error.code } }) : error;

/** The error as it was before its journey. */
export function arrived(error: unknown): unknown {
	if (!(error instanceof Error)) return error;
	const cause = error.cause as { usageCode?: unknown } | undefined;
	return typeof cause?.usageCode === 'string' ? new UsageError(cause.usageCode, error.message) : error;
}
