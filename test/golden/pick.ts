import type { SchedulerTrace, TraceRow } from '../../sim/engine/trace-format.ts';

export interface Candidate {
	readonly trace: SchedulerTrace;
	readonly line: string;
}

/**
 * A few recordings that show most of what many show: again and again the one with the most pairs of a setting and something
 * that happens which no chosen one has, for its size.
 */
export function pickRecordings(candidates: readonly Candidate[], count: number): readonly Candidate[] {
	const rest = candidates.map((each) => ({ ...each, shows: shows(each.trace) }));
	const seen = new Map<string, number>();
	const picked: Candidate[] = [];
	while (picked.length < count && rest.length > 0) {
		// What was seen once is still worth something, less each time.
		const worth = ({ shows, line }: (typeof rest)[number]) =>
			shows.reduce((sum, pair) => sum + 4 ** -(seen.get(pair) ?? 0), 0) / Math.sqrt(line.length);
		const worths = rest.map(worth);
		const [best] = rest.splice(worths.indexOf(Math.max(...worths)), 1);
		if (best === undefined) break;
		for (const pair of best.shows) seen.set(pair, (seen.get(pair) ?? 0) + 1);
		picked.push({ trace: best.trace, line: best.line });
	}
	return picked;
}

function shows({ config, requests, steps }: SchedulerTrace): readonly string[] {
	const settings = [
		config.asyncScheduling ? 'async' : 'sync',
		config.policy,
		config.prefixCaching ? 'caching' : 'no caching',
		config.reserveFullIsl ? 'reserving' : 'not reserving',
		config.watermark > 0 ? 'watermark' : 'no watermark',
		config.longPrefillTokenThreshold > 0 ? 'threshold' : 'no threshold',
		`blocks of ${config.blockSize}`,
	];
	const resumed = new Set<number>();
	const admitted = new Set<number>();
	const happens = new Set<string>();
	for (const row of steps) {
		for (const event of eventsOf(row)) happens.add(event);
		for (const [id, hitTokens] of row.adm) {
			const again = admitted.has(id);
			if (again) resumed.add(id);
			admitted.add(id);
			happens.add(`${again ? 'resumed' : 'admitted'} with ${hitTokens > 0 ? 'hits' : 'none'}`);
		}
		const scheduled = row.s.reduce((sum, [, tokens]) => sum + tokens, 0);
		if (scheduled === config.maxNumBatchedTokens) happens.add('budget used up');
		if (row.run === config.maxNumSeqs) happens.add('all seats taken');
	}
	for (const [id, { preemptions, end, abort }] of requests.entries()) {
		if (preemptions > 1) happens.add('preempted twice');
		if (preemptions > 0 && end === 'stop') happens.add('preempted, ends by a stop');
		if (preemptions > 0 && abort !== null) happens.add('preempted and aborted');
		if (resumed.has(id) && end === 'length') happens.add('resumed, ends by length');
	}
	return settings.flatMap((setting) => [...happens].map((event) => `${setting} | ${event}`));
}

function* eventsOf(row: TraceRow): Generator<string> {
	if (row.pre.length > 0) yield 'preempted';
	if (row.pre.length > 1) yield 'several preempted';
	if (row.pre.length > 0 && row.fin.length > 0) yield 'preempted and finished';
	if (row.s.length === 0) yield 'only preempted';
	if (row.abo.length > 0) yield 'aborted';
	if (row.abo.length > 0 && row.pre.length > 0) yield 'aborted and preempted';
	if (row.late.length > 0) yield 'aborted at the end';
	if (row.fin.length > 1) yield 'several finished';
	if (row.adm.length > 1) yield 'several admitted';
	if (row.pre.length > 0 && row.adm.length > 0) yield 'preempted and admitted';
}
