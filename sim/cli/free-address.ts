import { createServer } from 'node:net';
import { UsageError } from '../domain/errors.ts';

/** @throws UsageError E_ADDRESS when nothing can listen there */
export async function requireFreeAddress(host: string, port: number): Promise<void> {
	const server = createServer();
	await new Promise<void>((resolve, reject) => {
		server.once('error', ({ code }: NodeJS.ErrnoException) => {
			const [option, expected, got] =
				code === 'EADDRINUSE'
					? ['port', `a free port on ${host}`, `${port}, which is in use`]
					: code === 'EACCES'
						? ['port', 'a port that this user may listen on', `${port}`]
						: ['host', 'an address of this machine', `${host} (${code})`];
			reject(new UsageError('E_ADDRESS', `option --${option}: expected ${expected}, got ${got}`));
		});
		server.listen(port, host, resolve);
	});
	await new Promise((resolve) => server.close(resolve));
}
