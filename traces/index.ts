/** Experiments, bundled profiles and workload generation: what the rest of the program takes from traces/. */
export { closest, didYouMean } from './did-you-mean.ts';
export { type Experiment, experimentJsonSchema } from './experiment-schema.ts';
export { type BundledExperiment, experimentNames, listExperiments } from './list-experiments.ts';
export { type LoadOptions, loadExperiment } from './load-experiment.ts';
export { engineProfileNames, gpuTypeNames, modelRecords, taskNames } from './read-profile.ts';
