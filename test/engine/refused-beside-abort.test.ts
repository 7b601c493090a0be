import { expect, it } from 'vitest';
import type { EngineMode, EngineRequest } from '../../sim/domain/engine.ts';
import { createEngine } from '../../sim/engine/index.ts';
import { FLAT_STEP, SMALL_ENGINE } from '../support/setup-builder.ts';

const request = (id: string, promptTokens: number): EngineRequest => ({
	id,
	promptTokens,
	outputTokens: 500,
	endsByStop: true,
	maxOutputTokens: 1000,
	priority: 0,
});

it.each<EngineMode>(['stepwise', 'leaping'])(
	'%s: a refusal is reported at once, also when another request is given up at the same time',
	(mode) => {
		const engine = createEngine(mode, { ...SMALL_ENGINE, maxNumSeqs: 2 }, FLAT_STEP);
		engine.submit(request('a', 20), 0);
		engine.submit(request('b', 20), 0);
		engine.advance(0);
		for (let nextUs = engine.nextUs(); nextUs <= 100_000; nextUs = engine.nextUs()) engine.advance(nextUs);
		engine.submit(request('too-long', 5000), 105_000);
		expect(engine.abort('a', 105_000)).toBe(10);
		expect(engine.nextUs()).toBe(105_000);
		expect(engine.advance(105_000)).toMatchObject([{ kind: 'rejected', id: 'too-long', timeUs: 105_000 }]);
		expect(engine.nextUs()).toBeGreaterThan(105_000);
	},
);
