/** What a gate promises and what its audits found, in words: one line each, for the table of a run and its report. */
import type { AuditEvidence, GateEvidence } from '../domain/calibration.ts';
import type { Summary } from './summary.ts';

/** What it skips and cuts, or why it does neither. */
export function gateText(evidence: GateEvidence): string {
	const { note, skippedShare, cutTokens, budgetPoints, confidence, source, learned, tested } = evidence;
	if (note !== null) return `spends nothing of its budget: ${note}`;
	const cuts = Object.entries(cutTokens).flatMap(([who, tokens]) =>
		tokens === null ? [] : [`${who} at ${tokens}`],
	);
	const cutting = cuts.length === 0 ? '' : `, cuts ${cuts.join(', ')} tokens`;
	return (
		`skips ${percent(skippedShare)} of past queries${cutting}, for ${budgetPoints} points at ${percent(confidence)}; ` +
		`${source}: ${learned} learned from, ${tested} tested`
	);
}

/**
 * What is worth telling of what a gate knows; null without any. `never` skips nothing, so its budget is for cuts alone, and it has nothing to audit: with audits
 * it tells its price under policies that take no cuts too, and then that it spends nothing says nothing of them.
 */
export function toldEvidence({
	gate,
	gateEvidence,
}: Pick<Summary, 'gate' | 'gateEvidence'>): GateEvidence | null {
	// A summary of an earlier version says nothing of the gate.
	if (gateEvidence == null) return null;
	const { note, audit } = gateEvidence;
	return gate === 'never' && note !== null && audit !== null ? null : gateEvidence;
}

/**
 * Loss that the gate says it does not exceed; null when it promised nothing, where nobody aggregates and so nothing is lost, and once its audits have found that
 * votes are no longer what they were.
 */
export function promisedPoints({
	accuracy,
	gateEvidence,
}: Pick<Summary, 'accuracy' | 'gateEvidence'>): number | null {
	const { value, aggregateAllValue, lossBoundPoints } = accuracy;
	const isAlone = value !== null && aggregateAllValue === null;
	return isAlone || gateEvidence?.audit?.drifted ? null : lossBoundPoints;
}

/** How often the aggregator and the vote disagreed where both were asked. */
export function auditText({ audited, disagreed, expectedShare, drifted }: AuditEvidence): string {
	if (audited === 0) return 'nothing to audit: no query drawn for it would have skipped the aggregator';
	const found = `${disagreed} of ${audited} disagree, at most ${percent(expectedShare)} expected`;
	return `${found}: ${drifted ? 'no longer as it was, from then on nothing was skipped or cut' : 'no alarm'}`;
}

/** `48.6 %` */
export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
