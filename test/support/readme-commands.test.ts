import { expect, it } from 'vitest';
import { readmeCommands, runnableParts } from './readme-commands.ts';

const markdown = [
	'# Title',
	'```sh',
	'git clone URL && cd project',
	'npm ci && npm start   # the main job',
	'# a comment',
	'$ npm run -s mosaic -- simulate tiny \\',
	'    --out runs/a',
	'```',
	'```json',
	'{ "not": "a command" }',
	'```',
	'```sh',
	'npm test',
	'```',
].join('\n');

it('finds the commands of all sh blocks, in order', () => {
	expect(readmeCommands(markdown)).toEqual([
		'git clone URL && cd project',
		'npm ci && npm start',
		'npm run -s mosaic -- simulate tiny --out runs/a',
		'npm test',
	]);
});

it('leaves out what fetches or tests the project', () => {
	expect(readmeCommands(markdown).flatMap(runnableParts)).toEqual([
		'npm start',
		'npm run -s mosaic -- simulate tiny --out runs/a',
	]);
});
