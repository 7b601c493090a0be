import type { ReplicaId } from '../../sim/domain/ids.ts';
import type { Action, ReplicaView } from '../../sim/domain/scheduler.ts';
import type { Call } from '../../sim/domain/work.ts';
import { kvTokens } from './estimates.ts';
import { heldAhead } from './load.ts';
import type { Ranked } from './longest-first.ts';
import type { Outlook } from './outlook.ts';
import { gpuCount } from './replicas.ts';

/** Gives awake replicas calls, as many as they have room for. */
export function dispatches(outlook: Outlook, given: Set<ReplicaId>): Action[] {
	const actions: Action[] = [];
	for (const model of outlook.models) {
		const { released, releasedCount } = outlook.pending(model);
		if (releasedCount === 0) continue;
		const serving = outlook.serving(model);
		const awake = serving.filter(({ id, state }) => state === 'awake' && id !== outlook.starving?.yields);
		if (!awake.some(isDue)) continue;
		// Those that still load count too: what the first one takes, the others cannot have.
		const open = serving.reduce((sum, { openCalls }) => sum + openCalls, 0);
		const rooms = awake.map((replica) => ({
			replica,
			room: roomOf(outlook, replica),
			count: replica.openCalls,
		}));
		const share = Math.ceil((open + releasedCount) / gpuCount(serving));
		fill(outlook, rooms, released, share, (action) => actions.push(action), given);
	}
	return actions;
}

interface Place {
	readonly replica: ReplicaView;
	readonly room: Room;
	/** Calls on it. */
	count: number;
}

/**
 * Hands calls out one at a time, each to the emptiest replica, until nothing fits.
 * @param share calls of one GPU at most
 */
function fill(
	outlook: Outlook,
	places: readonly Place[],
	lists: readonly (readonly Call[])[],
	share: number,
	put: (action: Action) => void,
	given: Set<ReplicaId>,
): void {
	const { next, back } = cursor(lists, outlook);
	for (;;) {
		let best: Place | undefined;
		for (const place of places)
			if (
				place.count < Math.min(share * place.replica.gpus.length, place.room.sequences) &&
				(best === undefined || freePerGpu(place) > freePerGpu(best))
			)
				best = place;
		const call = best === undefined ? undefined : next();
		if (best === undefined || call === undefined) return;
		// An empty replica takes any call: it fits, or nothing ever does.
		if (!best.room.take(call) && best.count > 0) {
			best.room.sequences = 0;
			back(call);
			continue;
		}
		put(dispatch(outlook, call, best.replica));
		given.add(best.replica.id);
		best.count++;
	}
}

const freePerGpu = ({ room, replica }: Place): number => room.free() / replica.gpus.length;

/** A large batch is filled up a few calls at a time: the order of what waits is not looked at for every call that ends. */
const isDue = ({ openCalls }: ReplicaView): boolean => openCalls % Math.ceil((1 + openCalls) / BATCHES) === 0;

const BATCHES = 32;

export function dispatch(outlook: Outlook, call: Call, replica: ReplicaView): Action {
	const { view, expected } = outlook;
	outlook.take(call.id);
	const limit = expected.switches.cuts ? view.cutTokens(call) : call.maxOutputTokens;
	const about = {
		type: 'dispatch',
		call: call.id,
		replica: replica.id,
	} as const;
	return limit < call.maxOutputTokens ? { ...about, maxOutputTokens: limit } : about;
}

/** Takes calls from the lists one by one, list after list or, where they are ranked, the longest of all; one may be put back. */
function cursor(
	lists: readonly (readonly Call[])[],
	outlook: Outlook,
): { next: () => Call | undefined; back: (call: Call) => void } {
	const rest = lists.map((list) => new Rest(list, outlook));
	let returned: Call | undefined;
	const next = (): Call | undefined => {
		if (returned !== undefined) {
			const call = returned;
			returned = undefined;
			return call;
		}
		let best: Rest | undefined;
		for (const one of rest)
			if (one.first !== undefined && (best === undefined || one.tokens > best.tokens)) best = one;
		const call = best?.first;
		best?.advance();
		return call;
	};
	return {
		next,
		back: (call) => {
			returned = call;
		},
	};
}

/** What is left of a list. */
class Rest {
	private readonly calls: readonly Call[];
	private readonly ranked: Ranked | null;
	private readonly outlook: Outlook;
	private index = -1;

	constructor(list: readonly Call[], outlook: Outlook) {
		this.ranked = outlook.ranked(list);
		this.calls = this.ranked?.calls ?? list;
		this.outlook = outlook;
		this.advance();
	}

	get first(): Call | undefined {
		return this.calls[this.index];
	}

	/** 0 where it is not ranked. */
	get tokens(): number {
		return this.ranked?.tokensAt(this.index) ?? 0;
	}

	/** To the next call that this decision has not taken. */
	advance(): void {
		do this.index++;
		while (this.first !== undefined && this.outlook.isTaken(this.first.id));
	}
}

interface Room {
	/** Calls that it may hold in all. */
	sequences: number;
	/** KV positions that are expected to stay free. */
	free(): number;
	/** @returns false, and takes nothing, when the call is not expected to fit */
	take(call: Call): boolean;
}

function roomOf(outlook: Outlook, replica: ReplicaView): Room {
	const profile = outlook.profile(replica);
	if (profile === undefined)
		return {
			sequences: 0,
			free: () => 0,
			take: () => false,
		};
	if (!outlook.expected.switches.window) {
		let taken = replica.openCalls;
		return {
			sequences: Number.POSITIVE_INFINITY,
			free: () => -taken,
			take: () => {
				taken++;
				return true;
			},
		};
	}
	const held = [...outlook.load(replica).heldTokens];
	const limit = outlook.expected.tuning.fill * kvTokens(profile.engine);
	return {
		sequences: profile.engine.maxNumSeqs,
		free: () => limit - Math.max(...held),
		take(call) {
			const more = heldAhead(outlook.lengthsOf(call), call.promptTokens, 0);
			if (more.some((tokens, i) => (held[i] ?? 0) + tokens > limit)) return false;
			more.forEach((tokens, i) => {
				held[i] = (held[i] ?? 0) + tokens;
			});
			return true;
		},
	};
}
