import { type AnswerFace, type ChoicePiece, usageFields } from './answer-face.ts';
import { completionLogprobs } from './logprobs.ts';
import { withoutNulls } from './request-metrics.ts';

/** Answers of `/v1/completions`. */
export const completionFace: AnswerFace = {
	opening: () => null,

	chunk({ id, created, model, fingerprint }, piece, options, usage, isLast) {
		const choice = {
			index: piece.index,
			text: piece.text,
			logprobs: logprobsOf(piece, options.logprobs),
			finish_reason: piece.finishReason,
			stop_reason: piece.stopReason,
			prompt_token_ids: piece.promptTokens,
			token_ids: options.returnTokenIds ? piece.tokens : null,
		};
		return {
			id,
			object: 'text_completion',
			created,
			model,
			choices: [choice],
			...(usage === null ? {} : { usage: usageFields(usage) }),
			...(isLast ? { system_fingerprint: fingerprint } : {}),
		};
	},

	usageChunk({ id, created, model, fingerprint }, usage, { cachedTokens }, metrics) {
		return {
			id,
			object: 'text_completion',
			created,
			model,
			choices: [],
			usage: { ...usageFields(usage), prompt_tokens_details: { cached_tokens: cachedTokens } },
			system_fingerprint: fingerprint,
			...(metrics === null ? {} : { metrics: withoutNulls(metrics) }),
		};
	},

	whole({ id, created, model, fingerprint }, pieces, options, usage, { cachedTokens }, metrics) {
		return {
			id,
			object: 'text_completion',
			created,
			model,
			choices: pieces.map((piece) => ({
				index: piece.index,
				text: piece.text,
				logprobs: logprobsOf(piece, options.logprobs),
				finish_reason: piece.finishReason,
				stop_reason: piece.stopReason,
				token_ids: options.returnTokenIds ? piece.tokens : null,
				prompt_logprobs: null,
				prompt_token_ids: piece.promptTokens,
				routed_experts: null,
			})),
			service_tier: null,
			system_fingerprint: fingerprint,
			usage: {
				...usageFields(usage),
				prompt_tokens_details: {
					cached_tokens: cachedTokens,
					created_cache_tokens: null,
					multimodal_tokens: null,
				},
				completion_tokens_details: null,
			},
			kv_transfer_params: null,
			ec_transfer_params: null,
			metrics,
		};
	},
};

const logprobsOf = ({ tokens, tokensBefore }: ChoicePiece, logprobs: number | null): object | null =>
	logprobs === null ? null : completionLogprobs(tokens, logprobs, tokensBefore);
