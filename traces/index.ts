/** Experiments, bundled profiles and workload generation: what the rest of the program takes from traces/. */
export { calibrationJsonSchema } from './calibration-file.ts';
export { didYouMean } from './did-you-mean.ts';
export { experimentJsonSchema } from './experiment-schema.ts';
export { experimentNames, listExperiments } from './list-experiments.ts';
export { loadExperiment, locateField } from './load-experiment.ts';
export {
	type MeasuredProfile,
	measuredProfileJsonSchema,
	measuredProfileText,
	readMeasuredProfile,
} from './profile-file.ts';
export { questionJsonSchema } from './questions/question-schema.ts';
export { engineProfileNames, gpuTypeNames, modelRecords, taskNames } from './read-profile.ts';
