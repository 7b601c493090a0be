/** Ids that every vocabulary has and that mean nothing special: bytes in byte-level ones, common pieces elsewhere. */
const FIRST_ID = 10;
const ID_COUNT = 240;

/** Prompt of token ids in which position i is the same wherever the stream appears: prompts of one stream share a beginning, others do not. */
export function promptTokenIds(stream: string, length: number): number[] {
	const start = hash32(stream);
	return Array.from(
		{ length },
		(_, index) => FIRST_ID + (mix32(start ^ Math.imul(index + 1, GOLDEN)) % ID_COUNT),
	);
}

/** FNV-1a. */
export function hash32(text: string): number {
	let hash = 0x811c9dc5;
	for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
	return mix32(hash);
}

/** 2^32 over the golden ratio: consecutive multiples are far apart. */
const GOLDEN = 0x9e3779b9;

/**
 * Every bit of the input moves every bit of the result.
 * @source finalizer of MurmurHash3, A. Appleby, public domain
 */
function mix32(value: number): number {
	let x = value;
	x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
	x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
	return (x ^ (x >>> 16)) >>> 0;
}
