import type { LossCounts } from './loss-test.ts';
import type { Outcome } from './past-table.ts';

/**
 * The counts that `size` queries can be expected to show, going by an outcome on others.
 * @param deviations of the mean loss from what it was there, in standard errors of the difference between two such samples
 */
export function expectedCounts({ counts, expectedLoss }: Outcome, size: number, deviations = 0): LossCounts {
	const { lost, even, gained } = counts;
	const seen = Math.max(1, lost + even + gained);
	const share = (lost + gained) / seen;
	// Where none differed, one might have.
	const error = Math.sqrt(Math.max(share, 1 / seen) * (1 / seen + 1 / Math.max(1, size)));
	const net = Math.max(-1, Math.min(1, expectedLoss + deviations * error)) * size;
	// As many differ at least as are lost or gained in the end.
	const differ = Math.max(share * size, Math.abs(net));
	const expectedLost = Math.round((differ + net) / 2);
	const expectedGained = Math.min(size - expectedLost, Math.round((differ - net) / 2));
	return { lost: expectedLost, even: size - expectedLost - expectedGained, gained: expectedGained };
}
