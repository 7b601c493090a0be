import { randomStream } from '../core/random.ts';
import { quantileTokens } from '../domain/distribution.ts';
import type { EngineFactory } from '../domain/engine.ts';
import { assert, present } from '../domain/errors.ts';
import type { ModelId } from '../domain/ids.ts';
import {
	type Forecaster,
	findProfile,
	type SessionForecast,
	type SessionRequest,
} from '../domain/scheduler.ts';
import type { LengthForecast, Setup } from '../domain/setup.ts';
import { secondsFromUs } from '../domain/units.ts';
import type { CallRole } from '../domain/work.ts';

/**
 * Forecasts from engine-model sessions. Lengths come from the profile's distributions on `calibration/...` streams of the
 * experiment's seed, which the run itself never draws from: a plan knows what was measured before, not what will happen.
 */
export function createForecaster(setup: Setup, createEngine: EngineFactory): Forecaster {
	const sessions = new Map<string, SessionForecast>();
	const statistics = new Map<string, { readonly mean: number; readonly max: number }>();
	return {
		distribution: (model, task, role) => lengthsOf(setup, model, role, task).distribution,
		promptTokens: (model, task, role) => lengthsOf(setup, model, role, task).meanPromptTokens,
		outputTokens(model, role) {
			const key = `${role}/${model}`;
			let known = statistics.get(key);
			if (known === undefined) {
				const drawn = drawLengths(
					setup,
					model,
					role,
					setup.calibrationQuestions,
					`calibration/questions/${key}`,
				);
				known = { mean: mean(drawn), max: largest(drawn) };
				statistics.set(key, known);
			}
			return known;
		},
		session(request) {
			const key = `${request.role}/${request.model}/${request.gpuType}/${request.tensorParallel}/${request.calls}`;
			let forecast = sessions.get(key);
			if (forecast === undefined) {
				forecast = runSession(setup, createEngine, request);
				sessions.set(key, forecast);
			}
			return forecast;
		},
	};
}

function runSession(setup: Setup, createEngine: EngineFactory, request: SessionRequest): SessionForecast {
	const { model, gpuType, tensorParallel, role, calls } = request;
	if (calls === 0) return { seconds: 0, meanOutputTokens: 0, maxOutputTokens: 0 };
	const profile = present(
		findProfile(setup.profiles, model, gpuType, tensorParallel),
		`profile of ${model} on ${tensorParallel} x ${gpuType}`,
	);
	// Sessions of one model draw from one stream, so a small session is the beginning of a large one: what a fit over several sizes sees is
	// the size, not the luck of each draw.
	const outputTokens = drawLengths(setup, model, role, calls, `calibration/session/${role}/${model}`);
	const promptTokens = Math.max(1, Math.round(lengthsOf(setup, model, role).meanPromptTokens));
	const maxOutputTokens = present(
		setup.models.find((candidate) => candidate.id === model),
		`model ${model}`,
	).outputLimitTokens;
	const engine = createEngine(profile.engine, profile.step);
	outputTokens.forEach((tokens, i) => {
		engine.submit(
			{
				id: String(i),
				promptTokens,
				outputTokens: Math.min(tokens, maxOutputTokens),
				endsByStop: tokens < maxOutputTokens,
				maxOutputTokens,
				priority: 0,
			},
			0,
		);
	});
	let endUs = 0;
	for (let nextUs = engine.nextUs(); nextUs !== Number.POSITIVE_INFINITY; nextUs = engine.nextUs()) {
		engine.advance(nextUs);
		endUs = nextUs;
	}
	return {
		seconds: secondsFromUs(endUs),
		meanOutputTokens: mean(outputTokens),
		maxOutputTokens: largest(outputTokens),
	};
}

/** Draws from the model's tasks in turn, so that a workload of several tasks is represented by all of them. */
function drawLengths(setup: Setup, model: ModelId, role: CallRole, count: number, stream: string): number[] {
	const forecasts = setup.lengths.filter((lengths) => lengths.model === model && lengths.role === role);
	assert(forecasts.length > 0, `no lengths for ${role} calls of ${model}`);
	const random = randomStream(setup.seed, stream);
	return Array.from({ length: count }, (_, i) =>
		quantileTokens(present(forecasts[i % forecasts.length], 'lengths').distribution, random()),
	);
}

function lengthsOf(setup: Setup, model: ModelId, role: CallRole, task?: string): LengthForecast {
	return present(
		setup.lengths.find(
			(lengths) =>
				lengths.model === model && lengths.role === role && (task === undefined || lengths.task === task),
		),
		`lengths of ${role} calls of ${model}`,
	);
}

const largest = (values: readonly number[]): number =>
	values.reduce((most, value) => (value > most ? value : most), 0);

const mean = (values: readonly number[]): number =>
	values.reduce((sum, value) => sum + value, 0) / values.length;
