type Labels = Readonly<Record<string, string>>;

interface HistogramValue {
	readonly metricName: string;
	readonly labels: Labels;
	readonly value: number;
}

interface HistogramValues {
	readonly name: string;
	readonly help: string;
	readonly type: 'histogram';
	readonly aggregator: 'sum';
	readonly values: readonly HistogramValue[];
}

/**
 * A Prometheus histogram that takes many equal observations at once, and one label set. Fits into a registry of prom-client, whose own
 * histogram takes one at a time: a request ends with thousands of equal intervals between tokens.
 */
export class WeightedHistogram {
	readonly name: string;
	readonly help: string;
	readonly type = 'histogram';
	readonly aggregator = 'sum';
	private readonly labels: Labels;
	private readonly bounds: readonly number[];
	/** Per bucket, the last one beyond all bounds. */
	private readonly counts: number[];
	private sum = 0;

	/** @param bounds upper bounds, rising */
	constructor(name: string, help: string, labels: Labels, bounds: readonly number[]) {
		this.name = name;
		this.help = help;
		this.labels = labels;
		this.bounds = bounds;
		this.counts = new Array<number>(bounds.length + 1).fill(0);
	}

	observe(value: number, weight = 1): void {
		const at = this.bounds.findIndex((bound) => value <= bound);
		const bucket = at < 0 ? this.bounds.length : at;
		this.counts[bucket] = (this.counts[bucket] as number) + weight;
		this.sum += weight * value;
	}

	/** As the registry asks for it. */
	get(): Promise<HistogramValues> {
		const { name, help, type, aggregator, labels } = this;
		let count = 0;
		const values: HistogramValue[] = this.counts.map((inBucket, index) => {
			count += inBucket;
			// Python writes bounds as floats, and so does vLLM.
			const bound = this.bounds[index];
			const le = bound === undefined ? '+Inf' : Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
			return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
		});
		values.push({ metricName: `${name}_count`, labels, value: count });
		values.push({ metricName: `${name}_sum`, labels, value: this.sum });
		return Promise.resolve({ name, help, type, aggregator, values });
	}

	reset(): void {
		this.counts.fill(0);
		this.sum = 0;
	}
}
