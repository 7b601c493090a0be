import { ApiError } from './api-error.ts';

/** One thing that is wrong with a request, in the words of pydantic, which checks them in vLLM. */
export interface Issue {
	readonly type: string;
	/** Dotted path, from `body` or `query`. */
	readonly place: string;
	readonly message: string;
	readonly input: unknown;
	/** Further facts, as Python prints them. */
	readonly context?: string;
}

export function invalid(issues: readonly Issue[]): ApiError {
	const count = `${issues.length} validation ${issues.length === 1 ? 'error' : 'errors'}`;
	const lines = issues.slice(0, MOST_REPORTED).map((issue) => `\n  ${describe(issue)}`);
	const left = issues.length - lines.length;
	if (left > 0) lines.push(`\n  ...and ${left} more errors`);
	return new ApiError(400, 'Bad Request', `${count}:${lines.join('')}`, issues[0]?.place ?? null);
}

const MOST_REPORTED = 10;

/**
 * Reads fields of a JSON object as leniently as pydantic does (numbers in text, whole floats), and gathers what is wrong with them.
 * A field that is absent, null or wrong reads as undefined.
 */
export class FieldReader {
	readonly issues: Issue[] = [];
	private readonly fields: Readonly<Record<string, unknown>>;
	private readonly place: string;

	constructor(fields: Readonly<Record<string, unknown>>, place = 'body') {
		this.fields = fields;
		this.place = place;
	}

	/** As it came. */
	raw(name: string): unknown {
		return this.fields[name] ?? undefined;
	}

	/** @throws ApiError with all that was wrong so far */
	check(): void {
		if (this.issues.length > 0) throw invalid(this.issues);
	}

	required(name: string): unknown {
		const value = this.raw(name);
		if (value === undefined) this.add('missing', name, 'Field required', this.fields);
		return value;
	}

	whole(name: string): number | undefined {
		const value = this.raw(name);
		return value === undefined ? undefined : this.asWhole(name, value);
	}

	number(name: string): number | undefined {
		const value = this.raw(name);
		if (value === undefined || typeof value === 'number') return value;
		const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
		if (!Number.isNaN(parsed)) return parsed;
		if (typeof value === 'string')
			this.add(
				'float_parsing',
				name,
				'Input should be a valid number, unable to parse string as a number',
				value,
			);
		else this.add('float_type', name, 'Input should be a valid number', value);
		return undefined;
	}

	flag(name: string): boolean | undefined {
		const value = this.raw(name);
		if (value === undefined || typeof value === 'boolean') return value;
		if (TRUE_WORDS.has(String(value).toLowerCase())) return true;
		if (FALSE_WORDS.has(String(value).toLowerCase())) return false;
		this.add('bool_parsing', name, 'Input should be a valid boolean, unable to interpret input', value);
		return undefined;
	}

	text(name: string): string | undefined {
		const value = this.raw(name);
		if (value === undefined || typeof value === 'string') return value;
		this.add('string_type', name, 'Input should be a valid string', value);
		return undefined;
	}

	/** One text or a list of them. */
	texts(name: string): readonly string[] {
		const value = this.raw(name);
		if (value === undefined) return [];
		if (typeof value === 'string') return [value];
		if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
		this.add('string_type', name, 'Input should be a valid string', value);
		if (!Array.isArray(value)) this.add('list_type', name, 'Input should be a valid list', value);
		return [];
	}

	wholes(name: string): readonly number[] {
		const value = this.raw(name);
		if (value === undefined) return [];
		if (!Array.isArray(value)) {
			this.add('list_type', name, 'Input should be a valid list', value);
			return [];
		}
		return value.flatMap((item, index) => this.asWhole(`${name}.${index}`, item) ?? []);
	}

	object(name: string): Readonly<Record<string, unknown>> | undefined {
		const value = this.raw(name);
		if (value === undefined || isObject(value)) return value;
		this.add('dict_type', name, 'Input should be a valid dictionary', value);
		return undefined;
	}

	add(type: string, name: string, message: string, input: unknown, context?: string): void {
		const place = name === '' ? this.place : `${this.place}.${name}`;
		this.issues.push({ type, place, message, input, ...(context === undefined ? {} : { context }) });
	}

	private asWhole(name: string, value: unknown): number | undefined {
		if (typeof value === 'string') {
			if (/^\s*[-+]?\d+\s*$/.test(value)) return Number(value);
			const message = 'Input should be a valid integer, unable to parse string as an integer';
			this.add('int_parsing', name, message, value);
		} else if (typeof value === 'number') {
			if (Number.isInteger(value)) return value;
			const message = 'Input should be a valid integer, got a number with a fractional part';
			this.add('int_from_float', name, message, value);
		} else if (typeof value === 'boolean') return value ? 1 : 0;
		else this.add('int_type', name, 'Input should be a valid integer', value);
		return undefined;
	}
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value);

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'true', 't', 'yes', 'y', 'on']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'false', 'f', 'no', 'n', 'off']);

function describe({ type, place, message, input, context }: Issue): string {
	const further = context === undefined ? '' : `, 'ctx': ${context}`;
	return `{'type': ${quoted(type)}, 'loc': ${quoted(place)}, 'msg': ${quoted(message)}, 'input': ${quoted(shown(input))}${further}}`;
}

/** A text as Python's repr writes it. */
function quoted(text: string): string {
	const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
	const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
	return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** What came, in short, as vLLM shows it. */
function shown(input: unknown): string {
	if (Array.isArray(input)) return `<list of ${input.length} items>`;
	if (isObject(input)) return `<dict of ${Object.keys(input).length} items>`;
	if (input === undefined || input === null) return 'None';
	if (typeof input === 'boolean') return input ? 'True' : 'False';
	const text = String(input);
	return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...[truncated]` : text;
}

const MOST_SHOWN = 200;
