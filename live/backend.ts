import type { ReplicaStart } from '../sim/core/executor.ts';
import type { BackendName } from '../sim/domain/live.ts';

/** What is run for one replica. The same object starts the process and is shown by `--dry-run`. */
export interface ServerCommand {
	readonly executable: string;
	readonly arguments: readonly string[];
	/** Added to the controller's own environment. Holds no secret. */
	readonly environment: Readonly<Record<string, string>>;
}

/** Where a replica's server is reached. */
export interface ServerAddress {
	/** Without `/v1`. */
	readonly baseUrl: string;
	/** Model name in requests. */
	readonly servedModel: string;
	/** Read from the environment when a request is sent; never logged, journalled or put into an error. */
	readonly apiKey: string | null;
}

/** Kinds of server behind one face. */
export interface Backend {
	readonly name: BackendName;
	/** Whether calls may carry a script for what to generate (`mosaic` field of the body): the emulator's own extension. */
	readonly takesScripts: boolean;
	/** Why its servers cannot sleep; null when they can. A vLLM server without sleep mode says yes to `/sleep` and frees nothing. */
	readonly sleepRefusal: string | null;
	/**
	 * Everything that can be wrong before something starts: no Python with vLLM, an endpoint that cannot be reached or serves another model.
	 * @throws UsageError one line
	 */
	check(): Promise<void>;
	/** How to start the server of a replica; null where servers run already. Changes nothing. */
	command(start: ReplicaStart, port: number): ServerCommand | null;
	/** Writes what that command reads. Called immediately before it is started. */
	prepare(start: ReplicaStart, port: number): void;
	/** @throws UsageError when no endpoint serves its model */
	address(start: ReplicaStart, port: number): ServerAddress;
	/**
	 * After the processes of a server have ended: resolves when its GPUs can be used again.
	 * @param pids all processes of its group
	 */
	released(pids: readonly number[]): Promise<void>;
}
