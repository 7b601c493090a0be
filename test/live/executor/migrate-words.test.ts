import path from 'node:path';
import { expect, it } from 'vitest';
import { expertCallId } from '../../../sim/domain/ids.ts';
import type { Call } from '../../../sim/domain/work.ts';
import { loadExperiment } from '../../../traces/index.ts';
import { openLive } from '../../contracts/executor/live-world.ts';
import { replicaStart } from '../../contracts/executor/workload.ts';

const EXPERIMENT = path.join(__dirname, '../kill-experiment.yaml');

it.each(['chat', 'completions'])(
	'calls with words are moved between emulators, and say what they would have said: %s',
	{ timeout: 60_000 },
	async (api) => {
		const port = 21_100 + (process.pid % 500) * 10;
		const setup = loadExperiment(EXPERIMENT, {
			sets: [`live.requests={api: ${api}, temperature: 0.7}`, `live.firstPort=${port}`],
		});
		const model = setup.profiles[0]?.model;
		const calls = setup.queries.flatMap((query) =>
			query.slots.flatMap((slot, slotIndex): Call[] =>
				slot === model
					? [
							{
								id: expertCallId(query.id, slotIndex),
								query: query.id,
								task: query.task,
								role: 'expert',
								slotIndex,
								model: slot,
								promptTokens: query.slotPromptTokens[slotIndex] ?? 0,
								maxOutputTokens: 200,
							},
						]
					: [],
			),
		);
		const world = await openLive({ backend: 'emulator', setup, speed: 4 });
		try {
			const replicas = [0, 1].map((gpu) => replicaStart(setup, `r${gpu}` as never, gpu));
			for (const start of replicas) {
				world.executor.start(start);
				expect((await world.event()).kind).toBe('replica-awake');
			}
			const moving = calls.slice(0, 4);
			for (const call of moving) world.executor.dispatch(call, 'r0' as never);
			await world.untilRunning(moving.length);
			for (const call of moving) world.executor.migrate(call.id, 'r1' as never);
			const carried = new Map<string, number>();
			const ended = new Map<string, unknown>();
			while (ended.size < moving.length) {
				const event = await world.event();
				if (event.kind === 'call-migrated') carried.set(event.call, event.outputTokens);
				if (event.kind === 'call-ended') ended.set(event.call, event);
			}
			expect([...carried.values()].some((tokens) => tokens > 0)).toBe(true);
			for (const { id } of moving) {
				const { outputTokens, answer } = setup.truth.call(id);
				const isCut = outputTokens >= 200;
				expect(ended.get(id)).toMatchObject({
					replica: 'r1',
					outcome: {
						kind: 'finished',
						outputTokens: Math.min(outputTokens, 200),
						answer: isCut ? null : answer,
					},
					work: { migrations: 1 },
				});
			}
		} finally {
			await world.close();
		}
	},
);
