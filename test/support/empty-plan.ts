import type { Plan } from '../../sim/domain/plan.ts';
import { unprovenEvidence } from '../../solver/static-plan.ts';

/** The plan of a scheduler that plans nothing. */
export const emptyPlan = (scheduler: string, solveSeconds = 0): Plan => ({
	scheduler,
	sessions: [],
	evidence: { ...unprovenEvidence(0, 'none'), solveSeconds },
	details: {},
});
