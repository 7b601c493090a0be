// Loads 3.5 MB of WebAssembly: to be imported by the worker thread only, which highs.ts starts when there is something to solve.
import loadHighs from 'highs';
import type { MipRequest, MipResult, SolveMip } from './mip.ts';

/** Largest value of the solver's integer options. */
const MAX_INT32 = 2 ** 31 - 1;
/** Any fixed number: equal seeds give equal searches. */
const RANDOM_SEED = 20_260;

/**
 * Solves with HiGHS in the calling thread, which it blocks. The model goes over as arrays: names and number formats of LP text are mis-read
 * without an error.
 * @throws whatever the solver throws when it breaks
 */
export const solveMip = async (request: MipRequest): Promise<MipResult> =>
	solveOn(await loadHighs(), request);

/**
 * The same, with one instance of the solver for all requests: loading it takes longer than a small program. An instance that threw may be
 * unusable and is dropped.
 */
export function createMipSolver(): SolveMip {
	let loaded: ReturnType<typeof loadHighs> | null = null;
	return async (request) => {
		loaded ??= loadHighs();
		try {
			return solveOn(await loaded, request);
		} catch (error) {
			loaded = null;
			throw error;
		}
	};
}

function solveOn(highs: Awaited<ReturnType<typeof loadHighs>>, request: MipRequest): MipResult {
	const { mip, start, limits } = request;
	const { modelStatus, solutionStatus } = highs.constants;
	const numCols = mip.colCost.length;
	const numRows = mip.rowLower.length;
	const source = {
		numCols,
		numRows,
		colCost: mip.colCost,
		colLower: mip.colLower,
		colUpper: mip.colUpper,
		integrality: mip.integrality,
		rowLower: mip.rowLower,
		rowUpper: mip.rowUpper,
		matrix: {
			format: 'csr',
			numRows,
			numCols,
			starts: mip.rowStarts,
			indices: mip.columnIndices,
			values: mip.values,
		},
	} as const;
	return highs.withModel(source, (model): MipResult => {
		model.options.set({
			output_flag: false,
			random_seed: RANDOM_SEED,
			mip_rel_gap: limits.relativeGap,
			mip_max_nodes: Math.min(limits.maxNodes, MAX_INT32),
			time_limit: limits.timeLimitSeconds,
			...(request.proofOnly && { mip_heuristic_effort: 0, mip_allow_restart: false }),
		});
		if (start !== null) model.setSolution({ colValue: start });
		let status = model.run().modelStatus;
		// Presolve does not always tell which of the two it is; the simplex method does.
		if (status === modelStatus.unboundedOrInfeasible) {
			model.options.set({ presolve: 'off' });
			status = model.run().modelStatus;
		}
		// Objective and columns hold numbers after any end (zeros, Infinity): only this says whether they are a solution.
		const hasPoint = model.info.get('primal_solution_status') === solutionStatus.feasible;
		const bound = Number(model.info.get('mip_dual_bound'));
		const stoppedBy = {
			[modelStatus.optimal]: 'gap',
			[modelStatus.solutionLimit]: 'nodes',
			[modelStatus.iterationLimit]: 'nodes',
			[modelStatus.timeLimit]: 'time',
			[modelStatus.infeasible]: 'infeasible',
		}[status as number] as MipResult['stoppedBy'] | undefined;
		return {
			stoppedBy: stoppedBy ?? 'failed',
			values: hasPoint && stoppedBy !== undefined ? model.getSolution().colValue : null,
			bound: Number.isFinite(bound) ? bound : null,
			nodes: Math.max(0, Number(model.info.get('mip_node_count'))),
			message: `model status ${status}`,
		};
	});
}
