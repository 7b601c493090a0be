import { describe, expect, it } from 'vitest';
import { PendingCalls } from '../../../sim/core/pending-calls.ts';
import { randomStream } from '../../../sim/core/random.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { partsOf, partsOfAll } from '../../../solver/adaptive/held-calls.ts';
import type { Outlook } from '../../../solver/adaptive/outlook.ts';
import { expertCall, MODEL } from '../../support/expert-call.ts';

const [QUERIES, SLOTS] = [150, 4];

/** Without profiles all calls cost the same, so that their order is that of the slots. */
const outlookOver = (pending: PendingCalls, foreseen: readonly number[]): Outlook =>
	({
		expected: { foreseen },
		tables: { known: null, ranks: new Map(), parts: new Map() },
		anyProfile: () => undefined,
		view: {
			pendingByAnswers: () => pending.listByAnswers(MODEL, 'expert'),
			query: () => ({ query: {}, slots: Array.from({ length: SLOTS }, () => ({ model: MODEL })) }),
		},
	}) as unknown as Outlook;

describe('held calls', () => {
	it('are those behind which a vote is likely, however the lists change', () => {
		const random = randomStream(3, 'held');
		const pending = new PendingCalls();
		const calls = Array.from({ length: QUERIES }, (_, query) =>
			Array.from({ length: SLOTS }, (__, slot) => expertCall(query, slot)),
		);
		const answers = calls.map(() => 0);
		for (const call of calls.flat()) pending.add(call, 0);
		const present = new Set(calls.flat());
		const foreseen = [0, 0.1, 0.4, 0.6, 0];
		const outlook = outlookOver(pending, foreseen);
		const isHeld = ({ slotIndex }: Call, ended: number): boolean =>
			slotIndex > ended && (foreseen[slotIndex] ?? 0) >= 0.2;
		for (let step = 0; step < 200; step++) {
			const query = Math.floor(random() * QUERIES);
			const own = calls[query] ?? [];
			if (step % 50 === 49) {
				// More of them leave at once than are looked for.
				for (const call of calls.slice(0, 2 * step).flat()) {
					pending.remove(call);
					present.delete(call);
				}
			} else if (step % 3 === 0) {
				pending.answered(own.map(({ id }) => id));
				answers[query] = (answers[query] ?? 0) + 1;
			} else
				for (const call of own) {
					if (present.delete(call)) pending.remove(call);
					else {
						pending.add(call, answers[query] ?? 0);
						present.add(call);
					}
				}
			const endedOf = (call: Call): number => answers[Number(call.query.slice(1))] ?? 0;
			const all = pending.list(MODEL, 'expert');
			const together = partsOfAll(outlook, MODEL, all);
			expect(together.held).toEqual(all.filter((call) => isHeld(call, endedOf(call))));
			expect(together.released).toEqual(all.filter((call) => !isHeld(call, endedOf(call))));
			pending.listByAnswers(MODEL, 'expert').forEach((list, ended) => {
				const { released, held } = partsOf(outlook, MODEL, list ?? [], ended);
				expect(held).toEqual(list?.filter((call) => isHeld(call, ended)));
				expect(released).toEqual(list?.filter((call) => !isHeld(call, ended)));
			});
		}
	});

	it('are none where votes become certain only at the end', () => {
		const pending = new PendingCalls();
		pending.add(expertCall(0, 3), 0);
		const all = pending.list(MODEL, 'expert');
		const outlook = outlookOver(pending, [0, 0, 0, 0]);
		expect(partsOf(outlook, MODEL, all, 0)).toMatchObject({ released: all, held: [] });
		expect(partsOfAll(outlook, MODEL, all)).toEqual({ released: all, held: [] });
	});
});
