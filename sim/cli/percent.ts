/** `+1.2 %`; a dash for what is unknown. */
export const signedPercent = (percent: number | null): string =>
	percent === null ? '-' : `${percent > 0 ? '+' : ''}${plainPercent(percent)}`;

/** `1.2 %`. */
export const plainPercent = (percent: number): string => `${percent.toFixed(1)} %`;
