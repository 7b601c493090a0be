/** URL at which this machine reaches a server that listens on `host`, which may be the wildcard address. */
export function localUrl(host: string, port: number): string {
	if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
	if (host === '::') return `http://[::1]:${port}`;
	return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
