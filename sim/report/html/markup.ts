/** Pieces of HTML from plain text; everything that comes from outside is escaped here. */

/** Markup that needs no more escaping. */
export interface Markup {
	readonly html: string;
}

export const escapeHtml = (text: string): string =>
	text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const inner = (content: string | Markup): string =>
	typeof content === 'string' ? escapeHtml(content) : content.html;

/** An element with escaped text, or with markup made here. */
export function element(
	tag: string,
	attributes: Readonly<Record<string, string>>,
	...content: readonly (string | Markup)[]
): Markup {
	const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escapeHtml(value)}"`);
	return { html: `<${tag}${written.join('')}>${content.map(inner).join('')}</${tag}>` };
}

export interface Column {
	readonly head: string;
	/** Numbers stand on the right. */
	readonly number?: boolean;
	/** Long text, in lines. */
	readonly wraps?: boolean;
}

/** A table in a box that scrolls sideways on small screens. */
export function tableOf(
	columns: readonly Column[],
	rows: readonly (readonly (string | Markup)[])[],
	markedRow = -1,
): Markup {
	const attributesOf = (index: number): Record<string, string> => {
		const column = columns[index];
		if (column?.number === true) return { class: 'number' };
		return column?.wraps === true ? { class: 'wraps' } : {};
	};
	const head = columns.map(({ head: text }, index) =>
		element('th', { scope: 'col', ...attributesOf(index) }, text),
	);
	const body = rows.map((row, at) =>
		element(
			'tr',
			at === markedRow ? { class: 'marked' } : {},
			...row.map((cell, index) => element('td', attributesOf(index), cell)),
		),
	);
	return element(
		'div',
		{ class: 'scroll' },
		element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body)),
	);
}
