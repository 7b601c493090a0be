import type { Setup } from '../../sim/domain/setup.ts';

export type BackendSetup = Pick<
	Setup,
	'seed' | 'cluster' | 'models' | 'profiles' | 'queries' | 'aggregator' | 'live'
>;

export interface BackendOptions {
	/** Of this process: API keys are read from it, and servers inherit it. */
	readonly environment: Readonly<Record<string, string | undefined>>;
	/** Of the run clock; 1 for real servers. */
	readonly speed: number;
	/** Absolute path of a folder that exists: logs of the servers, and files that they are started with. */
	readonly logFolder: string;
}
