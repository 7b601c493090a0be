/**
 * The rules of the house as functions of source text, so that test/house.test.ts can hold the project to them and also
 * show, on tiny sources, that each of them can be broken. A rule returns one line per breach, `file:line: what`.
 */
import path from 'node:path';
import ts from 'typescript';

export interface SourceFile {
	/** Relative to the project's root, with forward slashes. */
	readonly file: string;
	readonly text: string;
}

/** Each room with the rooms it may import besides itself. First match counts, so inner rooms stand before outer ones. */
const importArrows: readonly (readonly [room: string, mayImport: readonly string[]])[] = [
	['sim/domain', []],
	['sim/core', ['sim/domain']],
	['sim/engine', ['sim/domain']],
	['sim/aggregate', ['sim/domain']],
	['sim/run', ['sim/domain', 'sim/core', 'sim/engine', 'sim/aggregate']],
	['sim/report', ['sim/domain']],
	['sim/study', ['sim/domain', 'sim/core', 'sim/run', 'sim/report']],
	['sim/cli', ['sim', 'solver', 'traces', 'live', 'notebooks']],
	['solver', ['sim/domain']],
	['traces', ['sim/domain', 'sim/core/random.ts']],
	['live/emulator', ['sim/domain', 'sim/engine', 'sim/core/random.ts', 'live']],
	['live', ['sim/domain', 'sim/core', 'sim/aggregate', 'traces']],
	['notebooks', ['sim/domain']],
];

/** Files that a room must not import although they lie in a room it may import. */
const hiddenFrom: Readonly<Record<string, readonly string[]>> = {
	solver: ['sim/domain/truth.ts', 'sim/domain/setup.ts'],
};

/** A `require` of these fails: their module graph awaits at top level. */
const importedOnlyWhenNeeded = ['vega', 'vega-lite', 'vega-embed'];

/** Rooms whose results depend on their inputs and the seed alone. */
const reproducibleRooms = ['sim', 'solver', 'traces'];
const mayReadClocks = ['sim/cli'];

const bannedMembers = [
	['Date', 'now'],
	['performance', 'now'],
	['performance', 'timeOrigin'],
	['Math', 'random'],
	['process', 'hrtime'],
	['crypto', 'randomUUID'],
	['crypto', 'randomBytes'],
	['crypto', 'getRandomValues'],
] as const;

const productRooms = ['sim', 'solver', 'traces', 'live', 'notebooks'];

const isProduct = (file: string): boolean => productRooms.some((room) => isIn(file, room));

const isIn = (file: string, room: string): boolean => file === room || file.startsWith(`${room}/`);

/** Imports against the arrows of the design: of other rooms, of hidden files, and of modules that must wait. */
export function importBreaches({ file, text }: SourceFile): readonly string[] {
	const arrows = importArrows.find(([room]) => isIn(file, room));
	if (arrows === undefined) return isProduct(file) ? [`${file}:1: lies in no room of the design`] : [];
	const [room, mayImport] = arrows;
	const hidden = hiddenFrom[room] ?? [];
	return importsOf({ file, text }).flatMap(({ specifier, line, whenNeeded }) => {
		const place = `${file}:${line}: `;
		if (!specifier.startsWith('.')) {
			if (room === 'sim/domain') return [`${place}${room} must not import ${specifier}`];
			const late = importedOnlyWhenNeeded.includes(packageOf(specifier)) && !whenNeeded;
			return late ? [`${place}'${specifier}' may be loaded only by 'await import(...)'`] : [];
		}
		const target = path.posix.join(path.posix.dirname(file), specifier);
		if (hidden.includes(target)) return [`${place}${room} must not know ${target}`];
		const allowed = isIn(target, room) || mayImport.some((other) => isIn(target, other));
		return allowed ? [] : [`${place}${room} must not import ${target}`];
	});
}

/** Clocks and unseeded randomness where results must follow from inputs and seed. */
export function clockBreaches({ file, text }: SourceFile): readonly string[] {
	if (!reproducibleRooms.some((room) => isIn(file, room)) || mayReadClocks.some((room) => isIn(file, room)))
		return [];
	const source = parse({ file, text });
	const breaches: string[] = [];
	const visit = (node: ts.Node): void => {
		const banned = bannedUse(node) ?? bannedImport(node);
		if (banned !== undefined) breaches.push(`${file}:${lineOf(source, node)}: ${banned}`);
		ts.forEachChild(node, visit);
	};
	visit(source);
	return breaches;
}

