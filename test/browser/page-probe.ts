/** What a page says about itself after its scripts have run. */
export interface PageFindings {
	/** Uncaught errors, rejected promises, blocked requests, and what went to console.error. */
	readonly complaints: readonly string[];
	readonly charts: readonly {
		readonly id: string;
		readonly text: string;
		/** Pixels that are not white, over all canvases of the chart. */
		readonly inkPixels: number;
		readonly canvases: number;
	}[];
	/** What the page asked for besides itself. */
	readonly requests: readonly string[];
}

const SLOT = 'page-findings';

/** The page with a script of ours in front of its own, which listens and, when the charts stand, writes down what it found. */
export function withProbe(html: string): string {
	const at = html.indexOf('<head>') + '<head>'.length;
	return `${html.slice(0, at)}<script>(${probe.toString()})(${JSON.stringify(SLOT)})</script>${html.slice(at)}`;
}

/** @param document of a page made by `withProbe` */
export function findingsIn(document: string): PageFindings {
	const match = new RegExp(`<script type="application/json" id="${SLOT}">(.*?)</script>`, 's').exec(document);
	if (match?.[1] === undefined) throw new Error(`the page came to no end: ${document.slice(0, 500)}`);
	return JSON.parse(match[1]) as PageFindings;
}

/** Runs in the page: nothing from outside this function is there. */
function probe(slot: string): void {
	// biome-ignore lint/suspicious/noExplicitAny: the browser's types are not among the project's
	const page = globalThis as any;
	const complaints: string[] = [];
	for (const kind of ['error', 'unhandledrejection', 'securitypolicyviolation'])
		page.addEventListener(
			kind,
			// biome-ignore lint/suspicious/noExplicitAny: one handler for three kinds of event
			(event: any) =>
				complaints.push(
					`${kind}: ${event.message ?? event.reason ?? event.blockedURI ?? event.target?.outerHTML}`,
				),
			true,
		);
	page.console.error = (...values: unknown[]) => complaints.push(`console: ${values.join(' ')}`);

	// biome-ignore lint/suspicious/noExplicitAny: a canvas element
	const inkPixels = (canvas: any): number => {
		const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
		let ink = 0;
		for (let i = 0; i < data.length; i += 4)
			if (data[i + 3] > 0 && (data[i] < 250 || data[i + 1] < 250 || data[i + 2] < 250)) ink++;
		return ink;
	};
	const report = (): void => {
		// biome-ignore lint/suspicious/noExplicitAny: a DOM element
		const charts = [...page.document.querySelectorAll('[data-chart]')].map((holder: any) => {
			const canvases = [...holder.querySelectorAll('canvas')];
			return {
				id: holder.dataset.chart,
				text: canvases.length > 0 ? '' : holder.textContent,
				inkPixels: canvases.map(inkPixels).reduce((sum, ink) => sum + ink, 0),
				canvases: canvases.length,
			};
		});
		const requests = page.performance.getEntriesByType('resource').map(({ name }: { name: string }) => name);
		const out = page.document.createElement('script');
		out.type = 'application/json';
		out.id = slot;
		out.textContent = JSON.stringify({ complaints, charts, requests }).replaceAll('<', '\\u003c');
		page.document.body.append(out);
	};
	// Page time, which the browser runs through as fast as it can; drawing takes a fraction of it.
	page.addEventListener('load', () => page.setTimeout(report, 5000));
}
