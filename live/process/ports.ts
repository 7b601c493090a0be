import { createServer } from 'node:net';
import { UsageError } from '../../sim/domain/errors.ts';

/** Ports that are looked at before giving up. */
const RANGE = 1000;

/**
 * The one table from which a run's servers get their HTTP ports. vLLM binds its port early and listens on it late, so two servers that start
 * side by side may both believe to have it: nothing but a table keeps them apart.
 */
export class PortTable {
	private readonly host: string;
	private readonly firstPort: number;
	private readonly taken = new Set<number>();

	constructor(host: string, firstPort: number) {
		this.host = host;
		this.firstPort = firstPort;
	}

	/**
	 * The lowest port that is not handed out and on which nobody else listens.
	 * @throws UsageError E_PORTS when there is none
	 */
	async take(): Promise<number> {
		const lastPort = Math.min(65_535, this.firstPort + RANGE - 1);
		for (let port = this.firstPort; port <= lastPort; port++) {
			if (this.taken.has(port)) continue;
			// Entered before the test, so that nobody is given it meanwhile.
			this.taken.add(port);
			if (await isFree(this.host, port)) return port;
			this.taken.delete(port);
		}
		throw new UsageError(
			'E_PORTS',
			`live.firstPort: expected a free port on ${this.host} among ${this.firstPort} to ${lastPort}, found none`,
		);
	}

	release(port: number): void {
		this.taken.delete(port);
	}
}

/** Tried by listening, which also finds a server that is too busy to accept a connection. */
function isFree(host: string, port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.once('error', () => resolve(false));
		probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
	});
}
