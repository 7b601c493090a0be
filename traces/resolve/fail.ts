import type { UsageError } from '../../sim/domain/errors.ts';
import type { FieldPath } from '../experiment-text.ts';

/** Makes the error for one field of the experiment: throw what it returns. */
export type Fail = (path: FieldPath, code: string, expected: string, got: string) => UsageError;
