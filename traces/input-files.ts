import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { InputFile } from '../sim/domain/setup.ts';
import type { Experiment } from './experiment-schema.ts';
import type { ExperimentText, FieldPath } from './experiment-text.ts';
import { fileTrouble } from './file-trouble.ts';
import { type MeasuredProfile, parseMeasuredProfile } from './profile-file.ts';
import { type ReadQuestion, readQuestions } from './questions/read-questions.ts';
import type { Fail } from './resolve/fail.ts';

/** What an experiment takes from files beside it. */
export interface Inputs {
	/** Null without a question file. */
	readonly questions: readonly ReadQuestion[] | null;
	/** In the order of the `profiles` field. */
	readonly profiles: readonly MeasuredProfile[];
	readonly files: readonly InputFile[];
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

	const local = (name: string, field: FieldPath): string =>
		/^\.\.?[/\\]/.test(name) ? path.resolve(place(name, field)) : name;
	const { vllm } = live;
	const models = Object.entries(vllm.models).map(([id, name]) => [
		id,
		local(name, ['live', 'vllm', 'models', id]),
	]);
	return {
		inputs: { questions, profiles, files },
		experiment: {
			...experiment,
			profiles: files.map((file) => file.name).filter((name) => name !== questionsName),
			workload: { ...workload, ...(questionsName === undefined ? {} : { questions: questionsName }) },
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
