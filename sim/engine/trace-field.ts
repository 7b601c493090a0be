import { UsageError } from '../domain/errors.ts';

/** A value of the file together with where it stands, so that every complaint can name its place. */
export class TraceField {
	readonly value: unknown;
	private readonly where: string;
	private readonly path: string;

	constructor(where: string, path: string, value: unknown) {
		this.where = where;
		this.path = path;
		this.value = value;
	}

	child(key: string | number): TraceField {
		const { value } = this;
		const found =
			typeof value === 'object' && value !== null
				? (value as Record<string | number, unknown>)[key]
				: undefined;
		const step = typeof key === 'number' ? `[${key}]` : this.path === '' ? key : `.${key}`;
		return new TraceField(this.where, this.path + step, found);
	}

	has(key: string): boolean {
		return this.child(key).value !== undefined;
	}

	isNull(key: string): boolean {
		return this.child(key).value === null;
	}

	list(key: string): TraceField[] {
		const field = this.child(key);
		if (!Array.isArray(field.value)) throw field.error('a list');
		return field.value.map((_, index) => field.child(index));
	}

	text(key: string | number): string {
		const field = this.child(key);
		if (typeof field.value !== 'string') throw field.error('a text');
		return field.value;
	}

	whole(key: string | number, least = 0): number {
		const field = this.child(key);
		const { value } = field;
		if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
		throw field.error(
			least === Number.MIN_SAFE_INTEGER ? 'a whole number' : `a whole number of at least ${least}`,
		);
	}

	/** The value itself as a position in a list of `count`. */
	position(count: number): number {
		const { value } = this;
		if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < count) return value;
		throw this.error(`the id of one of ${count} requests`);
	}

	share(key: string): number {
		const field = this.child(key);
		const { value } = field;
		if (typeof value === 'number' && value >= 0 && value <= 1) return value;
		throw field.error('a number from 0 to 1');
	}

	oneOf<const T>(key: string, choices: readonly T[]): T {
		const field = this.child(key);
		for (const choice of choices) if (choice === field.value) return choice;
		throw field.error(choices.map((choice) => JSON.stringify(choice)).join(' or '));
	}

	error(expected: string): UsageError {
		const got = this.value === undefined ? 'nothing' : JSON.stringify(this.value).slice(0, 60);
		const field = this.path === '' ? 'the line' : this.path;
		return new UsageError('E_TRACE', `${this.where}: ${field}: expected ${expected}, got ${got}`);
	}
}
