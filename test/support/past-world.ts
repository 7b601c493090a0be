import type { GateContext } from '../../sim/aggregate/budget-gate.ts';
import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import type { GateOptions, PastQuery } from '../../sim/domain/calibration.ts';
import { modelId } from '../../sim/domain/ids.ts';
import type { Answer } from '../../sim/domain/work.ts';

/** How the answers of a made-up past come about. */
export interface PastWorld {
	/** Chance of the aggregator to change a unanimous vote for the better, and for the worse. */
	readonly unanimous: { readonly better: number; readonly worse: number };
	/** The same where two of three agree. */
	readonly split: { readonly better: number; readonly worse: number };
	/** Chance that a right reasoning call was one of the long ones, beyond 8000 tokens. */
	readonly longRight: number;
}

export const AGGREGATOR = modelId('aggregator');

export const experts = ['thinker', 'quick', 'brief'].map((id) => ({
	id: modelId(id),
	modelClass: id === 'thinker' ? ('reasoning' as const) : ('instruct' as const),
}));

const [THINKER, QUICK, BRIEF] = experts.map(({ id }) => id) as [
	ReturnType<typeof modelId>,
	ReturnType<typeof modelId>,
	ReturnType<typeof modelId>,
];

/** Past queries of one thinker and two quick ones: half unanimous, a third split, the rest scattered. */
export function drawPast(world: PastWorld, count: number, seed: number): readonly PastQuery[] {
	const random = randomStream(seed, 'past');
	return Array.from({ length: count }, () => drawQuery(world, random));
}

function drawQuery(world: PastWorld, random: RandomStream): PastQuery {
	const kind = random();
	const dissenter = Math.floor(3 * random());
	const answers: Answer[] =
		kind < 0.5 ? ['A', 'A', 'A'] : kind < 0.85 ? ['A', 'A', 'A'].with(dissenter, 'B') : ['A', 'B', 'C'];
	const { better, worse } = kind < 0.5 ? world.unanimous : kind < 0.85 ? world.split : SCATTERED;
	const fate = random();
	const voteRight = fate < 0.7;
	const changes = random() < (voteRight ? worse / 0.7 : better / 0.3);
	// Right or wrong, A is what the vote says; a better answer is Z, a worse one too.
	const correctAnswer = voteRight ? 'A' : 'Z';
	const reply = changes ? 'Z' : 'A';
	const thinkerRight = answers[0] === correctAnswer;
	const isLong = random() < (thinkerRight ? world.longRight : 0.3);
	return {
		task: 'made-up',
		slots: [THINKER, QUICK, BRIEF],
		slotPromptTokens: [100, 100, 100],
		answers,
		outputTokens: [
			Math.round(isLong ? 8000 + 20_000 * random() : 500 + 7000 * random()),
			Math.round(50 + 400 * random()),
			Math.round(50 + 400 * random()),
		],
		correctAnswer,
		aggregator: {
			promptTokens: 1000,
			outputTokens: Math.round(300 + 10_000 * random() ** 8),
			// Without the thinker it changes nothing.
			answer: (given) => (given[0] === null ? 'A' : reply),
		},
	};
}

const SCATTERED = { better: 0.1, worse: 0.05 };

export function contextOn(
	past: readonly PastQuery[],
	options: Partial<GateOptions> = {},
	takesCuts = false,
): GateContext {
	return {
		calibration: { source: `${past.length} made-up past queries`, queries: () => past },
		options: { budgetPoints: 1, confidence: 0.9, auditShare: 0, cuts: true, ...options },
		takesCuts,
		models: experts,
		aggregator: AGGREGATOR,
		work: (_, role) => ({
			perTokenUs: role === 'aggregator' ? 800 : 200,
			perContextTokenUs: 0.05,
			perPromptTokenUs: 50,
			aloneTokenUs: 0,
		}),
		run: { queries: 0, gpus: 0 },
		seed: 0,
	};
}
