import { z } from 'zod';

/** Speeds of engines that share a GPU, by how many execute steps. */
export const sharedSpeedsSchema = z
	.array(z.number().gt(0).max(1))
	.min(1)
	.max(16)
	.refine((speeds) => speeds[0] === 1 && speeds.every((speed, i) => speed <= (speeds[i - 1] ?? 1)), {
		error: 'numbers that begin with 1 and never rise',
	})
	.describe(
		'Speed of each engine while 1, 2, ... engines execute steps on one GPU, as a share of its speed alone. Begins with 1. ' +
			'Numbers of engines that are not listed share equally and add up to 1.',
	);
