export interface Cost {
	readonly wallMs: number;
	/** Of all threads of the process, those that collect garbage included. */
	readonly cpuMs: number;
}

export interface Measured<Result> {
	/** Of the last round. */
	readonly result: Result;
	/** One for each round. */
	readonly costs: readonly Cost[];
}

/** Runs tasks in turn, some rounds of it, so that whatever else the machine does falls on all of them alike. */
export function measure<Name extends string, Result>(
	rounds: number,
	tasks: Readonly<Record<Name, () => Result>>,
): Record<Name, Measured<Result>> {
	const names = Object.keys(tasks) as Name[];
	const costs = new Map<Name, Cost[]>(names.map((name) => [name, []]));
	const results = new Map<Name, Result>();
	for (let round = 0; round < rounds; round++)
		for (const name of names) {
			const start = process.cpuUsage();
			const startMs = performance.now();
			results.set(name, tasks[name]());
			const wallMs = performance.now() - startMs;
			const { user, system } = process.cpuUsage(start);
			costs.get(name)?.push({ wallMs, cpuMs: (user + system) / 1000 });
		}
	const measured = names.map((name) => [name, { result: results.get(name), costs: costs.get(name) }]);
	return Object.fromEntries(measured) as Record<Name, Measured<Result>>;
}

/** Median cost; wall and CPU time each by itself. */
export function typical({ costs }: Measured<unknown>): Cost {
	return {
		wallMs: median(costs.map(({ wallMs }) => wallMs)),
		cpuMs: median(costs.map(({ cpuMs }) => cpuMs)),
	};
}

/** How many times the CPU time of `base` the other took: the median over the rounds. */
export function ratio(other: Measured<unknown>, base: Measured<unknown>): number {
	return median(other.costs.map(({ cpuMs }, round) => cpuMs / (base.costs[round]?.cpuMs ?? Number.NaN)));
}

function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length >> 1;
	const upper = sorted[middle] as number;
	return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}
