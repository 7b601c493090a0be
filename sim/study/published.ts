/**
 * Published seconds of MOSAIC (arXiv 2606.03014v1) on four A100 80 GB, vLLM 0.7.1. Marks of the source: printed in the text or a
 * table, read off a figure's labels, or derived from printed numbers by arithmetic.
 */
export interface PublishedRow {
	readonly workload: string;
	readonly row: string;
	readonly publishedSeconds: number;
	/** The value plotted in figure 5 where the row is compared with the mean of the three seeds of table 4. */
	readonly plottedSeconds?: number;
	/** True when a parameter of the simulation was fitted on this row; the others are predictions. */
	readonly fitted: boolean;
	readonly source: string;
	/** For predictions: where the simulation's figure comes from, when it misses. */
	readonly reading?: string;
	/** For predictions: what measurement would settle the range. */
	readonly settledBy?: string;
}

export const PUBLISHED: readonly PublishedRow[] = [
	{
		workload: 'mmlu-pro',
		row: 'expert/round-robin',
		publishedSeconds: 2635.2,
		fitted: true,
		source: 'end to end minus aggregator (derived); the paper also prints 2620, 2653 and 2663',
	},
	{
		workload: 'mmlu-pro',
		row: 'round-robin/worker0',
		publishedSeconds: 430,
		fitted: true,
		source: 'figure 2',
	},
	{
		workload: 'mmlu-pro',
		row: 'round-robin/worker1',
		publishedSeconds: 2620,
		fitted: true,
		source: 'figure 2',
	},
	{
		workload: 'mmlu-pro',
		row: 'round-robin/worker2',
		publishedSeconds: 165,
		fitted: true,
		source: 'figure 2',
	},
	{
		workload: 'mmlu-pro',
		row: 'round-robin/worker3',
		publishedSeconds: 2546,
		fitted: true,
		source: 'figure 2',
	},
	{
		workload: 'mmlu-pro',
		row: 'expert/ilp',
		publishedSeconds: 1635.3,
		plottedSeconds: 1557,
		fitted: false,
		source: 'mean of the three seeds of table 4',
		settledBy:
			"the placement and split that the paper's solver chose, with busy seconds per worker under MOSAIC",
	},
	{
		workload: 'mmlu-pro',
		row: 'data-parallel/default',
		publishedSeconds: 2441,
		fitted: false,
		source: 'figure 3',
		settledBy: 'time per model and worker of that run: it pays the load of every model on every worker',
	},
	{
		workload: 'mmlu-pro',
		row: 'aggregator/all',
		publishedSeconds: 1514.7,
		fitted: true,
		source: 'text',
	},
	{
		workload: 'mmlu-pro',
		row: 'aggregator/majority',
		publishedSeconds: 870.5,
		fitted: false,
		source: 'text',
		reading:
			'The simulated aggregator writes longer on hard queries only as far as lengths follow ease; the published 2.7 s a call, against 0.72 s over all queries, asks for more than that',
		settledBy: 'output lengths of the aggregator on the 323 queries without a majority',
	},
	{
		workload: 'medmcqa',
		row: 'expert/round-robin',
		publishedSeconds: 804.5,
		fitted: true,
		source: 'end to end minus aggregator (derived)',
	},
	{
		workload: 'medmcqa',
		row: 'expert/ilp',
		publishedSeconds: 554.3,
		plottedSeconds: 526,
		fitted: false,
		source: 'mean of the three seeds of table 4',
		reading:
			'A shard of reasoning calls takes as long as its longest call, but the program charges it a constant time per prompt: with the length scale that round-robin asks for, a shard planned at under a minute can hold its GPU for several, and what is queued behind it waits',
		settledBy: 'mean output tokens of one instruct and one reasoning expert on MedMCQA',
	},
	{ workload: 'medmcqa', row: 'aggregator/all', publishedSeconds: 516.49, fitted: true, source: 'text' },
	{
		workload: 'medmcqa',
		row: 'aggregator/majority',
		publishedSeconds: 122.09,
		fitted: false,
		source: 'text',
		settledBy:
			'whether the 122 s contain the load of the aggregator, and its output lengths on the 411 queries without a majority',
	},
	{
		workload: 'gpqa',
		row: 'expert/round-robin',
		publishedSeconds: 2348.4,
		fitted: true,
		source: 'end to end minus aggregator (derived)',
	},
	{
		workload: 'gpqa',
		row: 'expert/ilp',
		publishedSeconds: 922,
		plottedSeconds: 925,
		fitted: false,
		source: 'mean of the three seeds of table 4',
		reading:
			'Nearly all calls are reasoning calls, so every shard ends with a tail of one or two long answers that the constant time per prompt does not see',
		settledBy:
			'output lengths of the two reasoning experts on GPQA: 429 calls share three workers, so the longest call counts',
	},
	{ workload: 'gpqa', row: 'aggregator/all', publishedSeconds: 348, fitted: true, source: 'text' },
	{
		workload: 'gpqa',
		row: 'aggregator/majority',
		publishedSeconds: 227.73,
		fitted: false,
		source: 'text',
		settledBy: 'the longest of the 25 aggregator outputs: so few calls take as long as their longest',
	},
];

export const REPRODUCED_WORKLOADS: readonly string[] = [...new Set(PUBLISHED.map((row) => row.workload))];
