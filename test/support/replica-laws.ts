import type { GpuId, HostId, ReplicaId } from '../../sim/domain/ids.ts';
import type { ReplicaProfile, SleepLevel } from '../../sim/domain/model.ts';
import type { ReplicaChanged, RunRecord } from '../../sim/domain/run-log.ts';
import { findProfile, type ReplicaState } from '../../sim/domain/scheduler.ts';
import type { Setup } from '../../sim/domain/setup.ts';

const nextStates: Readonly<Record<ReplicaState | 'new', readonly ReplicaState[]>> = {
	new: ['loading'],
	loading: ['awake', 'stopping', 'failed'],
	awake: ['falling-asleep', 'stopping', 'failed'],
	'falling-asleep': ['asleep-1', 'asleep-2', 'failed'],
	'asleep-1': ['waking', 'stopping', 'failed'],
	'asleep-2': ['waking', 'stopping', 'failed'],
	waking: ['awake', 'stopping', 'failed'],
	stopping: ['stopped', 'failed'],
	stopped: [],
	failed: [],
};
/** States after which a dead engine may be brought up again. */
const canRestart: readonly string[] = ['loading', 'awake', 'falling-asleep', 'waking'];

interface Standing {
	readonly state: ReplicaState;
	readonly sinceUs: number;
	/** Of its last sleep. */
	readonly level: SleepLevel;
	readonly gpus: readonly GpuId[];
	readonly gpuBytes: number;
	readonly hostBytes: number;
	readonly hasEngine: boolean;
}

/**
 * Replicas go through their states in order, each as long as the profile says. At no moment do they hold more memory than a GPU or a host has,
 * or are there more engines on a GPU than it may have.
 */
export function replicaBreaches(records: readonly RunRecord[], setup: Setup): string[] {
	const breaches: string[] = [];
	const standing = new Map<ReplicaId, Standing>();
	records.forEach((record, index) => {
		if (record.type !== 'replica-changed') return;
		const profile = profileOf(record, setup);
		const bad = (what: string): void => {
			breaches.push(`${record.replica} at ${record.timeUs}: ${what}`);
		};
		if (profile === undefined) {
			bad(`no profile of ${record.model} on ${record.gpus.join('+')}`);
			return;
		}
		const before = standing.get(record.replica);
		const level = levelAt(record, records.slice(index + 1)) ?? before?.level ?? 1;
		for (const what of stepBreaches(record, before, profile)) bad(what);
		standing.set(record.replica, {
			state: record.state,
			sinceUs: record.timeUs,
			level,
			gpus: record.gpus,
			gpuBytes: heldOnGpu(record.state, profile, before?.gpuBytes ?? 0),
			hostBytes: heldOnHost(record.state, level, profile, before?.hostBytes ?? 0),
			hasEngine: hasEngine(record.state, before),
		});
		for (const what of crowding([...standing.values()], setup)) bad(what);
	});
	return breaches;
}

function stepBreaches(
	record: ReplicaChanged,
	before: Standing | undefined,
	profile: ReplicaProfile,
): string[] {
	const { state, reason, timeUs } = record;
	const from = before?.state ?? 'new';
	const isRestart = state === 'loading' && reason !== undefined && canRestart.includes(from);
	if (!isRestart && !nextStates[from].includes(state)) return [`${from} to ${state}`];
	if (isRestart || state === 'failed' || state === 'stopping' || before === undefined) return [];
	const lastsUs: Partial<Record<ReplicaState, number | undefined>> = {
		loading: profile.loadUs,
		'falling-asleep': profile.sleep[state === 'asleep-1' ? 1 : 2]?.sleepUs,
		waking: profile.sleep[before.level]?.wakeUs,
		stopping: profile.stopUs,
	};
	const expectedUs = lastsUs[before.state];
	const tookUs = timeUs - before.sinceUs;
	return expectedUs === undefined || tookUs === expectedUs
		? []
		: [`${before.state} took ${tookUs} us, expected ${expectedUs}`];
}

/** Which sleep a record belongs to: one that falls asleep shows it in what comes of it. */
function levelAt({ replica, state }: ReplicaChanged, later: readonly RunRecord[]): SleepLevel | undefined {
	if (state === 'asleep-1') return 1;
	if (state === 'asleep-2') return 2;
	if (state !== 'falling-asleep') return undefined;
	const next = later.find((record) => record.type === 'replica-changed' && record.replica === replica);
	return next?.type === 'replica-changed' && next.state === 'asleep-1' ? 1 : 2;
}

/** @param before what it held until now: an engine that stops takes nothing more, asleep or not */
function heldOnGpu(state: ReplicaState, profile: ReplicaProfile, before: number): number {
	if (state === 'stopped' || state === 'failed') return 0;
	if (state === 'stopping') return before;
	return state.startsWith('asleep') ? profile.sleepingGpuBytesPerGpu : profile.gpuBytesPerGpu;
}

/** One that is stopped in its sleep never has its engine back. */
function hasEngine(state: ReplicaState, before: Standing | undefined): boolean {
	if (state === 'stopping') return before?.hasEngine ?? true;
	return !['asleep-1', 'asleep-2', 'stopped', 'failed'].includes(state);
}

function heldOnHost(state: ReplicaState, level: SleepLevel, profile: ReplicaProfile, before: number): number {
	if (state === 'stopping') return before;
	const holds = ['falling-asleep', 'asleep-1', 'waking'].includes(state) && level === 1;
	return holds ? profile.sleepingHostBytes : 0;
}

function crowding(replicas: readonly Standing[], { cluster }: Setup): string[] {
	const breaches: string[] = [];
	const hostOf = new Map<GpuId, HostId>(cluster.gpus.map(({ id, host }) => [id, host]));
	for (const { id, memoryBytes } of cluster.gpus) {
		const here = replicas.filter(({ gpus }) => gpus.includes(id));
		const bytes = here.reduce((sum, { gpuBytes }) => sum + gpuBytes, 0);
		if (bytes > memoryBytes) breaches.push(`${bytes} bytes on ${id}`);
		const engines = here.filter((replica) => replica.hasEngine).length;
		if (engines > cluster.enginesPerGpu) breaches.push(`${engines} engines on ${id}`);
	}
	for (const { id, ramBytes } of cluster.hosts) {
		const bytes = replicas.reduce((sum, { gpus, hostBytes }) => {
			const part = gpus.filter((gpu) => hostOf.get(gpu) === id).length / gpus.length;
			return sum + hostBytes * part;
		}, 0);
		if (bytes > ramBytes) breaches.push(`${bytes} bytes in the RAM of ${id}`);
	}
	return breaches;
}

function profileOf({ model, gpus }: ReplicaChanged, setup: Setup): ReplicaProfile | undefined {
	const type = setup.cluster.gpus.find(({ id }) => id === gpus[0])?.type ?? '';
	return findProfile(setup.profiles, model, type, gpus.length);
}
