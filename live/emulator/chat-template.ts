/** One message of a chat, its parts joined. */
export interface ChatMessage {
	readonly role: string;
	readonly content: string;
}

export interface ChatTemplateOptions {
	/** Ends with the head of the answer to come. */
	readonly addGenerationPrompt: boolean;
	/** Leaves the last message open, for the answer to go on with it. */
	readonly continueFinalMessage: boolean;
}

/** The chat template of the emulated models: every role in brackets, so that chats with the same first messages begin with the same tokens. */
export function renderChat(messages: readonly ChatMessage[], options: ChatTemplateOptions): string {
	const text = messages.map(({ role, content }) => `[${role}]\n${content}\n`).join('');
	if (options.continueFinalMessage) return text.slice(0, -1);
	return options.addGenerationPrompt ? `${text}[assistant]\n` : text;
}
