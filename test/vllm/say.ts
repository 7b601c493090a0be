const startedMs = performance.now();

export const say = (line: string): void => console.log(line);

/** Says what begins now, with the minutes passed. */
export const sayStep = (step: string): void =>
	say(`[${((performance.now() - startedMs) / 60_000).toFixed(1)} min] ${step}`);
