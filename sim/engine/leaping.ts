import type { EngineGauges, EngineRequest } from '../domain/engine.ts';
import type { EngineConfig, StepCost } from '../domain/model.ts';
import type { TimeUs } from '../domain/units.ts';
import { LeapingCore } from './leaping-core.ts';
import { empty } from './step-batch.ts';
import type { StepLoad } from './step-time.ts';
import { StepwiseEngine } from './stepwise.ts';

/**
 * The same engine, several steps at a time. When a call is due and the calls to come are known to be equal, they are planned
 * as one leap and carried out when the clock reaches its end, or as far as it got when somebody asks, submits or aborts.
 * Counts are those of the stepwise engine, and so are times, to the last bit: both work them out from the same sums.
 */
export class LeapingEngine extends StepwiseEngine {
	private readonly leapingCore: LeapingCore;
	/** Steps it stands for, planned and not carried out yet: `scheduleDue` holds, for the call after them. */
	private leap: PlannedLeap | null = null;

	constructor(config: EngineConfig, cost: StepCost) {
		const core = new LeapingCore(config);
		super(config, cost, core);
		this.leapingCore = core;
	}

	override submit(request: EngineRequest, nowUs: TimeUs): void {
		if (!this.leapingCore.newcomersOnlyWait) this.interrupt(nowUs);
		super.submit(request, nowUs);
	}

	override abort(id: string, nowUs: TimeUs): number | undefined {
		this.interrupt(nowUs);
		return super.abort(id, nowUs);
	}

	override gauges(nowUs: TimeUs = this.lastUs): EngineGauges {
		const { leap } = this;
		const before = super.gauges(nowUs);
		if (leap === null) return before;
		const steps = this.stepsUntil(leap, nowUs);
		const startUs = steps === 0 ? this.stepStartUs : this.startUs(leap, steps);
		return {
			...before,
			usedBlocks: this.leapingCore.usedBlocksAfter(Math.min(steps + 1, leap.steps)),
			steps: before.steps + steps,
			busyUs: Math.round(this.closedBusyUs + startUs - this.busySinceUs),
		};
	}

	protected override producedTokens(id: string): number | undefined {
		const { leap, leapingCore } = this;
		return leapingCore.outputTokens(id, leap === null ? 0 : this.stepsUntil(leap, this.lastUs));
	}

	protected override startSteps(): void {
		if (this.leap !== null) this.carryOut(this.leap.steps);
		this.leap = this.plan();
		if (this.leap === null) super.startSteps();
	}

	protected override nextDueUs(): TimeUs {
		return this.leap === null ? super.nextDueUs() : this.callUs(this.leap, this.leap.steps);
	}

	private plan(): PlannedLeap | null {
		const leap = this.leapingCore.planLeap(Number.POSITIVE_INFINITY);
		// Planning one step costs more than taking it.
		if (leap === null || leap.steps < 2) return null;
		const { steps, endUs } = this.clock.foresee(leap.load, leap.steps);
		return { load: leap.load, sinceUs: this.lastUs, steps, endUs };
	}

	/** Start of the step that runs after the first `steps` steps of a leap: calls run a step ahead when scheduling is asynchronous. */
	private startUs(leap: PlannedLeap, steps: number): TimeUs {
		return leap.endUs(this.asyncScheduling ? steps - 1 : steps);
	}

	/** When that is, and the next call is due. */
	private callUs(leap: PlannedLeap, steps: number): TimeUs {
		return steps === 0 ? leap.sinceUs : Math.max(leap.sinceUs, Math.round(this.startUs(leap, steps)));
	}

	/** The most steps of a leap after which the next call was due at `nowUs` or before. */
	private stepsUntil(leap: PlannedLeap, nowUs: TimeUs): number {
		let steps = 0;
		for (let tooMany = leap.steps + 1; tooMany - steps > 1; ) {
			const middle = (steps + tooMany) >> 1;
			if (this.callUs(leap, middle) <= nowUs) steps = middle;
			else tooMany = middle;
		}
		return steps;
	}

	/** Ends a leap with the last call of it before `nowUs`: what is due at that time comes after what is done then. */
	private interrupt(nowUs: TimeUs): void {
		const { leap } = this;
		if (leap === null) return;
		this.moveTo(nowUs);
		const steps = this.stepsUntil(leap, nowUs - 1);
		this.lastUs = this.callUs(leap, steps);
		this.carryOut(steps);
		super.startSteps();
		this.dueUs = this.hasRejected ? nowUs : this.nextDueUs();
	}

	private carryOut(steps: number): void {
		const leap = this.leap as PlannedLeap;
		this.leap = null;
		if (steps === 0) return;
		this.leapingCore.leap(steps);
		this.clock.runMany(leap.load, steps);
		this.stepStartUs = this.startUs(leap, steps);
		this.steps += steps;
		if (this.executing === null) return;
		const firstTokenUs = this.callUs(leap, 1);
		for (const sequence of this.executing.firstTokens) sequence.firstTokenUs = firstTokenUs;
		empty(this.executing.firstTokens);
	}
}

interface PlannedLeap {
	readonly steps: number;
	readonly load: StepLoad;
	/** Time of its first call. */
	readonly sinceUs: TimeUs;
	readonly endUs: (steps: number) => TimeUs;
}
