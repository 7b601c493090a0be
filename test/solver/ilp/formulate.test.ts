import { describe, expect, it } from 'vitest';
import { modelId } from '../../../sim/domain/ids.ts';
import { decodePlacement } from '../../../solver/ilp/decode.ts';
import { columnValues, type Formulation, formulate } from '../../../solver/ilp/formulate.ts';
import { createInstance } from '../../../solver/ilp/instance.ts';
import { fakeProblem } from '../../support/fake-problem.ts';

/** Rows as they would be written down: `name: low <= 1 X + -7 Y <= high`. */
function writeOut({ mip, columnNames, rowNames }: Formulation): readonly string[] {
	return rowNames.map((name, row) => {
		const terms: string[] = [];
		for (let k = mip.rowStarts[row] ?? 0; k < (mip.rowStarts[row + 1] ?? 0); k++)
			terms.push(`${mip.values[k]} ${columnNames[mip.columnIndices[k] ?? -1]}`);
		const low = mip.rowLower[row] === Number.NEGATIVE_INFINITY ? '' : `${mip.rowLower[row]} <= `;
		return `${name}: ${low}${terms.join(' + ')} <= ${mip.rowUpper[row]}`;
	});
}

const problem = fakeProblem({
	gpuTypes: ['A', 'B'],
	speed: { B: 2 },
	memory: { A: 80e9, B: 40e9 },
	experts: [
		{ name: 'qwen-7b', calls: 30, secondsPerCall: 4, modelClass: 'reasoning', gpuBytes: 20e9 },
		{ name: 'big', calls: 5, secondsPerCall: 1, loadSeconds: 50 },
		{ name: 'idle', calls: 0, secondsPerCall: 1 },
	],
});
const formulation = formulate(createInstance(problem), 12);

describe('the formulation', () => {
	it('is equations 4 to 10, row by row', () => {
		expect(writeOut(formulation)).toEqual([
			'T[0] <= C: -1 C + 40 Y[qwen-7b,0] + 4 X[qwen-7b,0] + 50 Y[big,0] + 1 X[big,0] <= 0',
			'T[1] <= C: -1 C + 40 Y[qwen-7b,1] + 2 X[qwen-7b,1] <= 0',
			'served[qwen-7b]: 30 <= 1 X[qwen-7b,0] + 1 X[qwen-7b,1] <= 30',
			'loaded[qwen-7b,0]: 1 X[qwen-7b,0] + -30 Y[qwen-7b,0] <= 0',
			'loaded[qwen-7b,1]: 1 X[qwen-7b,1] + -30 Y[qwen-7b,1] <= 0',
			'replicas[qwen-7b]: 1 <= 1 Y[qwen-7b,0] + 1 Y[qwen-7b,1] <= 2',
			'served[big]: 5 <= 1 X[big,0] <= 5',
			'loaded[big,0]: 1 X[big,0] + -5 Y[big,0] <= 0',
			'replicas[big]: 1 <= 1 Y[big,0] <= 1',
			'seats[0]: 1 Y[qwen-7b,0] + 1 Y[big,0] <= 2',
			'seats[1]: 1 Y[qwen-7b,1] <= 2',
		]);
	});

	it('minimizes C alone, over binary loads and whole calls', () => {
		const { mip, columnNames } = formulation;
		const columns = columnNames.map((name, j) => {
			const kind = mip.integrality[j] === 1 ? 'whole' : 'real';
			return `${name} ${kind} ${mip.colLower[j]} to ${mip.colUpper[j]} at ${mip.colCost[j]}`;
		});
		expect(columns).toEqual([
			'C real 12 to Infinity at 1',
			'Y[qwen-7b,0] whole 0 to 1 at 0',
			'Y[qwen-7b,1] whole 0 to 1 at 0',
			'Y[big,0] whole 0 to 1 at 0',
			'X[qwen-7b,0] whole 0 to 30 at 0',
			'X[qwen-7b,1] whole 0 to 30 at 0',
			'X[big,0] whole 0 to 5 at 0',
		]);
	});
});

describe('decoding', () => {
	it('gives back the placement that was put in, off by the solver tolerance', () => {
		const placement = [
			[10, 20],
			[5, 0],
		];
		const values = columnValues(formulation, placement, 95);
		expect(Array.from(values)).toEqual([95, 1, 1, 1, 10, 20, 5]);
		const rough = values.map((value, i) => value + (i % 2 === 0 ? 3e-7 : -3e-7));
		expect(decodePlacement(formulation, rough)).toEqual(placement);
	});

	it('drops a load without calls and refuses calls without a load', () => {
		const values = columnValues(
			formulation,
			[
				[0, 30],
				[5, 0],
			],
			100,
		);
		values[1] = 1;
		expect(decodePlacement(formulation, values)).toEqual([
			[0, 30],
			[5, 0],
		]);
		values[3] = 0;
		expect(decodePlacement(formulation, values)).toBeNull();
	});

	it('knows models by place, not by name', () => {
		expect(createInstance(problem).experts.map(({ model }) => model)).toEqual(
			['qwen-7b', 'big'].map(modelId),
		);
	});
});
