import { expect, it } from 'vitest';
import { temporaryFolder } from '../cli/temporary-folder.ts';
import { killCampaign } from './kill-campaign.ts';

// A short form of `npm run kill:live`, which takes 100 kills.
it('five kills of controllers and engines: no call lost, none made twice, no process left', {
	timeout: 600_000,
}, async () => {
	const said: string[] = [];
	const result = await killCampaign({
		kills: 5,
		killsPerRun: 5,
		seed: 3,
		folder: temporaryFolder(),
		say: (line) => said.push(line),
	});
	const { kills, lost, twice, orphans, different } = result;
	expect({ lost, twice, orphans, different }, said.join('\n')).toEqual({
		lost: [],
		twice: [],
		orphans: [],
		different: [],
	});
	expect(kills.controller + kills.engine + kills.both).toBe(5);
	// A controller that dies with calls under way sends them again, so there are more requests than calls.
	expect(result.requests).toBeGreaterThanOrEqual(result.calls);
});
