import type { ServerResponse } from 'node:http';
import type { AnswerFace, AnswerHead, AnswerOptions, CacheUse, ChoicePiece, Usage } from './answer-face.ts';
import { ApiError } from './api-error.ts';
import type { EmulatedServer } from './emulated-server.ts';
import type { GenerationEnd } from './generation.ts';
import type { GenerationRequest, RequestPrompt } from './generation-request.ts';
import { Narration } from './narration.ts';
import { type RequestTimes, requestMetrics } from './request-metrics.ts';
import type { SpeechPlan } from './speech-plan.ts';

/** How an answer is to go wrong, after so many tokens of its first choice. */
export interface AnswerFault {
	readonly kind: 'broken-stream' | 'dropped-connection';
	readonly afterTokens: number;
}

export interface AnswerParts {
	readonly server: EmulatedServer;
	readonly face: AnswerFace;
	readonly request: GenerationRequest;
	readonly head: AnswerHead;
	readonly planOf: (prompt: RequestPrompt, choice: number) => SpeechPlan;
	readonly fault: AnswerFault | null;
	/** Whether the answer tells how long its parts took. */
	readonly tellsTimes: boolean;
	readonly outgoing: ServerResponse;
}

/** Generates and writes one answer, in one piece or as a stream. A client that goes away aborts what is left of it. */
export function sendAnswer(parts: AnswerParts): void {
	new Answer(parts).begin();
}

class Answer {
	private readonly parts: AnswerParts;
	private readonly options: AnswerOptions;
	private readonly choices: Choice[] = [];
	private openChoices = 0;
	private isOpened = false;
	private isOver = false;

	constructor(parts: AnswerParts) {
		this.parts = parts;
		const { returnTokenIds, logprobs, returnPromptText, prompts } = parts.request;
		const promptText = returnPromptText ? (prompts[0]?.text ?? '') : null;
		this.options = { returnTokenIds, logprobs, promptText };
	}

	begin(): void {
		const { request, outgoing, planOf } = this.parts;
		for (const prompt of request.prompts) {
			for (let choice = 0; choice < request.n; choice++) {
				const plan = planOf(prompt, choice);
				this.choices.push({
					index: this.choices.length,
					prompt,
					plan,
					narration: new Narration(plan, request.stream ? request.heldBackChars : 0),
					piece: null,
					cachedTokens: 0,
					times: null,
					giveUp: () => undefined,
				});
			}
		}
		this.openChoices = this.choices.length;
		outgoing.on('close', () => this.giveUp());
		if (request.stream) {
			outgoing.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
			outgoing.flushHeaders();
		}
		for (const choice of this.choices) this.order(choice);
	}

	private order(choice: Choice): void {
		const { request, server, fault, head } = this.parts;
		if (this.isOver) return;
		const { plan, prompt } = choice;
		choice.giveUp = server.generate(
			{
				id: prompt.orderId,
				answerId: head.id,
				promptTokens: prompt.tokens,
				cacheSalt: request.cacheSalt,
				priority: request.priority,
				maxTokens: prompt.wish.maxTokens,
				plan,
			},
			{
				isStreamed: request.stream || (fault !== null && choice.index === 0),
				onTokens: (tokenCount) => this.onTokens(choice, tokenCount),
				onEnd: (end) => this.onEnd(choice, end),
			},
		);
	}

	private onTokens(choice: Choice, tokenCount: number): void {
		if (this.isOver || this.failsAt(choice, tokenCount)) return;
		if (this.parts.request.stream) this.write(choice, this.advance(choice, tokenCount, null, null));
	}

	private onEnd(choice: Choice, end: GenerationEnd): void {
		if (this.isOver) return;
		if (end.kind === 'failed') {
			this.fail(end.error);
			return;
		}
		const { tokenCount, reason } = end;
		if (reason !== 'abort' && this.failsAt(choice, tokenCount)) return;
		choice.cachedTokens = end.cachedPromptTokens;
		choice.times = end.times;
		const stopReason = reason === 'stop' ? choice.plan.stopReason : null;
		const piece = this.advance(choice, tokenCount, reason, stopReason);
		if (this.parts.request.stream) this.write(choice, piece);
		else choice.piece = piece;
		if (--this.openChoices === 0) this.finish();
	}

	private advance(
		choice: Choice,
		tokenCount: number,
		finishReason: string | null,
		stopReason: string | number | null,
	): ChoicePiece {
		const { request } = this.parts;
		const { narration, prompt } = choice;
		const tokensBefore = narration.tokensSoFar;
		const { text, tokens } = narration.advance(tokenCount, finishReason !== null);
		const isFirst = tokensBefore === 0;
		const showsPrompt = isFirst && (request.returnTokenIds || (request.echo && request.stream));
		return {
			index: choice.index,
			text: isFirst && request.echo ? prompt.echoText + text : text,
			tokens,
			tokensBefore,
			finishReason,
			stopReason,
			promptTokens: showsPrompt ? prompt.tokens : null,
		};
	}

