/**
 * Makes one CommonJS module of a notebook's cells: imports first, then one async function with the cells in order, so that
 * a cell sees what earlier cells declared and may await at its top level, as under the Deno kernel.
 */
import type * as Ts from 'typescript';
import { UsageError } from '../sim/domain/errors.ts';

/** Names that the function takes, in order; `$...` are for the code put in here, the others for the notebook's own. */
export const cellFunctionParameters = ['$beginCell', '$showValue', '$load', 'Deno', 'console'] as const;

export interface CodeCell {
	/** Counted from 1 over the cells that are run, as Jupyter shows it. */
	readonly number: number;
	readonly code: string;
}

/**
 * @param file for messages
 * @returns CommonJS source whose `exports.run` is the function of `cellFunctionParameters`
 * @throws UsageError E_NOTEBOOK_SYNTAX with cell and line
 */
export function compileCells(ts: typeof Ts, cells: readonly CodeCell[], file: string): string {
	const declaredIn = new Map<string, number>();
	const imports: string[] = [];
	const bodies: string[] = [];
	for (const cell of cells) {
		checkSyntax(ts, cell, file);
		const parts = takeApart(ts, cell);
		for (const text of parts.imports) if (!imports.includes(text)) imports.push(text);
		for (const name of parts.declared) {
			const earlier = declaredIn.get(name);
			if (earlier !== undefined)
				throw syntaxError(file, cell.number, `'${name}' is already declared in cell ${earlier}`);
			declaredIn.set(name, cell.number);
		}
		bodies.push(`$beginCell(${cell.number});\n${parts.body}`);
	}
	const source = [
		...imports,
		`export async function run(${cellFunctionParameters.map((name) => `${name}: any`).join(', ')}) {`,
		...bodies,
		'}',
	].join('\n');
	return ts.transpileModule(source, { compilerOptions: compilerOptions(ts), fileName: 'cells.cts' })
		.outputText;
}

interface CellParts {
	readonly imports: readonly string[];
	/** The cell without its imports; the value of a last expression goes to `$showValue`. */
	readonly body: string;
	/** Names that no other cell may declare again. */
	readonly declared: readonly string[];
}

function takeApart(ts: typeof Ts, { code }: CodeCell): CellParts {
	const source = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.ES2022, true);
	const imports = source.statements.filter(ts.isImportDeclaration).map((node) => node.getText(source));
	const rest = source.statements.filter((node) => !ts.isImportDeclaration(node));
	const body = rest.map((node, index) => {
		const isLast = index === rest.length - 1;
		if (!isLast || !ts.isExpressionStatement(node)) return withLocalLoads(ts, node, source);
		// On lines of its own, because a comment may end the expression.
		return `await $showValue((\n${withLocalLoads(ts, node.expression, source)}\n));`;
	});
	return { imports, body: body.join('\n'), declared: rest.flatMap((node) => blockScopedNames(ts, node)) };
}

/**
 * Text of a node in which `import('./x.ts')` became `$load('./x.ts')`: Node's own `import()` knows no TypeScript, its
 * `require` does through ts-node. Packages stay with `import()`, which also takes those that `require` refuses.
 */
function withLocalLoads(ts: typeof Ts, node: Ts.Node, source: Ts.SourceFile): string {
	const keywords: Ts.Node[] = [];
	const visit = (inner: Ts.Node): void => {
		if (ts.isCallExpression(inner) && inner.expression.kind === ts.SyntaxKind.ImportKeyword) {
			const [specifier] = inner.arguments;
			if (specifier && ts.isStringLiteralLike(specifier) && specifier.text.startsWith('.'))
				keywords.push(inner.expression);
		}
		ts.forEachChild(inner, visit);
	};
	visit(node);
	let text = node.getText(source);
	for (const keyword of keywords.reverse()) {
		const at = keyword.getStart(source) - node.getStart(source);
		text = `${text.slice(0, at)}$load${text.slice(at + 'import'.length)}`;
	}
	return text;
}

function blockScopedNames(ts: typeof Ts, node: Ts.Statement): readonly string[] {
	if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) return node.name ? [node.name.text] : [];
	if (!ts.isVariableStatement(node)) return [];
	return node.declarationList.declarations.flatMap(({ name }) => boundNames(ts, name));
}

function boundNames(ts: typeof Ts, name: Ts.BindingName): readonly string[] {
	if (ts.isIdentifier(name)) return [name.text];
	return name.elements.flatMap((element) =>
		ts.isBindingElement(element) ? boundNames(ts, element.name) : [],
	);
}

function checkSyntax(ts: typeof Ts, { number, code }: CodeCell, file: string): void {
	const { diagnostics } = ts.transpileModule(code, {
		compilerOptions: compilerOptions(ts),
		fileName: 'cell.mts',
		reportDiagnostics: true,
	});
	const [first] = diagnostics ?? [];
	if (first === undefined) return;
	const line = first.file?.getLineAndCharacterOfPosition(first.start ?? 0).line ?? 0;
	const message = ts.flattenDiagnosticMessageText(first.messageText, ' ');
	throw syntaxError(file, number, message, line + 1);
}

const compilerOptions = (ts: typeof Ts): Ts.CompilerOptions => ({
	target: ts.ScriptTarget.ES2022,
	// Keeps `import()`, which plain CommonJS output would turn into `require`.
	module: ts.ModuleKind.NodeNext,
	moduleResolution: ts.ModuleResolutionKind.NodeNext,
	esModuleInterop: true,
});

const syntaxError = (file: string, cell: number, message: string, line?: number): UsageError =>
	new UsageError(
		'E_NOTEBOOK_SYNTAX',
		`${file}: cell ${cell}${line === undefined ? '' : `, line ${line}`}: ${message}`,
	);
