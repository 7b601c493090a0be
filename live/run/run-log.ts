import type { AuditEvidence } from '../../sim/domain/calibration.ts';
import {
	type EndRecord,
	type MakespanBound,
	RUN_LOG_FORMAT,
	type RunRecord,
	type RunStarted,
} from '../../sim/domain/run-log.ts';
import type { Setup } from '../../sim/domain/setup.ts';
import type { TimeUs } from '../../sim/domain/units.ts';

/** Hands the records of a run log on and keeps what its last record needs. */
export class RunLog {
	failedCalls = 0;
	private readonly onRecord: (record: RunRecord) => void;
	private readonly bound: MakespanBound | undefined;
	private readonly ended: EndRecord[] = [];
	private lastRecordUs: TimeUs = 0;

	constructor(onRecord: (record: RunRecord) => void, bound: MakespanBound | undefined) {
		this.onRecord = onRecord;
		this.bound = bound;
	}

	write(record: RunRecord): void {
		this.lastRecordUs = record.timeUs;
		if (record.type === 'call-finished' || record.type === 'query-settled') this.ended.push(record);
		else if (record.type === 'call-failed') this.failedCalls++;
		this.onRecord(record);
	}

	/**
	 * Writes the last record.
	 * @param audit what audits found; null without any
	 * @param endUs absent: with its last happening
	 * @returns the end of the run
	 */
	end(
		status: 'complete' | 'interrupted',
		audit: AuditEvidence | null,
		endUs: TimeUs = this.lastRecordUs,
	): TimeUs {
		const bound = status === 'complete' ? this.bound : undefined;
		this.onRecord({
			type: 'run-ended',
			timeUs: endUs,
			status,
			...(bound === undefined ? { lowerBoundUs: null } : bound(this.ended)),
			...(audit && { audit }),
		});
		return endUs;
	}
}

/** First record of a live run. What executed the engines stands where a simulation names the execution of its engine model. */
export function liveRunStarted(
	setup: Setup,
	names: Pick<RunStarted, 'version' | 'scheduler' | 'gate' | 'engineMode' | 'knowsLengths' | 'gateEvidence'>,
): RunStarted {
	return {
		type: 'run-started',
		timeUs: 0,
		format: RUN_LOG_FORMAT,
		version: names.version,
		experiment: setup.name,
		scheduler: names.scheduler,
		gate: names.gate,
		seed: setup.seed,
		engineMode: names.engineMode,
		world: 'live',
		gpus: setup.cluster.gpus.map(({ id, type, host }) => ({ gpu: id, type, host })),
		models: setup.models.map(({ id, modelClass }) => ({ model: id, modelClass })),
		queryCount: setup.queries.length,
		...(names.knowsLengths && { knowsLengths: true }),
		...(names.gateEvidence && { gateEvidence: names.gateEvidence }),
	};
}