	private write(choice: Choice, piece: ChoicePiece): void {
		const { face, head, request } = this.parts;
		this.open();
		const usage = request.continuousUsage ? usageOf([choice]) : null;
		const isLast = piece.finishReason !== null && !request.includeUsage;
		this.send(face.chunk(head, piece, this.options, usage, isLast));
	}

	/** What a stream begins with, sent when there is something to follow. */
	private open(): void {
		if (this.isOpened) return;
		this.isOpened = true;
		const { face, head, request } = this.parts;
		for (const { index, prompt } of this.choices) {
			const usage = { promptTokens: prompt.tokens.length, completionTokens: 0 };
			const shown = request.returnTokenIds ? prompt.tokens : null;
			const opening = face.opening(head, index, shown, this.options, request.continuousUsage ? usage : null);
			if (opening !== null) this.send(opening);
		}
	}

	private finish(): void {
		const { face, head, request, outgoing, server } = this.parts;
		this.isOver = true;
		for (const group of grouped(this.choices, request.n))
			server.statistics.promptAnswered(
				request.n,
				Math.max(...group.map((each) => each.narration.tokensSoFar)),
			);
		const usage = usageOf(grouped(this.choices, request.n).map((group) => group[0] as Choice));
		const total = { ...usage, completionTokens: completionTokens(this.choices) };
		if (!request.stream) {
			const pieces = this.choices.flatMap(({ piece }) => piece ?? []);
			const body = face.whole(
				head,
				pieces,
				this.options,
				total,
				this.cacheUse(this.choices.at(-1)),
				this.metrics(),
			);
			sendJson(outgoing, 200, body);
			return;
		}
		if (request.includeUsage)
			this.send(face.usageChunk(head, total, this.cacheUse(this.choices[0]), this.metrics()));
		outgoing.end('data: [DONE]\n\n');
	}

	private cacheUse(choice: Choice | undefined): CacheUse {
		const { engine } = this.parts.server.profile;
		const cachedTokens = choice?.cachedTokens ?? 0;
		const promptTokens = choice?.prompt.tokens.length ?? 0;
		const full = Math.floor(promptTokens / engine.blockSize) * engine.blockSize;
		return { cachedTokens, createdTokens: engine.prefixCaching ? Math.max(0, full - cachedTokens) : 0 };
	}

	/** Times of an answer of several parts are nobody's. */
	private metrics(): object | null {
		const [only, ...others] = this.choices;
		if (!this.parts.tellsTimes || others.length > 0 || !only?.times) return null;
		return requestMetrics(only.times, only.narration.tokensSoFar);
	}

	/** Whether a fault on order strikes now, and carries it out. */
	private failsAt(choice: Choice, tokenCount: number): boolean {
		const { fault, request, outgoing } = this.parts;
		if (fault === null || choice.index !== 0 || tokenCount < fault.afterTokens) return false;
		const { narration } = choice;
		if (request.stream && fault.afterTokens > narration.tokensSoFar)
			this.write(choice, this.advance(choice, fault.afterTokens, null, null));
		if (fault.kind === 'broken-stream')
			this.fail(new ApiError(500, 'InternalServerError', 'Internal server error'));
		else {
			this.giveUp();
			// What was written goes out before the connection breaks.
			setImmediate(() => outgoing.socket?.destroy());
		}
		return true;
	}

	/** Once a stream has begun, its status is sent: the error becomes an event of it. */
	private fail(error: ApiError): void {
		const { request, outgoing } = this.parts;
		this.giveUp();
		if (!request.stream) sendJson(outgoing, error.status, error.body);
		else {
			this.send(error.body);
			outgoing.end('data: [DONE]\n\n');
		}
	}

	private giveUp(): void {
		this.isOver = true;
		for (const choice of this.choices) choice.giveUp();
	}

	private send(event: object): void {
		this.parts.outgoing.write(`data: ${JSON.stringify(event)}\n\n`);
	}
}

interface Choice {
	readonly index: number;
	readonly prompt: RequestPrompt;
	readonly plan: SpeechPlan;
	readonly narration: Narration;
	/** The whole of it, when it is not streamed. */
	piece: ChoicePiece | null;
	cachedTokens: number;
	times: RequestTimes | null;
	giveUp: () => void;
}

export function sendJson(outgoing: ServerResponse, status: number, body: object): void {
	if (outgoing.destroyed || outgoing.headersSent) return;
	const text = JSON.stringify(body);
	outgoing.writeHead(status, {
		'content-type': 'application/json',
		'content-length': Buffer.byteLength(text),
	});
	outgoing.end(text);
}

const completionTokens = (choices: readonly Choice[]): number =>
	choices.reduce((sum, { narration }) => sum + narration.tokensSoFar, 0);

const usageOf = (choices: readonly Choice[]): Usage => ({
	promptTokens: choices.reduce((sum, { prompt }) => sum + prompt.tokens.length, 0),
	completionTokens: completionTokens(choices),
});

/** Choices of one prompt each. */
function grouped(choices: readonly Choice[], n: number): readonly (readonly Choice[])[] {
	const groups: Choice[][] = [];
	for (let from = 0; from < choices.length; from += n) groups.push(choices.slice(from, from + n));
	return groups;
}
