import { describe, expect, it } from 'vitest';
import { closest, didYouMean } from '../../traces/did-you-mean.ts';

describe('did you mean', () => {
	it.each([
		['lama', ['Qwen', 'Llama'], 'Llama'],
		['qeuries', ['slots', 'queries'], 'queries'],
		['ROUND-ROBIN', ['round-robin', 'greedy'], 'round-robin'],
		['gpucount', ['gpuType', 'gpuCount'], 'gpuCount'],
		['il', ['ilp'], 'ilp'],
	])('%s of %j is %s', (name, candidates, expected) => {
		expect(closest(name, candidates)).toBe(expected);
	});

	it('suggests nothing that is far away', () => {
		expect(closest('banana', ['Qwen', 'Llama', 'ilp'])).toBeUndefined();
		expect(didYouMean('banana', ['Qwen'])).toBe('');
	});

	it('gives ties to the earlier candidate', () => {
		expect(closest('cat', ['bat', 'rat'])).toBe('bat');
	});
});
