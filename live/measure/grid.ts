import type { EngineConfig } from '../../sim/domain/model.ts';

/** Equal requests sent at the same moment to an idle engine. */
export interface GridRun {
	/** Has `grid` between dashes, by which calibration knows runs to fit on. */
	readonly name: string;
	readonly calls: number;
	readonly promptTokens: number;
	readonly outputTokens: number;
}

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128];
const PROMPTS_TOKENS = [16, 256, 1500, 6000];
/** One request alone shows what prefill costs, so it is sent with more lengths. */
const LONE_PROMPTS_TOKENS = [64, 128, 512, 768, 1000, 3000];
const OUTPUT_TOKENS = 48;
/** Prefill happens once in a run and decoding often, so lone prompts are sent again, for their first tokens. */
const REPEATS = 2;
const REPEATED_OUTPUT_TOKENS = 2;
/** Prompt tokens of one run together: enough for contexts to weigh, short enough for an engine without a GPU. */
const MOST_PROMPT_TOKENS = 8192;

/**
 * Runs over prompt length, batch and context that tell the coefficients of the step cost apart. Nothing in them is preempted, queues or
 * finds anything cached.
 */
export function stepGrid(engine: EngineConfig): readonly GridRun[] {
	const { maxNumSeqs, maxModelLen, blockSize, numGpuBlocks } = engine;
	const longest = maxModelLen - OUTPUT_TOKENS - 1;
	const blocksOf = (promptTokens: number): number => Math.ceil((promptTokens + OUTPUT_TOKENS) / blockSize);
	const fits = ({ calls, promptTokens }: Pick<GridRun, 'calls' | 'promptTokens'>): boolean =>
		calls <= maxNumSeqs &&
		promptTokens <= longest &&
		(calls === 1 || calls * promptTokens <= MOST_PROMPT_TOKENS) &&
		calls * blocksOf(promptTokens) < 0.9 * numGpuBlocks;
	const lone = [...PROMPTS_TOKENS, ...LONE_PROMPTS_TOKENS].sort((a, b) => a - b);
	const batches = BATCHES.flatMap((calls) =>
		(calls === 1 ? lone : PROMPTS_TOKENS).map((promptTokens) => ({
			name: `grid-b${calls}-p${promptTokens}`,
			calls,
			promptTokens,
			outputTokens: OUTPUT_TOKENS,
		})),
	);
	const again = Array.from({ length: REPEATS }, (_, repeat) =>
		lone.map((promptTokens) => ({
			name: `grid-b1-p${promptTokens}-again-${repeat + 1}`,
			calls: 1,
			promptTokens,
			outputTokens: REPEATED_OUTPUT_TOKENS,
		})),
	).flat();
	return [...batches, ...again].filter(fits);
}
