import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import type * as Render from '../../sim/report/render.ts';
import { mosaic } from './support.ts';
import { temporaryFolder } from './temporary-folder.ts';

// Whatever a chart may break on one day, the KV chart breaks on it here.
vi.mock('../../sim/report/render.ts', async (original) => {
	const render = await original<typeof Render>();
	return {
		...render,
		renderSvg: (spec: Parameters<typeof Render.renderSvg>[0]) =>
			JSON.stringify(spec).includes('KV cache')
				? Promise.reject(new RangeError('Maximum call stack size exceeded'))
				: render.renderSvg(spec),
	};
});

it('a chart that cannot be made leaves the run complete, and is told in one line', async () => {
	const cwd = temporaryFolder();
	const { code, stdout, stderr } = await mosaic(['simulate', 'tiny', '--out', 'run', '--json', '--quiet'], {
		cwd,
	});
	expect({ code, stderr }).toEqual({
		code: 0,
		stderr:
			'mosaic: chart kv could not be made (Maximum call stack size exceeded); everything else is complete\n',
	});
	const run = path.join(cwd, 'run');
	expect(readFileSync(path.join(run, 'summary.json'), 'utf8')).toBe(stdout);
	expect(JSON.parse(readFileSync(path.join(run, 'status.json'), 'utf8')).state).toBe('complete');
	expect(readdirSync(path.join(run, 'charts')).filter((name) => name.endsWith('.svg'))).toEqual(
		['batch', 'gantt', 'idle', 'latency-tail', 'makespan', 'stages'].map((name) => `${name}.svg`),
	);
	expect(existsSync(path.join(run, 'charts/kv.vl.json'))).toBe(false);
	const page = readFileSync(path.join(run, 'report.html'), 'utf8');
	expect(page).toContain('data-chart="chart-batch"');
	expect(page).not.toContain('data-chart="chart-kv"');
});
