/** The page around a report: one file that fetches nothing, with the chart libraries inside. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { escapeHtml, type Markup } from './markup.ts';

/**
 * @param charts specs by element id; each is drawn into the element that names it in `data-chart`
 * @returns a complete HTML document
 */
export function page(title: string, body: readonly Markup[], charts: ReadonlyMap<string, object>): string {
	const data = [...charts].map(
		([id, spec]) => `<script type="application/json" id="${escapeHtml(id)}">${inlineJson(spec)}</script>`,
	);
	// Joined, never filled in with String.replace: minified code holds `$&` and the like.
	return [
		'<!doctype html>',
		'<html lang="en">',
		'<head>',
		'<meta charset="utf-8">',
		'<meta name="viewport" content="width=device-width, initial-scale=1">',
		// Vega compiles expressions, hence unsafe-eval; nothing may be fetched, whatever a spec says.
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:">`,
		`<title>${escapeHtml(title)}</title>`,
		`<style>${STYLE}</style>`,
		'</head>',
		'<body>',
		'<main>',
		...body.map(({ html }) => html),
		'</main>',
		...data,
		...libraries().map((code) => `<script>${inlineScript(code)}</script>`),
		`<script>${DRAW}</script>`,
		'</body>',
		'</html>',
		'',
	].join('\n');
}

/** JSON that cannot end its script element. */
const inlineJson = (value: object): string => JSON.stringify(value).replaceAll('<', '\\u003c');

/** The same code, unable to end its script element or to open a comment in it. */
const inlineScript = (code: string): string =>
	code.replaceAll('</script', () => '<\\/script').replaceAll('<!--', () => '<\\!--');

/** The minified files are not among their packages' exports, but lie beside files that are. */
function libraries(): readonly string[] {
	const resolve = createRequire(__filename).resolve;
	return [
		[resolve('vega/vega-schema.json'), 'vega.min.js'],
		[resolve('vega-lite/vega-lite-schema.json'), 'vega-lite.min.js'],
		[resolve('vega-embed'), 'vega-embed.min.js'],
	].map(([sibling, file]) =>
		withoutSourceMap(readFileSync(path.join(path.dirname(sibling as string), file as string), 'utf8')),
	);
}

/** A source map comment makes developer tools ask for a file that is not there. */
const withoutSourceMap = (code: string): string => code.replace(/^\/\/# sourceMappingURL=.*$/m, '');

const DRAW = `
for (const holder of document.querySelectorAll('[data-chart]')) {
	const narrow = holder.clientWidth < 600;
	const text = document.getElementById(holder.dataset.chart).textContent;
	const spec = JSON.parse(text, (key, value) => (narrow && key === 'columns' ? 1 : narrow && key === 'gradientLength' ? 180 : value));
	// A single view fits itself to the page; panels cannot, so their inner width is set with room for the names of GPUs.
	if (spec.spec === undefined) spec.width = 'container';
	else spec.spec.width = Math.max(220, holder.clientWidth - 120);
	vegaEmbed(holder, spec, { renderer: 'canvas', logLevel: vega.Error, actions: { export: true, source: false, compiled: false, editor: false } }).catch((error) => {
		holder.textContent = 'This chart could not be drawn: ' + error.message;
	});
}
`;

const STYLE = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #222; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.25rem; margin: 40px 0 8px; }
h3 { font-size: 1.05rem; margin: 24px 0 6px; }
p { margin: 6px 0; max-width: 75ch; }
.what { color: #555; }
.finding { font-size: 1.1rem; margin: 16px 0; }
.warning { border-left: 4px solid #d55e00; padding: 6px 12px; background: #fdf1ea; }
.scroll { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid #e3e3e3; text-align: left; white-space: nowrap; vertical-align: top; }
th { font-weight: 600; border-bottom: 2px solid #999; white-space: normal; vertical-align: bottom; }
.number { text-align: right; }
.marked td { font-weight: 600; }
small { color: #555; font-weight: 400; }
td small { display: block; }
td.wraps { white-space: normal; min-width: 16ch; }
figure { margin: 32px 0; }
figure h3 { margin: 0 0 4px; }
.chart { overflow-x: auto; width: 100%; min-height: 40px; }
figcaption { color: #444; font-size: 0.92rem; max-width: 75ch; }
details { margin: 8px 0; }
summary { cursor: pointer; padding: 4px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 12px; font-size: 0.92rem; }
dt { font-weight: 600; }
dd { margin: 0; color: #444; }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 8px; border: 1px solid #0003; }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
@media print { details { display: block; } }
`;