/** Tests that would silently run alone or never. */
export function unfinishedTestBreaches({ file, text }: SourceFile): readonly string[] {
	if (!file.endsWith('.test.ts')) return [];
	const source = parse({ file, text });
	const breaches: string[] = [];
	const visit = (node: ts.Node): void => {
		if (ts.isPropertyAccessExpression(node)) {
			const called = node.expression.getText(source).split('.')[0] ?? '';
			const member = node.name.text;
			if (['it', 'test', 'describe'].includes(called) && ['only', 'todo'].includes(member))
				breaches.push(`${file}:${lineOf(source, node)}: ${called}.${member}`);
		}
		ts.forEachChild(node, visit);
	};
	visit(source);
	return breaches;
}

// Both written in pieces, so that this file does not break its own rule.
const machinePath = new RegExp(
	`(?<![\\w.~-])(?<!:/)/(?:${['work', 'root', 'home', 'tmp'].join('|')})(?:/|\\b(?![\\w-]))`,
);
const registryHost = new RegExp(
	`//[\\w.-]*\\b(?:${['registry', 'mirror', 'artifactory'].join('|')})[\\w.-]*[.:]`,
);

/** Paths of one machine, and hosts that packages came from: in the lock file any address that a package was resolved to. */
export function machineBreaches({ file, text }: SourceFile): readonly string[] {
	const isLock = file === 'package-lock.json';
	return text.split('\n').flatMap((line, index) => {
		const place = `${file}:${index + 1}: `;
		const path = machinePath.exec(line)?.[0];
		if (path !== undefined && !isLock) return [`${place}path of one machine (${path})`];
		const host = isLock ? /"resolved": "http/.test(line) : registryHost.test(line);
		return host ? [`${place}host of a package registry`] : [];
	});
}

/** Packages that a source loads, type-only imports left out. */
export function loadedPackages(source: SourceFile): readonly string[] {
	return importsOf(source)
		.filter(({ specifier, typeOnly }) => !typeOnly && !/^(?:\.|node:)/.test(specifier))
		.map(({ specifier }) => packageOf(specifier));
}

interface Import {
	readonly specifier: string;
	readonly line: number;
	readonly typeOnly: boolean;
	/** Nothing is loaded with the file: a dynamic or type-only import, or only a path is asked for. */
	readonly whenNeeded: boolean;
}

/** All imports of a source: `import`, `export from`, `import type`, `import(...)` as value and as type, `require(...)`. */
function importsOf({ file, text }: SourceFile): readonly Import[] {
	const source = parse({ file, text });
	const imports: Import[] = [];
	const add = (specifier: ts.Node | undefined, typeOnly: boolean, dynamic: boolean): void => {
		if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
		imports.push({
			specifier: specifier.text,
			line: lineOf(source, specifier),
			typeOnly,
			whenNeeded: typeOnly || dynamic,
		});
	};
	const visit = (node: ts.Node): void => {
		if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyImport(node), false);
		else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly, false);
		else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
			add(node.argument.literal, true, false);
		else if (ts.isCallExpression(node)) {
			if (node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false, true);
			else if (node.expression.getText(source) === 'require') add(node.arguments[0], false, false);
			else if (node.expression.getText(source) === 'require.resolve') add(node.arguments[0], false, true);
		}
		ts.forEachChild(node, visit);
	};
	visit(source);
	return imports;
}

function isTypeOnlyImport(node: ts.ImportDeclaration): boolean {
	const clause = node.importClause;
	if (clause === undefined) return false;
	if (clause.isTypeOnly) return true;
	const named = clause.namedBindings;
	return (
		clause.name === undefined &&
		named !== undefined &&
		ts.isNamedImports(named) &&
		named.elements.length > 0 &&
		named.elements.every((element) => element.isTypeOnly)
	);
}

function bannedUse(node: ts.Node): string | undefined {
	if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
		const [object, member] = [node.expression.text, node.name.text];
		if (bannedMembers.some(([bannedObject, banned]) => object === bannedObject && member === banned))
			return `${object}.${member}`;
	}
	const isDate =
		(ts.isNewExpression(node) || ts.isCallExpression(node)) &&
		ts.isIdentifier(node.expression) &&
		node.expression.text === 'Date';
	if (isDate && (node.arguments?.length ?? 0) === 0) return 'Date of the present';
	return undefined;
}

function bannedImport(node: ts.Node): string | undefined {
	if (!ts.isImportSpecifier(node)) return undefined;
	const name = (node.propertyName ?? node.name).text;
	return ['randomUUID', 'randomBytes', 'randomInt'].includes(name) ? name : undefined;
}

const parse = ({ file, text }: SourceFile): ts.SourceFile =>
	ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);

const lineOf = (source: ts.SourceFile, node: ts.Node): number =>
	source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;

/** `@scope/name/inner` gives `@scope/name`. */
const packageOf = (specifier: string): string =>
	specifier
		.split('/')
		.slice(0, specifier.startsWith('@') ? 2 : 1)
		.join('/');
