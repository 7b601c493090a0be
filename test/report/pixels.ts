import { Resvg } from '@resvg/resvg-js';

/** Nearly black pixels in the upper `height` rows of a PNG, which resvg itself reads back as an image in a picture. */
export async function darkPixels(png: Buffer, width: number, height: number): Promise<number> {
	const size = `width="${png.readUInt32BE(16)}" height="${png.readUInt32BE(20)}"`;
	const picture = new Resvg(
		`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}"><image ${size} xlink:href="data:image/png;base64,${png.toString('base64')}"/></svg>`,
	);
	const { pixels } = picture.render();
	let dark = 0;
	for (let i = 0; i < pixels.length; i += 4) {
		const [red, green, blue, alpha] = pixels.subarray(i, i + 4) as unknown as [
			number,
			number,
			number,
			number,
		];
		if (alpha > 200 && red < 90 && green < 90 && blue < 90) dark++;
	}
	return dark;
}
