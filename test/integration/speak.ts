// The three formats of a conversation, spoken with fetch alone: what goes over
// the wire is what a test says.
import { expect } from 'vitest';
import { type Event, framesOf } from './frames.ts';
import type { Weir } from './harness.ts';

export { type Event, framesOf };

export type Headers = Record<string, string>;

/** Anthropic's message that a stream amounts to; its order is checked. */
export function messageOf(events: Event[]): any {
  let message: any;
  const blocks: any[] = [];
  let open = -1;
  let isStopped = false;
  for (const { name, data } of events) {
    expect(name).toBe(data.type);
    expect(isStopped, 'nothing comes behind message_stop').toBe(false);
    if (data.type === 'ping') continue;
    if (data.type === 'message_start') {
      expect(message).toBeUndefined();
      message = structuredClone(data.message);
      expect([message.content, message.stop_reason]).toEqual([[], null]);
      continue;
    }
    expect(message, 'message_start comes first').toBeDefined();
    switch (data.type) {
      case 'content_block_start':
        expect([open, data.index]).toEqual([-1, blocks.length]);
        open = data.index;
        blocks.push({ ...data.content_block, json: '' });
        break;
      case 'content_block_delta': {
        expect(data.index).toBe(open);
        const block = blocks[open];
        const { type } = data.delta;
        if (type === 'text_delta') block.text += data.delta.text;
        else if (type === 'thinking_delta') block.thinking += data.delta.thinking;
        else if (type === 'signature_delta') block.signature = data.delta.signature;
        else if (type === 'input_json_delta') block.json += data.delta.partial_json;
        else throw new Error(`a delta of type ${type}`);
        break;
      }
      case 'content_block_stop': {
        expect(data.index).toBe(open);
        const { json, ...block } = blocks[open];
        if (block.type === 'tool_use') block.input = JSON.parse(json === '' ? '{}' : json);
        blocks[open] = block;
        open = -1;
        break;
      }
      case 'message_delta':
        expect(open).toBe(-1);
        Object.assign(message, data.delta);
        Object.assign(message.usage, data.usage);
        break;
      case 'message_stop':
        isStopped = true;
        break;
      default:
        throw new Error(`an event of type ${data.type}`);
    }
  }
  expect(isStopped, 'the last event is message_stop').toBe(true);
  message.content = blocks;
  return message;
}

/** A message from /v1/messages, whole or streamed. */
export async function message(weir: Weir, body: any, headers: Headers = {}): Promise<any> {
  const answer = await weir.post(
    { max_tokens: 4096, ...body },
    { 'anthropic-version': '2023-06-01', ...headers },
    '/v1/messages',
  );
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return body.stream ? messageOf(framesOf(text)) : JSON.parse(text);
}

/** The assistant's message of a chat, whole or streamed, with its
 * finish_reason. */
export async function chat(weir: Weir, body: any, headers: Headers = {}): Promise<any> {
  const answer = await weir.post(body, headers);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  if (!body.stream) {
    const [choice] = JSON.parse(text).choices;
    return { ...choice.message, finish_reason: choice.finish_reason };
  }
  const events = framesOf(text);
  expect(events.at(-1)!.data).toBe('[DONE]');
  const said: any = { role: 'assistant', content: null };
  for (const { data } of events.slice(0, -1)) {
    const choice = data.choices[0];
    if (choice === undefined) continue;
    const { delta } = choice;
    if (delta.content) said.content = (said.content ?? '') + delta.content;
    if (delta.reasoning_content) said.reasoning_content = (said.reasoning_content ?? '') + delta.reasoning_content;
    if (delta.thinking_blocks) said.thinking_blocks = [...(said.thinking_blocks ?? []), ...delta.thinking_blocks];
    for (const piece of delta.tool_calls ?? []) {
      said.tool_calls ??= [];
      const call = (said.tool_calls[piece.index] ??= { type: 'function', function: { name: '', arguments: '' } });
      if (piece.id) call.id = piece.id;
      if (piece.function?.name) call.function.name = piece.function.name;
      call.function.arguments += piece.function?.arguments ?? '';
    }
    said.finish_reason = choice.finish_reason ?? said.finish_reason;
  }
  return said;
}

/** What a client keeps of an assistant's message that knows the standard's
 * members only. */
export function plain({ role, content, tool_calls }: any): any {
  return { role, content, ...(tool_calls ? { tool_calls } : {}) };
}

/** Tools of the three formats from one description. */
export const tool = (name: string, property: string) => {
  const schema = {
    type: 'object',
    properties: { [property]: { type: 'string' } },
    required: [property],
    additionalProperties: false,
  };
  const description = `The ${name.replaceAll('_', ' ')} of a ${property}`;
  return {
    chat: { type: 'function', function: { name, description, parameters: schema } },
    messages: { name, description, input_schema: schema },
    responses: { type: 'function', name, description, parameters: schema, strict: false },
  };
};
