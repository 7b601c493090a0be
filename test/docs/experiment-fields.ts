/** The field table of docs/experiment.md, from the JSON Schema. */
interface JsonSchema {
	readonly type?: string;
	readonly description?: string;
	readonly default?: unknown;
	readonly enum?: readonly unknown[];
	readonly const?: unknown;
	readonly properties?: Readonly<Record<string, JsonSchema>>;
	readonly additionalProperties?: JsonSchema | boolean;
	readonly items?: JsonSchema;
	readonly anyOf?: readonly JsonSchema[];
	readonly oneOf?: readonly JsonSchema[];
	readonly required?: readonly string[];
}

const BEGIN = /<!-- fields:.*?-->\n/;
const END = '<!-- end of fields -->';

/** The Markdown with the table between its two marks made new. */
export function withFieldTable(markdown: string, schema: object): string {
	const begin = BEGIN.exec(markdown);
	const end = markdown.indexOf(END);
	if (begin === null || end < begin.index)
		throw new Error('docs/experiment.md: expected the marks of the field table');
	const head = markdown.slice(0, begin.index + begin[0].length);
	const rows = fieldRows('', schema as JsonSchema).map((cells) => `| ${cells.join(' | ')} |`);
	const table = ['| field | value | default | meaning |', '| --- | --- | --- | --- |', ...rows];
	return `${head}\n${table.join('\n')}\n\n${markdown.slice(end)}`;
}

function fieldRows(path: string, schema: JsonSchema): string[][] {
	const alternatives = (schema.anyOf ?? []).filter(({ type }) => type !== 'null');
	// Of several forms, a word is told in the field's own row, and a mapping has fields.
	if (alternatives.length > 0)
		return alternatives
			.filter((form) => alternatives.length === 1 || kindOf(form) === 'group')
			.flatMap((form) => fieldRows(path, form));
	if (schema.oneOf !== undefined) return schema.oneOf.flatMap((option) => familyRows(path, option));
	if (schema.items?.properties !== undefined || schema.items?.oneOf !== undefined)
		return fieldRows(`${path}[]`, schema.items);
	if (typeof schema.additionalProperties === 'object') {
		const inside = schema.additionalProperties;
		const isGroup = inside.properties !== undefined || inside.items !== undefined;
		return isGroup ? fieldRows(`${path}.ID`, inside) : [];
	}
	return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
		const fieldPath = path === '' ? name : `${path}.${name}`;
		const isGroup = field.properties !== undefined || field.anyOf !== undefined || field.oneOf !== undefined;
		const isRequired = schema.required?.includes(name) ?? false;
		const own = [
			`\`${fieldPath}\``,
			kindOf(field),
			defaultOf(field, isRequired, isGroup),
			field.description ?? '',
		];
		return [own, ...fieldRows(fieldPath, field)];
	});
}

/** One row for each member of a tagged union: its other fields are named in it. */
function familyRows(path: string, option: JsonSchema): string[][] {
	const fields = Object.entries(option.properties ?? {});
	const tag = fields.find(([, field]) => field.const !== undefined);
	const others = fields.filter((field) => field !== tag);
	const meaning = others.map(([name, field]) => `\`${name}\`: ${field.description ?? ''}`).join(' ');
	return [
		[
			`\`${path}\``,
			`${tag?.[0]}: ${String(tag?.[1].const)}`,
			'',
			`${option.description ?? ''} ${meaning}`.trim(),
		],
	];
}

function kindOf(field: JsonSchema): string {
	if (field.const !== undefined) return String(field.const);
	if (field.enum !== undefined) return field.enum.map(String).join(', ');
	const kinds = field.anyOf?.map(kindOf) ?? [];
	if (kinds.length > 0) return kinds.join(' or ');
	if (field.type === 'object' || field.oneOf !== undefined)
		return typeof field.additionalProperties === 'object'
			? `by name: ${kindOf(field.additionalProperties)}`
			: 'group';
	if (field.type === 'array') return `list of ${kindOf(field.items ?? {})}`;
	return (
		{ integer: 'whole number', string: 'text', boolean: 'true or false' }[field.type ?? ''] ??
		field.type ??
		''
	);
}

function defaultOf(field: JsonSchema, isRequired: boolean, isGroup: boolean): string {
	if (isRequired) return 'required';
	if (field.default === undefined) return '';
	const isWritten = !isGroup || field.default === null || typeof field.default === 'string';
	if (!isWritten) return '';
	return field.default === '' ? 'empty' : `\`${JSON.stringify(field.default)}\``;
}
