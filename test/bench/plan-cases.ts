import { type RandomStream, randomStream } from '../../sim/core/random.ts';
import { present } from '../../sim/domain/errors.ts';
import { type ModelId, modelId } from '../../sim/domain/ids.ts';
import type { ModelClass } from '../../sim/domain/model.ts';
import type { Forecaster, PlanOptions, Problem } from '../../sim/domain/scheduler.ts';
import { fakeProblem } from '../support/fake-problem.ts';

export interface PlanSize {
	readonly workers: number;
	readonly experts: number;
	/** A100 and H100 by turns, or A100 alone. */
	readonly mixed: boolean;
}

/** As many calls for each worker as in the paper's MMLU-Pro batch: 6,300 on 4. */
const CALLS_PER_WORKER = 1575;

/**
 * A cluster and its work, drawn by a seed. Loads and the shapes of the curves are those of the bundled profiles: instruct experts take
 * 0.05 to 0.2 s a call in bulk and up to 85 s for the longest answer, reasoning ones 1.2 to 2.4 s and up to 650 s. A third of the
 * experts reasons; demand is Zipf over a random order. The forecaster is a formula, not the engine model, which takes seconds for the
 * large cases.
 */
export function planCase(size: PlanSize, seed: number, options: Partial<PlanOptions> = {}): Problem {
	const random = randomStream(seed, `bench/plan/${size.workers}x${size.experts}/${size.mixed}`);
	const types = size.mixed ? ['A100', 'H100'] : ['A100'];
	const demand = zipf(size.experts, size.workers * CALLS_PER_WORKER, random);
	const experts = demand.map((calls, m) => drawExpert(`m${m}`, calls, m % 3 === 0, random));
	const fake = fakeProblem({
		gpuTypes: Array.from({ length: size.workers }, (_, n) => types[n % types.length] as string),
		experts: experts.map(({ model, modelClass, calls, loadSeconds }) => {
			return { name: model, modelClass, calls, loadSeconds, secondsPerCall: 0 };
		}),
		tensorParallel: [1],
	});
	return {
		...fake,
		forecaster: { ...fake.forecaster, ...forecasts(experts) },
		options: { ...fake.options, ...OPTIONS, ...options },
	};
}

const OPTIONS: Partial<PlanOptions> = {
	maxModelsPerWorker: 2,
	// Equation 8; pinned, as in the paper's plans for 4 workers, an expert of 30,000 calls would stay on one worker of 64.
	replicationCap: 'formula',
	relativeGap: 0.01,
	maxNodes: 20_000,
	timeLimitSeconds: 5,
	// Down to a share of one worker in 64: the least that greedy and ilp know the time of.
	sweepShares: [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1],
};

interface BenchExpert {
	readonly model: ModelId;
	readonly modelClass: ModelClass;
	readonly calls: number;
	readonly loadSeconds: number;
	/** In bulk, when the batch is full. */
	readonly secondsPerCall: number;
	/** Of a token while few calls are left. */
	readonly secondsPerToken: number;
	/** Log-normal lengths, cut at 32,768 tokens; this share of the calls runs away to that. */
	readonly medianTokens: number;
	readonly sd: number;
	readonly runawayShare: number;
	/** Calls from which on memory is full and bulk gets dearer, and by how much. */
	readonly fullCalls: number;
	readonly fullFactor: number;
	/** Times as fast on an H100. */
	readonly h100Speed: number;
}

function drawExpert(name: string, calls: number, reasons: boolean, random: RandomStream): BenchExpert {
	const between = (low: number, high: number): number => low + (high - low) * random();
	return {
		model: modelId(name),
		modelClass: reasons ? 'reasoning' : 'instruct',
		calls,
		loadSeconds: between(25, 60),
		secondsPerCall: reasons ? between(1.2, 2.4) : between(0.05, 0.2),
		secondsPerToken: reasons ? between(0.012, 0.02) : between(0.008, 0.012),
		medianTokens: reasons ? between(2000, 5000) : between(150, 400),
		sd: reasons ? between(0.7, 1.1) : between(0.4, 0.7),
		runawayShare: reasons ? 0 : between(0, 0.01),
		fullCalls: between(100, 400),
		fullFactor: between(1, 1.25),
		h100Speed: between(1.5, 2.3),
	};
}

const CAP_TOKENS = 32_768;
/** Runaway answers of instruct models end at a smaller limit. */
const INSTRUCT_CAP_TOKENS = 8_192;

function forecasts(experts: readonly BenchExpert[]): Pick<Forecaster, 'outputTokens' | 'session'> {
	const byModel = new Map(experts.map((expert) => [expert.model, expert]));
	const expertOf = (model: ModelId): BenchExpert => present(byModel.get(model), `expert ${model}`);
	return {
		outputTokens: (model) => {
			const expert = expertOf(model);
			return { mean: meanTokens(expert), max: longestTokens(expert, 1000) };
		},
		session: ({ model, gpuType, calls }) => {
			const expert = expertOf(model);
			return {
				seconds: sessionSeconds(expert, calls) / (gpuType === 'H100' ? expert.h100Speed : 1),
				meanOutputTokens: meanTokens(expert),
				maxOutputTokens: longestTokens(expert, calls),
			};
		},
	};
}

/** The longest answer alone, and all the others in bulk: first concave, as the longest of more is longer, then a kink upwards. */
function sessionSeconds(expert: BenchExpert, calls: number): number {
	const { secondsPerCall, secondsPerToken, fullCalls, fullFactor } = expert;
	const bulkCalls = calls + (fullFactor - 1) * Math.max(0, calls - fullCalls);
	return longestTokens(expert, calls) * secondsPerToken + bulkCalls * secondsPerCall;
}

const meanTokens = ({ medianTokens, sd }: BenchExpert): number => medianTokens * Math.exp((sd * sd) / 2);

/** The median of the longest of so many. */
function longestTokens({ medianTokens, sd, runawayShare, modelClass }: BenchExpert, calls: number): number {
	const cap = modelClass === 'reasoning' ? CAP_TOKENS : INSTRUCT_CAP_TOKENS;
	if (1 - (1 - runawayShare) ** calls > 0.5) return cap;
	return Math.min(cap, medianTokens * Math.exp(sd * normalQuantile(0.5 ** (1 / calls))));
}

/** Shore's approximation for the upper half (H. Shore, "Simple approximations for the inverse cumulative function", 1982). */
const normalQuantile = (p: number): number => 5.5556 * (1 - ((1 - p) / p) ** 0.1186);

function zipf(count: number, total: number, random: RandomStream): readonly number[] {
	const weights = Array.from({ length: count }, (_, rank) => 1 / (1 + rank));
	for (let i = count - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		[weights[i], weights[j]] = [weights[j] as number, weights[i] as number];
	}
	const sum = weights.reduce((a, b) => a + b, 0);
	return weights.map((weight) => Math.max(1, Math.round((total * weight) / sum)));
}
