import { UsageError } from '../../sim/domain/errors.ts';
import { oneOf } from '../../sim/domain/one-of.ts';

/** The ideas of the adaptive policy. Each can be turned off, so that what it is worth can be measured. */
export const ADAPTIVE_SWITCHES = [
	'early',
	'hold',
	'order',
	'predict',
	'window',
	'overlap',
	'rebalance',
	'steal',
	'migrate',
	'park',
	'replan',
	'sleep',
	'share',
	'tensor',
	'cuts',
] as const;

export type AdaptiveSwitch = (typeof ADAPTIVE_SWITCHES)[number];

/** What each does, for `mosaic list` and docs/policies.md. */
export const SWITCH_MEANINGS: Readonly<Record<AdaptiveSwitch, string>> = {
	early: 'votes that are certain are settled at once and the calls they do not need are cancelled',
	hold: 'a call that the vote may not need is not started before the others of its query have ended',
	order: 'light models first; aggregations first, then queries near their decision',
	predict:
		'how long a call becomes is told from the answers of its query so far; the longest chains go first',
	window: 'calls in flight on a replica are bounded by the KV memory that they are expected to fill',
	overlap: 'aggregator calls start when they are ready, on any awake replica',
	rebalance: 'a GPU changes to another model when the work left ends sooner so',
	steal: 'calls that wait inside a full replica move to one with room',
	migrate: 'running calls move to another replica of their model, with what they have generated',
	park: 'the last running calls are put aside while one engine over all GPUs starts for them',
	replan: 'estimates are made again now and then, from what has ended and what still runs',
	sleep: 'a replica that may be needed again goes to sleep in place of being stopped',
	share: 'several engines on one GPU, where the cluster allows it',
	tensor:
		'one engine over two GPUs where that takes less GPU time; the last long calls on all GPUs of a host together',
	cuts: 'outputs are cut where the accuracy budget of the gate pays for it',
};

export type Switches = Readonly<Record<AdaptiveSwitch, boolean>>;

const all = (on: boolean): Record<AdaptiveSwitch, boolean> =>
	Object.fromEntries(ADAPTIVE_SWITCHES.map((name) => [name, on])) as Record<AdaptiveSwitch, boolean>;

/**
 * Reads what follows the name of the policy: `adaptive:all-cuts-sleep` is everything but two, `adaptive:none+early` that one alone.
 * @throws UsageError E_UNKNOWN_SWITCH
 */
export function parseSwitches(scheduler: string): Switches {
	const colon = scheduler.indexOf(':');
	const variant = colon === -1 ? 'all' : scheduler.slice(colon + 1);
	const [base = '', ...changes] = variant.split(/(?=[+-])/);
	if (base !== 'all' && base !== 'none')
		throw unknown(scheduler, `all or none after '${scheduler.slice(0, colon + 1)}'`, base);
	const switches = all(base === 'all');
	for (const change of changes) {
		const name = change.slice(1);
		if (!isSwitch(name)) throw unknown(scheduler, `${oneOf(ADAPTIVE_SWITCHES)} after + or -`, name);
		switches[name] = change.startsWith('+');
	}
	return switches;
}

const isSwitch = (name: string): name is AdaptiveSwitch =>
	(ADAPTIVE_SWITCHES as readonly string[]).includes(name);

const unknown = (scheduler: string, expected: string, got: string): UsageError =>
	new UsageError('E_UNKNOWN_SWITCH', `scheduler ${scheduler}: expected ${expected}, got '${got}'`);
