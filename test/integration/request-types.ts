/* What the official SDKs call a request in each format: request-fields.ts
 * reads their fields. */
export type { ChatCompletionCreateParamsBase as chat } from 'openai/resources/chat/completions/completions';
export type { ResponseCreateParamsBase as responses } from 'openai/resources/responses/responses';
export type { MessageCreateParamsBase as messages } from '@anthropic-ai/sdk/resources/messages/messages';
