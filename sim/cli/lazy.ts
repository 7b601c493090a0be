import path from 'node:path';

/**
 * Loads a module of this folder when it is needed, so that `mosaic --help` does not pay for solver, charts and schemas.
 * `import()` of a `.ts` file is refused under ts-node ("Unknown file extension"), whose hook serves `require` only. So where
 * this very file came through `require` as a `.ts`, others do too; a built program and the test runner take the import.
 * @param load the import with a literal path, so that the compiler checks and rewrites it
 * @param file the same path
 */
export async function lazy<Module>(load: () => Promise<Module>, file: string): Promise<Module> {
	const underTsNode = path.extname(__filename) === '.ts' && require.cache[__filename] !== undefined;
	return underTsNode ? (require(path.join(__dirname, file)) as Module) : load();
}
