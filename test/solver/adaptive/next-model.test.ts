import { describe, expect, it } from 'vitest';
import { createSetupGate } from '../../../sim/aggregate/index.ts';
import type { RunRecord } from '../../../sim/domain/run-log.ts';
import { simulate } from '../../../sim/run/simulate.ts';
import type { Tuning } from '../../../solver/adaptive/tuning.ts';
import { createAdaptive } from '../../../solver/adaptive.ts';
import { type SmallSetup, smallSetup } from '../../support/setup-builder.ts';

async function recordsOf(small: SmallSetup, name = 'adaptive', tuning: Partial<Tuning> = {}) {
	const setup = smallSetup({ gpus: 1, gate: 'never', ...small });
	const scheduler = createAdaptive(name, tuning);
	const records: RunRecord[] = [];
	await simulate(setup, scheduler, createSetupGate(setup, false), {
		version: 'test',
		onRecord: (record) => records.push(record),
	});
	return records;
}

const loaded = (records: readonly RunRecord[]): readonly string[] =>
	records.flatMap((record) =>
		record.type === 'replica-changed' && record.state === 'loading' ? [record.model] : [],
	);

describe('the model that a GPU serves next', () => {
	it('is an expert of another model before somewhat more work of the aggregator, whose calls come after it', async () => {
		const small: SmallSetup = {
			aggregator: { model: 'both', tensorParallel: 1 },
			queries: Array.from({ length: 4 }, () => ({
				calls: [
					{ model: 'expert', outputTokens: 200 },
					{ model: 'both', outputTokens: 201 },
				],
				aggregatorOutputTokens: 100,
			})),
		};
		// Without `order`: by work alone.
		const first = async (tuning: Partial<Tuning>) =>
			loaded(await recordsOf(small, 'adaptive:all-order', tuning))[0];
		expect(await first({ aggregationWeight: 0 })).toBe('both');
		expect(await first({})).toBe('expert');
	});

	it('waits until the last calls of a light model have ended: put aside, they would hold up their queries', async () => {
		const calls = (model: string, outputTokens: number) => [{ model, outputTokens }];
		const small: SmallSetup = {
			aggregator: null,
			engine: { maxNumSeqs: 32 },
			queries: [
				// When these have ended, as many calls and queries are open as busy GPUs are looked at after (LOOK_EVERY).
				...Array.from({ length: 315 }, () => ({ calls: calls('light', 20) })),
				{ calls: calls('light', 400) },
				{ calls: [...calls('heavy', 400), ...calls('heavy', 400)] },
				...Array.from({ length: 195 }, () => ({ calls: calls('heavy', 400) })),
			],
		};
		const records = await recordsOf(small, 'adaptive', { smallSeconds: 1 });
		expect(loaded(records)).toEqual(['light', 'heavy']);
		expect(records.filter(({ type }) => type === 'call-parked')).toEqual([]);
	});
});
