import type { Context, Hono } from 'hono';
import { ApiError } from './api-error.ts';
import type { NodeEnv } from './app.ts';
import type { EmulatedServer } from './emulated-server.ts';
import { type PauseMode, pauseModes, type SleepMode } from './sleep-mode.ts';
import { FieldReader, invalid, isObject } from './validation.ts';

/** Endpoints that vLLM has in development mode only. The API key does not guard them. */
export function addDevelopmentRoutes(app: Hono<NodeEnv>, server: EmulatedServer, sleepMode: SleepMode): void {
	app.post('/sleep', async (c) => {
		const level = levelOf(c);
		await sleepMode.sleep(level, modeOf(c));
		return c.json({ status: 'sleeping', level });
	});
	app.post('/wake_up', async (c) => {
		const tags = c.req.queries('tags') ?? null;
		const isAwake = await sleepMode.wake(tags);
		return c.json({ status: isAwake ? 'awake' : 'sleeping', tags });
	});
	app.get('/is_sleeping', (c) => c.json({ is_sleeping: sleepMode.isSleeping }));
	app.get('/is_paused', (c) => c.json({ is_paused: sleepMode.isPaused }));
	app.post('/pause', async (c) => {
		await sleepMode.pause(modeOf(c));
		return c.json({ status: 'paused' });
	});
	app.post('/resume', async (c) => {
		await sleepMode.resume();
		return c.json({ status: 'resumed' });
	});
	app.post('/reset_prefix_cache', (c) => c.json({ success: server.dropCache() }));
	app.post('/abort_requests', async (c) => {
		const ids = await idsOf(c);
		const aborted = server.abort(ids.length === 0 ? undefined : ids, false);
		return c.json({ status: 'aborted', aborted: ids.length === 0 ? aborted : ids.length });
	});
	// After sleep level 2 the weights are read again this way. The time of that is part of waking.
	app.post('/collective_rpc', (c) => c.json({ results: [null] }));
}

function levelOf(c: Context<NodeEnv>): 0 | 1 | 2 {
	const reader = new FieldReader(c.req.query(), 'query');
	const level = reader.whole('level') ?? 1;
	if (level < 0)
		reader.add(
			'greater_than_equal',
			'level',
			'Input should be greater than or equal to 0',
			c.req.query('level'),
			"{'ge': 0}",
		);
	if (level > 2)
		reader.add(
			'less_than_equal',
			'level',
			'Input should be less than or equal to 2',
			c.req.query('level'),
			"{'le': 2}",
		);
	reader.check();
	return level as 0 | 1 | 2;
}

function modeOf(c: Context<NodeEnv>): PauseMode {
	const given = c.req.query('mode') ?? 'abort';
	const mode = pauseModes.find((each) => each === given);
	if (mode !== undefined) return mode;
	const expected = "'abort', 'wait' or 'keep'";
	throw invalid([
		{
			type: 'literal_error',
			place: 'query.mode',
			message: `Input should be ${expected}`,
			input: given,
			context: `{'expected': "${expected}"}`,
		},
	]);
}

async function idsOf(c: Context<NodeEnv>): Promise<readonly string[]> {
	let body: unknown;
	try {
		body = await c.req.json();
	} catch {
		throw new ApiError(400, 'Bad Request', 'Invalid JSON format');
	}
	if (!isObject(body)) throw new ApiError(400, 'Bad Request', 'Request body must be a JSON object');
	return Array.isArray(body.request_ids) ? body.request_ids.map(String) : [];
}
