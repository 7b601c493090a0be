import type { AuditEvidence } from '../domain/calibration.ts';

/** How much likelier than expected disagreement might be, in odds; the watch bets on each of them alike. */
const ODDS = [1.25, 1.5, 2, 3, 5, 10] as const;

/**
 * Watches whether aggregator and vote disagree more often than they did, audit by audit. Under "with a chance of at most `expectedShare`" the capital, the
 * mean likelihood ratio of six alternatives, grows by a factor of at most 1 on average whatever has happened before; so it ever reaches 1/alpha
 * with probability at most alpha (Ville), however often one looks.
 * @source Ramdas, Gruenwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", Statistical Science 2023
 */
export class DriftWatch {
	private readonly expectedShare: number;
	private readonly alpha: number;
	private readonly logRatios: number[] = ODDS.map(() => 0);
	private audited = 0;
	private disagreed = 0;
	private drifted = false;

	/** @param expectedShare 0 to 1 */
	constructor(expectedShare: number, alpha: number) {
		this.expectedShare = expectedShare;
		this.alpha = alpha;
	}

	observe(disagrees: boolean): void {
		this.audited++;
		if (disagrees) this.disagreed++;
		for (const [i, odds] of ODDS.entries()) {
			const share = alternative(this.expectedShare, odds);
			const ratio = disagrees ? share / this.expectedShare : (1 - share) / (1 - this.expectedShare);
			this.logRatios[i] = (this.logRatios[i] as number) + Math.log(ratio);
		}
		const capital = this.logRatios.reduce((sum, log) => sum + Math.exp(log), 0) / ODDS.length;
		if (capital >= 1 / this.alpha) this.drifted = true;
	}

	/** Once and for all. */
	get hasDrifted(): boolean {
		return this.drifted;
	}

	evidence(): AuditEvidence {
		const { audited, disagreed, expectedShare, drifted } = this;
		return { audited, disagreed, expectedShare, drifted };
	}
}

const alternative = (share: number, odds: number): number => (odds * share) / (1 - share + odds * share);
