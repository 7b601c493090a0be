import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { UsageError } from '../../sim/domain/errors.ts';
import { measuredProfileJsonSchema, measuredProfileText, readMeasuredProfile } from '../../traces/index.ts';
import { measuredProfile, measuredTiming } from '../support/measured-profile.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mosaic-profile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const full = measuredProfile({
	model: { modelClass: 'reasoning', tokensPerByte: 0.3, answerPartTokens: 40 },
	gpu: { sharedSpeeds: [1, 0.6] },
	tensorParallel: 2,
	times: {
		sleep1: { sleep: measuredTiming(0.2), wake: measuredTiming(0.5) },
		sleep2: { sleep: measuredTiming(0.1), wake: measuredTiming(2) },
	},
	lengths: {
		quiz: {
			expert: {
				body: { family: 'lognormal', mu: 5, sigma: 0.5 },
				shiftTokens: 0,
				capTokens: 500,
				runawayShare: 0.01,
				samples: 75,
				ksDistance: 0.07,
			},
		},
	},
});

function messageOf(text: string): { code: string; message: string } {
	const file = path.join(folder, 'p.json');
	writeFileSync(file, text);
	try {
		readMeasuredProfile(file);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		return { code: error.code, message: error.message.replace(`${folder}${path.sep}`, '') };
	}
	throw new Error('expected a UsageError');
}

describe('a measured profile', () => {
	it.each([
		['smallest', measuredProfile()],
		['fullest', full],
	])('the %s comes back as it was written', (_, profile) => {
		const file = path.join(folder, 'written.json');
		writeFileSync(file, measuredProfileText(profile));
		expect(readMeasuredProfile(file)).toEqual(profile);
	});

	it('has a JSON Schema that takes it', () => {
		const schema = measuredProfileJsonSchema();
		const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
		expect(validator.safeParse(JSON.parse(measuredProfileText(full))).error).toBeUndefined();
		expect(validator.safeParse({ ...full, extra: 1 }).success).toBe(false);
	});

	it('is not written when it is none', () => {
		expect(() => measuredProfileText({ ...full, tensorParallel: 0 })).toThrow(
			'internal error: measured profile: tensorParallel',
		);
	});

	it.each([
		[
			'"baseUs": 1100',
			'"baseUs": -1',
			'E_PROFILE_VALUE',
			'p.json:41:3 step.baseUs: expected at least 0, got -1',
		],
		['"baseUs": 1100', '"baseUs": "x"', 'E_PROFILE_VALUE', "step.baseUs: expected a finite number, got 'x'"],
		['"baseUs"', '"basUs"', 'E_PROFILE_KEY', 'p.json:41:3 step.basUs: expected one of hostUs,'],
		['"baseUs"', '"basUs"', 'E_PROFILE_KEY', "got 'basUs' (did you mean 'baseUs'?)"],
		['"date": "2026-09-01"', '"date": "yesterday"', 'E_PROFILE_VALUE', 'source.date: expected'],
		['"format": 1', '"format": 2', 'E_PROFILE_VALUE', 'p.json:2:2 format: expected 1, got 2'],
		[
			'{\n\t"format"',
			'{ {',
			'E_PROFILE_SYNTAX',
			'p.json:83:1 expected JSON, got: Flow map must end with a }',
		],
		['"stepFit"', '"stepfit"', 'E_PROFILE_KEY', 'stepfit: expected one of format, about, model,'],
	])('%j -> %j: %s', (from, to, code, message) => {
		const text = measuredProfileText(measuredProfile());
		expect(text).toContain(from);
		const found = messageOf(text.replace(from, to));
		expect(found.code).toBe(code);
		expect(found.message).toContain(message);
		expect(found.message).not.toContain('\n');
	});

	it('that is not there is said so', () => {
		expect(() => readMeasuredProfile(path.join(folder, 'none.json'))).toThrow(
			`${path.join(folder, 'none.json')}: expected a measured profile, got no such file`,
		);
	});
});
