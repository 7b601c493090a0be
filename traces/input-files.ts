import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PastQuery } from '../sim/domain/calibration.ts';
import type { InputFile } from '../sim/domain/setup.ts';
import { readCalibration } from './calibration-file.ts';
import type { Experiment } from './experiment-schema.ts';
import type { ExperimentText, FieldPath } from './experiment-text.ts';
import { fileTrouble } from './file-trouble.ts';
import { wholeGate } from './gate-schema.ts';
import { readArrivals } from './import/arrival-csv.ts';
import { type MeasuredProfile, parseMeasuredProfile } from './profile-file.ts';
import { type ReadQuestion, readQuestions } from './questions/read-questions.ts';
import type { Fail } from './resolve/fail.ts';

/** What an experiment takes from files beside it. */
export interface Inputs {
	/** Null without a question file. */
	readonly questions: readonly ReadQuestion[] | null;
	/** Past queries for the gate; null without a file of them. */
	readonly calibration: RecordedPast | null;
	/** In the order of the `profiles` field. */
	readonly profiles: readonly MeasuredProfile[];
	/** Null without recorded arrivals. */
	readonly arrivals: RecordedArrivals | null;
	readonly files: readonly InputFile[];
}

export interface RecordedPast {
	/** Name without its folder. */
	readonly file: string;
	readonly queries: readonly PastQuery[];
}

export interface RecordedArrivals {
	/** Name in messages. */
	readonly file: string;
	/** Since the first, not falling. */
	readonly seconds: readonly number[];
}

/**
 * Reads the files that an experiment names.
 * @param folder of the experiment file: names in it are relative to that; what was set from outside is relative to where the program runs
 * @returns them, and the experiment with the names under which a run folder keeps copies
 * @throws UsageError when one cannot be read or is broken
 */
export function readInputs(
	experiment: Experiment,
	text: ExperimentText,
	folder: string,
	fail: Fail,
): { readonly inputs: Inputs; readonly experiment: Experiment } {
	const place = (name: string, field: FieldPath): string =>
		text.isOverridden(field) ? name : path.join(path.isAbsolute(name) ? '' : folder, name);
	const read = (name: string, field: FieldPath, what: string): { file: string; content: string } => {
		const file = place(name, field);
		try {
			return { file, content: readFileSync(file, 'utf8') };
		} catch (error) {
			throw fail(field, 'E_INPUT_FILE', what, `'${file}', ${fileTrouble(error)}`);
		}
	};
	const { workload, live } = experiment;
	const files: InputFile[] = [];

	let questions: Inputs['questions'] = null;
	let questionsName: string | undefined;
	if (workload.questions !== undefined) {
		const { file, content } = read(workload.questions, ['workload', 'questions'], 'a readable question file');
		questions = readQuestions(content, file);
		questionsName = 'questions.jsonl';
		files.push({ name: questionsName, text: content });
	}

	const profiles = experiment.profiles.map((name, index) => {
		const { file, content } = read(name, ['profiles', index], 'a readable profile file');
		const profile = parseMeasuredProfile(content, file);
		const base = path.basename(name);
		const taken = files.some((other) => other.name === `profiles/${base}`);
		files.push({ name: taken ? `profiles/${index}-${base}` : `profiles/${base}`, text: content });
		return profile;
	});
	const profileNames = files.map((file) => file.name).filter((name) => name !== questionsName);

	let recorded: RecordedArrivals | null = null;
	let { arrivals } = workload;
	if (arrivals !== 'batch' && arrivals.process === 'trace') {
		const field = ['workload', 'arrivals', 'file'];
		const { file, content } = read(arrivals.file, field, 'a readable table of arrivals');
		recorded = { file, seconds: readArrivals(content, file, arrivals.column) };
		arrivals = { ...arrivals, file: 'arrivals.csv' };
		files.push({ name: arrivals.file, text: content });
	}

	let calibration: RecordedPast | null = null;
	let gate = wholeGate(experiment.gate);
	if (gate.calibration !== undefined) {
		const { file, content } = read(gate.calibration, ['gate', 'calibration'], 'a readable calibration file');
		const { slotsPerQuery } = workload;
		const queries = readCalibration(content, file, { pool: experiment.pool, slotsPerQuery });
		calibration = { file: path.basename(gate.calibration), queries };
		const kept = 'calibration.jsonl';
		gate = { ...gate, calibration: kept };
		files.push({ name: kept, text: content });
	}

	const local = (name: string, field: FieldPath): string =>
		/^\.\.?[/\\]/.test(name) ? path.resolve(place(name, field)) : name;
	const { vllm } = live;
	const models = Object.entries(vllm.models).map(([id, name]) => [
		id,
		local(name, ['live', 'vllm', 'models', id]),
	]);
	return {
		inputs: { questions, calibration, profiles, arrivals: recorded, files },
		experiment: {
			...experiment,
			gate,
			profiles: profileNames,
			workload: {
				...workload,
				arrivals,
				...(questionsName === undefined ? {} : { questions: questionsName }),
			},
			live: {
				...live,
				vllm: {
					...vllm,
					python: local(vllm.python, ['live', 'vllm', 'python']),
					models: Object.fromEntries(models),
				},
			},
		},
	};
}
