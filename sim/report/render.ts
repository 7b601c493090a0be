/** Charts as pictures, without a browser and with the fonts that ship with the program. */
import { createRequire } from 'node:module';
import type { TopLevelSpec } from 'vega-lite';

/** Drawings wait for each other: Vega numbers the clip paths of all views with one counter, and one thread gains nothing from mixing them. */
let drawing: Promise<unknown> = Promise.resolve();

/** @returns the SVG document of a Vega-Lite spec; the same spec always gives the same bytes */
export function renderSvg(spec: TopLevelSpec): Promise<string> {
	const drawn = drawing.then(() => draw(spec));
	drawing = drawn.catch(() => undefined);
	return drawn;
}

async function draw(spec: TopLevelSpec): Promise<string> {
	const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
	const { spec: compiled } = vegaLite.compile(spec, { logger: vega.logger(vega.Error) });
	const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
	// Begun anew, so that a chart's bytes do not depend on what was drawn before it.
	vega.resetSVGDefIds();
	const svg = await view.toSVG();
	view.finalize();
	return svg;
}

/**
 * @param scale device pixels per SVG pixel
 * @returns a PNG file. Only the shipped DejaVu fonts are used: with none, resvg would leave out all text without an error.
 */
export async function renderPng(svg: string, scale = 2): Promise<Buffer> {
	const { Resvg } = await import('@resvg/resvg-js');
	const resolve = createRequire(__filename).resolve;
	const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) =>
		resolve(`dejavu-fonts-ttf/ttf/${file}`),
	);
	const picture = new Resvg(svg, {
		fitTo: { mode: 'zoom', value: scale },
		font: {
			loadSystemFonts: false,
			fontFiles,
			defaultFontFamily: 'DejaVu Sans',
			sansSerifFamily: 'DejaVu Sans',
		},
	});
	return picture.render().asPng();
}
