import type { EmulatorFault } from '../../sim/domain/live.ts';

type RequestFault = Extract<EmulatorFault, { atRequest: number }>;
type StartFault = Exclude<EmulatorFault, { atRequest: number }>;

/** Faults on order, each given out once. */
export class Faults {
	private readonly faults: readonly EmulatorFault[];
	private requests = 0;

	constructor(faults: readonly EmulatorFault[]) {
		this.faults = faults;
	}

	/** Generation requests so far. */
	get requestCount(): number {
		return this.requests;
	}

	/** Counts a generation request. @returns what is to go wrong with it */
	nextRequest(): RequestFault | null {
		this.requests++;
		return this.faults.filter(isRequestFault).find(({ atRequest }) => atRequest === this.requests) ?? null;
	}

	find<Kind extends StartFault['kind']>(kind: Kind): Extract<StartFault, { kind: Kind }> | undefined {
		return this.faults.find((fault): fault is Extract<StartFault, { kind: Kind }> => fault.kind === kind);
	}
}

const isRequestFault = (fault: EmulatorFault): fault is RequestFault => 'atRequest' in fault;
