import { UsageError } from '../../sim/domain/errors.ts';
import type { TimeUs } from '../../sim/domain/units.ts';
import type { CallContent } from '../content.ts';
import type { Happening } from '../happening.ts';
import type { JournalEntry, OrdersRecord } from '../journal/records.ts';
import type { Decisions } from './decisions.ts';
import { orderText } from './orders.ts';

export interface ReplayParts {
	/** Fresh. */
	readonly decisions: Decisions;
	readonly content: CallContent;
	readonly onHappening: (happening: Happening) => void;
	/** Of this program, for messages. */
	readonly version: string;
}

export interface Replayed {
	/** Orders that the journal lacks: its controller died between writing an input and writing what follows from it. */
	readonly unwritten: readonly OrdersRecord[];
	/** The run was over; only its results may be missing. */
	readonly ended: boolean;
	/** Latest moment that the journal knows of. */
	readonly lastUs: TimeUs;
	readonly measuredSolveSeconds: number;
}

/**
 * Takes every step of a journal again and checks that the scheduler orders what it ordered then.
 * @throws UsageError E_JOURNAL_REPLAY when it does not: another version of the program, or an experiment that was changed
 */
export function replay(entries: readonly JournalEntry[], parts: ReplayParts): Replayed {
	const { decisions } = parts;
	const ordered = new Map<number, OrdersRecord>();
	for (const { record } of entries) if (record.kind === 'orders') ordered.set(record.after, record);
	const lastOrdered = Math.max(0, ...ordered.keys());
	const unwritten: OrdersRecord[] = [];
	let ended = false;
	let lastUs = 0;
	let measuredSolveSeconds = 0;
	for (const { seq, record } of entries) {
		if ('timeUs' in record) lastUs = Math.max(lastUs, record.timeUs);
		switch (record.kind) {
			case 'plan':
				measuredSolveSeconds += record.measuredSolveSeconds;
				break;
			case 'happening':
				recall(record.happening, parts);
				break;
			case 'arrivals':
				break;
			case 'end':
				ended = true;
				continue;
			default:
				continue;
		}
		const orders = decisions.step(record).map(orderText);
		if (record.kind === 'happening') parts.onHappening(record.happening);
		const written = ordered.get(seq);
		if (written === undefined && orders.length > 0 && seq > lastOrdered)
			unwritten.push({ kind: 'orders', after: seq, orders });
		else checkSame(seq, written?.orders ?? [], orders, entries, parts.version);
	}
	return { unwritten, ended, lastUs, measuredSolveSeconds };
}

/** The experts' words, for prompts that are still to be written. */
function recall({ event, reply }: Happening, { decisions, content }: ReplayParts): void {
	if (event.kind !== 'call-ended') return;
	if (reply === undefined) content.forget(event.call);
	else content.read(decisions.call(event.call), reply);
}

function checkSame(
	seq: number,
	written: readonly string[],
	now: readonly string[],
	entries: readonly JournalEntry[],
	version: string,
): void {
	const at = Math.max(written.length, now.length);
	const differs = Array.from({ length: at }, (_, i) => i).find((i) => written[i] !== now[i]);
	if (differs === undefined) return;
	const header = entries[0]?.record;
	const writer = header?.kind === 'header' ? header.version : 'unknown';
	throw new UsageError(
		'E_JOURNAL_REPLAY',
		`journal record ${seq}: expected the order '${written[differs] ?? 'none'}' that version ${writer} gave, got '${now[differs] ?? 'none'}' from version ${version}: resume it with the program that began it`,
	);
}
