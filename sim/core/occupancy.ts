import { present } from '../domain/errors.ts';
import type { GpuId, HostId, ReplicaId } from '../domain/ids.ts';
import type { Cluster, Gpu, Host, SleepLevel } from '../domain/model.ts';
import type { ReplicaRecord } from './replica-states.ts';

/** Who is where, how much memory that leaves, and what therefore cannot come. */
export class Occupancy {
	private readonly gpus: ReadonlyMap<GpuId, Gpu>;
	private readonly hosts: ReadonlyMap<HostId, Host>;
	private readonly enginesPerGpu: number;
	private readonly replicas: ReadonlyMap<ReplicaId, ReplicaRecord>;

	constructor(cluster: Cluster, replicas: ReadonlyMap<ReplicaId, ReplicaRecord>) {
		this.gpus = new Map(cluster.gpus.map((gpu) => [gpu.id, gpu]));
		this.hosts = new Map(cluster.hosts.map((host) => [host.id, host]));
		this.enginesPerGpu = cluster.enginesPerGpu;
		this.replicas = replicas;
	}

	gpu(id: GpuId): Gpu | undefined {
		return this.gpus.get(id);
	}

	/** Bytes of a GPU that no replica holds. */
	freeGpuBytes(id: GpuId): number {
		let free = present(this.gpus.get(id), `gpu ${id}`).memoryBytes;
		for (const replica of this.replicas.values()) {
			if (replica.gpus.includes(id)) free -= replica.heldGpuBytes;
		}
		return free;
	}

	/** Bytes of a host's RAM that no replica's sleeping weights take. */
	freeHostBytes(id: HostId): number {
		let free = this.host(id).ramBytes;
		for (const replica of this.replicas.values()) {
			if (replica.heldHostBytes > 0) free -= replica.heldHostBytes * this.shareOnHost(replica, id);
		}
		return free;
	}

	/** Why an engine cannot come up on these GPUs now; null when it can. vLLM refuses a start by the memory that is free, whatever the engine would use. */
	startRefusal(gpus: readonly GpuId[], gpuBytesPerGpu: number): string | null {
		return this.refusal(gpus, (gpu, freeBytes) => {
			if (freeBytes >= gpuBytesPerGpu) return null;
			const share = (gpuBytesPerGpu / gpu.memoryBytes).toFixed(2);
			return (
				`free memory on ${gpu.id} (${gib(freeBytes)} of ${gib(gpu.memoryBytes)}) is less than the share that ` +
				`the engine asks for (${share}, ${gib(gpuBytesPerGpu)})`
			);
		});
	}

	/** Why a sleeping replica cannot wake now; null when it can. */
	wakeRefusal({ gpus, heldGpuBytes, profile }: ReplicaRecord): string | null {
		const neededBytes = profile.gpuBytesPerGpu - heldGpuBytes;
		return this.refusal(gpus, (gpu, freeBytes) =>
			freeBytes >= neededBytes
				? null
				: `waking takes ${gib(neededBytes)} more on ${gpu.id}, ${gib(freeBytes)} of ${gib(gpu.memoryBytes)} are free`,
		);
	}

	/** Why a replica cannot fall asleep now; null when it can. */
	sleepRefusal({ gpus, profile }: ReplicaRecord, level: SleepLevel): string | null {
		if (profile.sleep[level] === null) return `its engine cannot sleep at level ${level}`;
		if (level === 2) return null;
		for (const id of new Set(gpus.map((gpu) => present(this.gpus.get(gpu), `gpu ${gpu}`).host))) {
			const neededBytes = profile.sleepingHostBytes * this.shareOnHost({ gpus }, id);
			const freeBytes = this.freeHostBytes(id);
			if (freeBytes >= neededBytes) continue;
			return (
				`its weights take ${gib(neededBytes)} of RAM on ${id}, ` +
				`${gib(freeBytes)} of ${gib(this.host(id).ramBytes)} are free`
			);
		}
		return null;
	}

	private refusal(
		gpus: readonly GpuId[],
		memoryRefusal: (gpu: Gpu, freeBytes: number) => string | null,
	): string | null {
		for (const id of gpus) {
			const short = memoryRefusal(present(this.gpus.get(id), `gpu ${id}`), this.freeGpuBytes(id));
			if (short !== null) return short;
			const engines = this.enginesOn(id);
			if (engines.length < this.enginesPerGpu) continue;
			return this.enginesPerGpu === 1
				? `${engines[0]} runs on ${id}: one engine at a time per GPU`
				: `${engines.join(', ')} run on ${id}: ${this.enginesPerGpu} engines at a time per GPU`;
		}
		return null;
	}

	private enginesOn(id: GpuId): readonly ReplicaId[] {
		const engines: ReplicaId[] = [];
		for (const replica of this.replicas.values())
			if (replica.gpus.includes(id) && replica.hasEngine) engines.push(replica.id);
		return engines;
	}

	/** Weights are divided equally among the GPUs, and each part sleeps beside its GPU. */
	private shareOnHost({ gpus }: Pick<ReplicaRecord, 'gpus'>, id: HostId): number {
		return gpus.filter((gpu) => this.gpus.get(gpu)?.host === id).length / gpus.length;
	}

	private host(id: HostId): Host {
		return present(this.hosts.get(id), `host ${id}`);
	}
}

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
