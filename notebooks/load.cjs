// Loads modules of the project into a notebook: `const { loadExperiment } = load('../traces/index.ts')`. They are CommonJS
// written in TypeScript, which the Deno kernel would take for ES modules; through ts-node they load there and in our runner.
if (require.extensions['.ts'] === undefined) {
	const { register } = require('ts-node');
	register({ projectSearchDir: __dirname, swc: true, experimentalResolver: true });
}

/** @param file relative to this folder */
module.exports = (file) => require(file);
