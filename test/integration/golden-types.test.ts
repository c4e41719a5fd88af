import { beforeAll, expect, test } from 'vitest';
import * as kind from './golden-types.ts';

/** What each folder of test/golden expects; null: nothing that an SDK has a type for. */
const kinds: Record<string, kind.Kind | null> = {
  'anthropic-to-chat': kind.completion,
  'anthropic-to-chat-error': kind.chatError,
  'anthropic-to-chat-stream': kind.chunk,
  'anthropic-to-responses': kind.response,
  'anthropic-to-responses-stream': kind.responseEvent,
  'chat-to-anthropic': kind.toAnthropic,
  'chat-to-messages': kind.message,
  'chat-to-messages-error': kind.messagesError,
  'chat-to-messages-stream': kind.messageEvent,
  'chat-to-responses': kind.response,
  'chat-to-responses-stream': kind.responseEvent,
  exposition: null,
  'messages-round-trip': kind.fromMessages(kind.toAnthropic),
  'messages-to-chat': kind.fromMessages(kind.toVllm),
  report: null,
  'responses-to-anthropic': kind.toAnthropic,
  'responses-to-chat': kind.toVllm,
  sse: null,
};

const typed = Object.entries(kinds).flatMap(([folder, one]) => (one === null ? [] : [[folder, one] as const]));
const wrong: kind.Value = {
  folder: 'none',
  name: 'an answer with a role that is not one, and a member that is misspelt',
  type: kind.completion.type,
  value: {
    id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm',
    choices: [{ index: 0, mesage: { role: 'nobody', content: 'x' }, finish_reason: 'stop', logprobs: null }],
  },
};

let found: Map<kind.Value, string>;
let values: kind.Value[];
beforeAll(async () => {
  values = typed.flatMap(([folder, one]) => kind.valuesOf(folder, one));
  found = await kind.complaints([...values, wrong]);
});

test('every folder of golden cases says what it expects', () => {
  expect(kind.foldersOfGolden()).toEqual(Object.keys(kinds).sort());
});

test('the check finds what is wrong', () => {
  expect(found.get(wrong)).toContain('mesage');
});

test.each(typed.map(([folder]) => folder))('%s is valid for the SDKs’ own types', (folder) => {
  const own = values.filter((value) => value.folder === folder);
  expect(own.length).toBeGreaterThan(0);
  expect(own.filter((value) => found.has(value)).map((value) => [value.name, found.get(value)])).toEqual([]);
});
