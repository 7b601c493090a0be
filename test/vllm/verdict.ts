import { checkOrder, errorPercent, noiseShare, type Outcome } from './order.ts';
import { say } from './say.ts';

/** Goal for the makespan of a quiet machine; a busy one is told, not failed. */
const GOAL_PERCENT = 5;
/** Beyond it, and the noise seen, something is wrong that is not noise: other work on two cores doubles times easily. */
const LIMIT_PERCENT = 100;
/** Of a makespan: smaller gaps on two cores say nothing. */
const LEAST_GAP_SHARE = 0.1;

/** Prints both worlds side by side. @param doubtSeconds see checkOrder @returns exit code */
export function compare(found: readonly Outcome[], doubtSeconds: number): number {
	const noise = noiseShare(found) ?? 0;
	say(`\nscheduler     predicted   measured     error`);
	for (const outcome of found) {
		const { scheduler, predictedSeconds, measuredSeconds } = outcome;
		const measured = measuredSeconds.map((seconds) => `${seconds.toFixed(1)} s`).join(' and ');
		const error = errorPercent(outcome);
		say(
			`${scheduler.padEnd(12)}  ${`${predictedSeconds.toFixed(1)} s`.padStart(9)}  ${measured.padStart(9)}  ${error >= 0 ? '+' : ''}${error.toFixed(1)} %`,
		);
	}
	say(`noise between two equal runs: ${(100 * noise).toFixed(1)} %`);
	// One pair of equal runs says little about the noise: gaps below twice theirs, or a tenth, are taken for it.
	const checks = checkOrder(found, Math.max(2 * noise, LEAST_GAP_SHARE), doubtSeconds);
	for (const { pair, predictedGapSeconds, measuredGapSeconds, agrees } of checks) {
		const verdict = agrees === null ? 'within the noise' : agrees ? 'same order' : 'OTHER ORDER';
		say(
			`${pair}: ${predictedGapSeconds.toFixed(1)} s predicted, ${measuredGapSeconds.toFixed(1)} s measured: ${verdict}`,
		);
	}
	const worst = Math.max(...found.map((outcome) => Math.abs(errorPercent(outcome))));
	const isGood = worst <= GOAL_PERCENT;
	say(`worst error ${worst.toFixed(1)} %: ${isGood ? 'within' : 'beyond'} the goal of ${GOAL_PERCENT} %`);
	const failed = checks.some(({ agrees }) => agrees === false) || worst > LIMIT_PERCENT + 100 * noise;
	return failed ? 1 : 0;
}
