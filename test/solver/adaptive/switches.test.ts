import { describe, expect, it } from 'vitest';
import { ADAPTIVE_SWITCHES, parseSwitches, SWITCH_MEANINGS } from '../../../solver/adaptive/switches.ts';

const on = (name: string): readonly string[] =>
	Object.entries(parseSwitches(name)).flatMap(([one, isOn]) => (isOn ? [one] : []));

describe('switches of the adaptive policy', () => {
	it('are all on unless something is said', () => {
		expect(on('adaptive')).toEqual([...ADAPTIVE_SWITCHES]);
		expect(on('adaptive:all')).toEqual([...ADAPTIVE_SWITCHES]);
	});

	it('go off and on one by one', () => {
		expect(on('adaptive:none')).toEqual([]);
		expect(on('adaptive:none+early+cuts')).toEqual(['early', 'cuts']);
		expect(on('adaptive:all-cuts-sleep')).toEqual(
			ADAPTIVE_SWITCHES.filter((name) => name !== 'cuts' && name !== 'sleep'),
		);
		expect(on('adaptive:all-cuts+cuts')).toEqual([...ADAPTIVE_SWITCHES]);
	});

	it.each([
		['adaptive:most', "scheduler adaptive:most: expected all or none after 'adaptive:', got 'most'"],
		['oracle:early', "expected all or none after 'oracle:', got 'early'"],
		['adaptive:all-cutz', "sleep, share, tensor, cuts after + or -, got 'cutz'"],
		['adaptive:all:foo', "got 'all:foo'"],
		['adaptive:all-cuts:none+early', "got 'cuts:none'"],
		['adaptive:', "got ''"],
		['adaptive:none+', "got ''"],
	])('refuses %s', (name, said) => {
		expect(() => parseSwitches(name)).toThrow(expect.objectContaining({ code: 'E_UNKNOWN_SWITCH' }));
		expect(() => parseSwitches(name)).toThrow(said);
	});

	it('each say what they do', () => {
		expect(Object.keys(SWITCH_MEANINGS).sort()).toEqual([...ADAPTIVE_SWITCHES].sort());
	});
});
