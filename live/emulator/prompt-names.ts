import type { PromptSegment } from '../../sim/domain/engine.ts';

/**
 * Names for the tokens of prompts, as the engine model's prefix cache wants them: two prompts share the names of their leading tokens
 * exactly as far as they share the tokens. A radix tree of all prompts so far; an edge is a run of tokens of one stream.
 *
 * An output joins the tree when it is done (`addOutput`), under the stream name that the engine uses for it: then a prompt that goes on with it, such
 * as the next turn of a chat, finds its blocks. Two outputs to the same prompt that begin with the same token share a name from there on, so only the
 * one that came first is found whole.
 */
export class PromptNames {
	private readonly roots = new Map<string, Edge>();
	private nextStream = 0;
	/** Outputs that nobody went on with, oldest first, and their tokens in all. */
	private readonly outputs = new Map<Edge, Edge>();
	private outputTokens = 0;
	private readonly mostOutputTokens: number;

	/** @param cacheTokens size of the cache: of outputs, no more are kept in mind */
	constructor(cacheTokens: number) {
		this.mostOutputTokens = cacheTokens;
	}

	/**
	 * Adds a prompt.
	 * @param salt prompts with different ones share nothing
	 */
	segments(tokens: readonly number[], salt: string): PromptSegment[] {
		const { edge, length, matched } = this.walk(tokens, salt);
		if (matched < tokens.length) {
			const parent = this.split(edge, length);
			const rest = Int32Array.from(tokens.slice(matched));
			this.attach(parent, { ...newEdge(parent, rest), stream: `p${this.nextStream++}`, from: 0 });
		}
		return pathTo(this.walk(tokens, salt));
	}

	/**
	 * @param stream name by which the engine knows the output of the request with this prompt
	 * @param output its tokens as far as they went into the cache
	 */
	addOutput(prompt: readonly number[], salt: string, stream: string, output: readonly number[]): void {
		const { edge, length, matched } = this.walk([...prompt, ...output], salt);
		const isKnown = matched === prompt.length + output.length;
		if (isKnown || matched < prompt.length) return;
		const parent = this.split(edge, length);
		const from = matched - prompt.length;
		const added = { ...newEdge(parent, Int32Array.from(output.slice(from))), stream, from };
		this.attach(parent, added);
		this.outputs.set(added, added);
		this.outputTokens += added.tokens.length;
		this.forgetOutputs();
	}

	/** What is older than a whole cache full of outputs has left the cache. */
	private forgetOutputs(): void {
		for (const edge of this.outputs.keys()) {
			if (this.outputTokens <= this.mostOutputTokens) return;
			this.outputs.delete(edge);
			this.outputTokens -= edge.tokens.length;
			if (edge.next.size === 0) edge.parent?.next.delete(edge.tokens[0] as number);
		}
	}

	/** Follows tokens from the root as far as they are known. */
	private walk(tokens: readonly number[], salt: string): Place {
		let edge = this.root(salt);
		let length = 0;
		let matched = 0;
		while (matched < tokens.length) {
			if (length === edge.tokens.length) {
				const next = edge.next.get(tokens[matched] as number);
				if (next === undefined) break;
				edge = next;
				length = 0;
			}
			if (edge.tokens[length] !== tokens[matched]) break;
			length++;
			matched++;
		}
		return { edge, length, matched };
	}

	private root(salt: string): Edge {
		let root = this.roots.get(salt);
		if (root === undefined) {
			root = { ...newEdge(null, new Int32Array(0)), stream: '', from: 0 };
			this.roots.set(salt, root);
		}
		return root;
	}

	/** Makes the first `length` tokens of an edge an edge of their own. @returns that one */
	private split(edge: Edge, length: number): Edge {
		const { parent, tokens, stream, from } = edge;
		if (length === tokens.length || parent === null) return edge;
		const head: Edge = { ...newEdge(parent, tokens.slice(0, length)), stream, from };
		edge.tokens = tokens.slice(length);
		edge.from = from + length;
		edge.parent = head;
		this.attach(parent, head);
		this.attach(head, edge);
		// Somebody branches off here: it is no output that nobody went on with.
		if (this.outputs.delete(edge)) this.outputTokens -= tokens.length;
		return head;
	}

	private attach(parent: Edge, edge: Edge): void {
		parent.next.set(edge.tokens[0] as number, edge);
	}
}

/** A run of tokens, named `stream` from position `from` of it on. */
interface Edge {
	parent: Edge | null;
	tokens: Int32Array;
	stream: string;
	from: number;
	/** By first token. */
	readonly next: Map<number, Edge>;
}

/** `length` tokens into an edge, `matched` tokens from the root. */
interface Place {
	readonly edge: Edge;
	readonly length: number;
	readonly matched: number;
}

const newEdge = (parent: Edge | null, tokens: Int32Array): Pick<Edge, 'parent' | 'tokens' | 'next'> => ({
	parent,
	tokens,
	next: new Map(),
});

function pathTo({ edge, length }: Place): PromptSegment[] {
	const path: PromptSegment[] = [];
	let taken = length;
	for (let at: Edge | null = edge; at !== null; at = at.parent) {
		if (taken > 0) path.unshift([at.stream, at.from, taken]);
		taken = at.parent?.tokens.length ?? 0;
	}
	return path;
}
