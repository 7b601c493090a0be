import { type AnswerFace, usageFields } from './answer-face.ts';
import { chatLogprobs } from './logprobs.ts';
import { withoutNulls } from './request-metrics.ts';

/** Answers of `/v1/chat/completions`. */
export const chatFace: AnswerFace = {
	opening({ id, created, model }, index, promptTokens, { promptText }, usage) {
		return {
			id,
			object: 'chat.completion.chunk',
			created,
			model,
			choices: [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
			...(usage === null ? {} : { usage: withDetails(usage) }),
			prompt_token_ids: promptTokens,
			prompt_text: promptText,
		};
	},

	chunk({ id, created, model, fingerprint }, piece, options, usage, isLast) {
		const choice = {
			index: piece.index,
			delta: { content: piece.text },
			logprobs: options.logprobs === null ? null : chatLogprobs(piece.tokens, options.logprobs),
			finish_reason: piece.finishReason,
			...(piece.finishReason === null ? {} : { stop_reason: piece.stopReason }),
			token_ids: options.returnTokenIds ? piece.tokens : null,
		};
		return {
			id,
			object: 'chat.completion.chunk',
			created,
			model,
			choices: [choice],
			...(usage === null ? {} : { usage: withDetails(usage) }),
			...(isLast ? { system_fingerprint: fingerprint } : {}),
		};
	},

	usageChunk({ id, created, model, fingerprint }, usage, { cachedTokens, createdTokens }, metrics) {
		const details = { cached_tokens: cachedTokens, created_cache_tokens: createdTokens };
		return {
			id,
			object: 'chat.completion.chunk',
			created,
			model,
			choices: [],
			usage: { ...usageFields(usage), prompt_tokens_details: details },
			system_fingerprint: fingerprint,
			...(metrics === null ? {} : { metrics: withoutNulls(metrics) }),
		};
	},

	whole(
		{ id, created, model, fingerprint },
		pieces,
		options,
		usage,
		{ cachedTokens, createdTokens },
		metrics,
	) {
		return {
			id,
			object: 'chat.completion',
			created,
			model,
			choices: pieces.map((piece) => ({
				index: piece.index,
				message: {
					role: 'assistant',
					content: piece.text,
					refusal: null,
					annotations: null,
					audio: null,
					function_call: null,
					reasoning: null,
				},
				logprobs: options.logprobs === null ? null : chatLogprobs(piece.tokens, options.logprobs),
				finish_reason: piece.finishReason,
				stop_reason: piece.stopReason,
				token_ids: options.returnTokenIds ? piece.tokens : null,
				routed_experts: null,
			})),
			service_tier: null,
			system_fingerprint: fingerprint,
			usage: {
				...usageFields(usage),
				prompt_tokens_details: {
					cached_tokens: cachedTokens,
					created_cache_tokens: createdTokens,
					multimodal_tokens: null,
				},
				completion_tokens_details: null,
			},
			prompt_logprobs: null,
			prompt_token_ids: pieces[0]?.promptTokens ?? null,
			prompt_text: options.promptText,
			kv_transfer_params: null,
			ec_transfer_params: null,
			metrics,
		};
	},
};

const withDetails = (usage: Parameters<typeof usageFields>[0]): object => ({
	...usageFields(usage),
	completion_tokens_details: null,
});
