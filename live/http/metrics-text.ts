/** One line of a Prometheus exposition. */
export interface MetricSample {
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

/**
 * Samples of a text exposition in order; comments and lines that are none are skipped.
 * @param wanted names to keep; absent: all. A server's answer is mostly histogram buckets nobody here reads.
 */
export function parseMetrics(text: string, wanted?: ReadonlySet<string>): readonly MetricSample[] {
	const samples: MetricSample[] = [];
	for (const line of text.split('\n')) {
		const name = /^[a-zA-Z_:][\w:]*/.exec(line)?.[0];
		if (name === undefined || (wanted !== undefined && !wanted.has(name))) continue;
		const labelled = line[name.length] === '{';
		const labels: Record<string, string> = {};
		let at = name.length;
		if (labelled) {
			LABEL.lastIndex = at + 1;
			for (let match = LABEL.exec(line); match !== null; match = LABEL.exec(line)) {
				labels[match[1] as string] = (match[2] as string).replace(/\\(.)/g, unescaped);
				at = LABEL.lastIndex;
			}
			at = line.indexOf('}', at) + 1;
		}
		const value = toNumber(line.slice(at).trim().split(/\s+/)[0] ?? '');
		if (value !== null && (!labelled || at > 0)) samples.push({ name, labels, value });
	}
	return samples;
}

/** One `key="value"` with what separates it from the next. Sticky: a label that is not where it should be ends the list. */
const LABEL = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;

const unescaped = (_: string, character: string): string => (character === 'n' ? '\n' : character);

function toNumber(text: string): number | null {
	if (text === '+Inf') return Number.POSITIVE_INFINITY;
	if (text === '-Inf') return Number.NEGATIVE_INFINITY;
	if (text === 'NaN') return Number.NaN;
	return text === '' || Number.isNaN(Number(text)) ? null : Number(text);
}
