/** What the tables of results hold: workloads, policies and gates. */
import { ABLATION_VARIANTS } from '../../sim/cli/ablation.ts';
import { baseName, schedulerNames } from '../../solver/index.ts';

export interface Workload {
	/** Name of a bundled experiment. */
	readonly name: string;
	/** Whether the paper says how many calls each expert gets. */
	readonly slots: 'published' | 'assumed';
}

export const WORKLOADS: readonly Workload[] = [
	{ name: 'mmlu-pro', slots: 'published' },
	{ name: 'medmcqa', slots: 'published' },
	{ name: 'gpqa', slots: 'published' },
	{ name: 'aime24', slots: 'assumed' },
	{ name: 'pool16', slots: 'assumed' },
];

/** A row of a table, but for the gate. */
export interface Policy {
	/** What it is called in options and folders. */
	readonly key: string;
	/** What it is called in tables. */
	readonly label: string;
	readonly scheduler: string;
	/** `path=value` overrides. */
	readonly sets: readonly string[];
}

const plain = (scheduler: string): Policy => ({ key: scheduler, label: scheduler, scheduler, sets: [] });

export const WITHOUT_CUTS = 'adaptive:all-cuts';
export const SHARED = 'adaptive-shared';

const ALL_POLICIES: readonly Policy[] = [
	...['round-robin', 'data-parallel', 'sequential', 'greedy', 'ilp', 'adaptive'].map(plain),
	{ ...plain(WITHOUT_CUTS), label: 'adaptive without cuts' },
	{
		key: SHARED,
		label: 'adaptive, 2 engines a GPU',
		scheduler: 'adaptive',
		sets: ['cluster.enginesPerGpu=2', 'engine.gpuMemoryShare=0.45'],
	},
	{ ...plain('oracle'), label: 'oracle (knows every length)' },
];

const isKnown = ({ scheduler }: Policy): boolean => schedulerNames.includes(baseName(scheduler));

export const POLICIES = ALL_POLICIES.filter(isKnown);
/** Of schedulers that this version does not have. */
export const LEFT_OUT = ALL_POLICIES.filter((policy) => !isKnown(policy));

export const ABLATION_POLICIES: readonly Policy[] = ABLATION_VARIANTS.map(({ scheduler }) =>
	plain(scheduler),
);

export const GATES: readonly string[] = ['never', 'unanimous', 'majority', 'calibrated'];

/** What speed-ups refer to: the paper's baseline, everything aggregated. */
export const BASELINE = { policy: plain('round-robin'), gate: 'never' } as const;
