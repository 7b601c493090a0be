/** The calls of the executor contract: every kind of world gets these, so that each is held to the same numbers. */
import type { ReplicaStart } from '../../../sim/core/executor.ts';
import { present } from '../../../sim/domain/errors.ts';
import { expertCallId, type ReplicaId } from '../../../sim/domain/ids.ts';
import type { Setup } from '../../../sim/domain/setup.ts';
import type { Call } from '../../../sim/domain/work.ts';
import type { SmallQuery } from '../../support/setup-builder.ts';

const MODEL = 'm';

const same = (calls: number, promptTokens: number, outputTokens: number): SmallQuery => ({
	calls: Array.from({ length: calls }, () => ({ model: MODEL, promptTokens, outputTokens, answer: 'B' })),
});

/** One query per case. Calls of one query have equal prompts. */
export const CASE = {
	single: same(1, 20, 12),
	cut: same(1, 20, 300),
	several: {
		calls: [3, 40, 11, 1, 25].map((outputTokens) => ({ model: MODEL, promptTokens: 33, outputTokens })),
	},
	twins: same(2, 300, 3),
	/** Two thousand steps: long enough to be seen at work. */
	slow: same(1, 20, 2000),
	/** One more than an engine of the contract has seats. */
	crowd: same(9, 20, 800),
	huge: same(1, 20, 5),
	survivors: same(2, 20, 1500),
	afterSleep: same(2, 20, 5),
	returned: same(2, 20, 1500),
	/** One call of each is moved, in one way or another. */
	moved: same(1, 20, 800),
	movedUnbegun: same(1, 20, 12),
	movedAndCut: same(1, 20, 2000),
	movedTwice: same(1, 20, 1500),
	movedAndCancelled: same(1, 20, 2000),
	movedTooLate: same(1, 20, 3),
	movedToItsDeath: same(1, 20, 1500),
	movedForNothing: same(1, 20, 1500),
	parked: same(1, 20, 800),
	parkedTooLate: same(1, 20, 3),
	parkedForGood: same(1, 20, 2000),
} as const satisfies Record<string, SmallQuery>;

export const CONTRACT_QUERIES: readonly SmallQuery[] = Object.values(CASE);

/** Engine settings that every kind can have; block size and number of blocks are the kind's own. */
export const CONTRACT_ENGINE = {
	maxNumSeqs: 8,
	maxModelLen: 4096,
	maxNumBatchedTokens: 2048,
	prefixCaching: true,
};

/** @param queries those that the setup was made from */
export function contractCall(
	setup: Setup,
	query: SmallQuery,
	slotIndex: number,
	queries: readonly SmallQuery[] = CONTRACT_QUERIES,
): Call {
	const { id, task, slots, slotPromptTokens } = present(
		setup.queries[queries.indexOf(query)],
		'query of a case',
	);
	return {
		id: expertCallId(id, slotIndex),
		query: id,
		task,
		role: 'expert',
		slotIndex,
		model: present(slots[slotIndex], 'model of a slot'),
		promptTokens: present(slotPromptTokens[slotIndex], 'prompt tokens of a slot'),
		maxOutputTokens: 2048,
	};
}

export function replicaStart(setup: Setup, replica: ReplicaId, gpuIndex: number): ReplicaStart {
	const profile = present(
		setup.profiles.find(({ tensorParallel }) => tensorParallel === 1),
		'profile on one GPU',
	);
	const gpu = present(setup.cluster.gpus[gpuIndex], 'GPU').id;
	return { replica, model: profile.model, gpus: [gpu], profile };
}
