// The `@anthropic-ai/sdk` for Node on Messages.
import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { describe, expect, test } from 'vitest';
import {
  ada, breaks, busy, City, count, counted, degrees, failure, Person, tiers, twoCities, useStage,
} from './clients.ts';
import { pixel } from './harness.ts';

const stage = useStage();
const client = (options = {}) =>
  new Anthropic({ baseURL: stage.url, apiKey: 'sk-caller', maxRetries: 0, fetch: stage.fetch, ...options });
const ask = (content: string) => [{ role: 'user' as const, content }];

const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Current weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

function textOf(message: { content: { type: string; text?: string }[] }): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

function callsOf(message: Anthropic.Message): Anthropic.ToolUseBlock[] {
  return message.content.filter((block) => block.type === 'tool_use');
}

/** The results in the other order: what counts is their id. */
function resultsOf(message: Anthropic.Message): Anthropic.MessageParam[] {
  const results = callsOf(message).map((call) => ({
    type: 'tool_result' as const,
    tool_use_id: call.id,
    content: degrees((call.input as { city: string }).city),
  }));
  return [
    { role: 'assistant', content: message.content },
    { role: 'user', content: results.reverse() },
  ];
}

describe.each(tiers)('%s', (model) => {
  test('a message, its usage, and where it came from', async () => {
    const message = await client().messages.create({ model, max_tokens: 100, messages: ask(count) });
    expect(message).toMatchObject({
      type: 'message', role: 'assistant', model, stop_reason: 'end_turn', stop_sequence: null,
    });
    expect(message.id).toMatch(/^msg_/);
    expect(textOf(message)).toMatch(counted);
    expect(message.usage.input_tokens).toBeGreaterThan(3);
    expect(message.usage.output_tokens).toBeGreaterThan(4);
    expect(stage.backends).toEqual([model]);
  });

  test('the stream helper gives the same message, event by event', async () => {
    const body = { model, max_tokens: 100, messages: ask(count) };
    const whole = await client().messages.create(body);
    const stream = client().messages.stream(body);
    const kinds: string[] = [];
    let text = '';
    stream.on('streamEvent', (event) => kinds.push(event.type));
    stream.on('text', (piece) => (text += piece));
    const final = await stream.finalMessage();
    expect(text).toBe(textOf(whole));
    expect(textOf(final)).toBe(text);
    expect(final.stop_reason).toBe('end_turn');
    expect(final.usage).toMatchObject({
      input_tokens: whole.usage.input_tokens,
      output_tokens: whole.usage.output_tokens,
    });
    expect(kinds.filter((kind) => kind !== 'content_block_delta')).toEqual([
      'message_start', 'content_block_start', 'content_block_stop', 'message_delta', 'message_stop',
    ]);
    expect(stage.backends).toEqual([model, model]);
  });

  test('system blocks, part lists and earlier turns are understood', async () => {
    const message = await client().messages.create({
      model,
      max_tokens: 100,
      system: [{ type: 'text', text: 'You are terse.', cache_control: { type: 'ephemeral' } }],
      messages: [
        ...ask('Say hello'),
        { role: 'assistant', content: [{ type: 'text', text: 'Hello' }] },
        { role: 'user', content: [{ type: 'text', text: 'Respond with the word banana' }] },
      ],
    });
    expect(textOf(message)).toMatch(/banana/i);
  });

  test('an image is looked at', async () => {
    const message = await client().messages.create({
      model,
      max_tokens: 200,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel.split(',')[1]! } },
            { type: 'text', text: 'What is in this image?' },
          ],
        },
      ],
    });
    expect(textOf(message)).toMatch(/png/i);
  });

  test('two calls at once, and their results in the other order', async () => {
    const body = { model, max_tokens: 500, tools: [weather], messages: ask(twoCities) };
    const first = await client().messages.create(body);
    expect(first.stop_reason).toBe('tool_use');
    expect(callsOf(first).map((call) => [call.name, call.input])).toEqual([
      ['get_weather', { city: 'Berlin' }],
      ['get_weather', { city: 'Paris' }],
    ]);
    const second = await client().messages.create({
      ...body,
      messages: [...body.messages, ...resultsOf(first)],
    });
    expect(second.stop_reason).toBe('end_turn');
    expect(textOf(second)).toContain('7 degrees in Berlin');
    expect(textOf(second)).toContain('19 degrees in Paris');
  });

  test('calls are streamed with their arguments', async () => {
    const stream = client().messages.stream({
      model, max_tokens: 500, tools: [weather], messages: ask(twoCities),
    });
    const pieces: string[] = [];
    stream.on('inputJson', (piece) => pieces.push(piece));
    const final = await stream.finalMessage();
    expect(final.stop_reason).toBe('tool_use');
    expect(callsOf(final).map((call) => call.input)).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
    expect(pieces.join('')).toContain('Berlin');
    expect(new Set(callsOf(final).map((call) => call.id)).size).toBe(2);
  });

  test('tool_choice is kept: none, any, one by name, one at a time', async () => {
    const body = { model, max_tokens: 500, messages: ask(twoCities), tools: [weather, { ...weather, name: 'other' }] };
    const names = async (tool_choice: Anthropic.ToolChoice) =>
      callsOf(await client().messages.create({ ...body, tool_choice })).map((call) => call.name);
    expect(await names({ type: 'none' })).toEqual([]);
    expect((await names({ type: 'any' })).length).toBeGreaterThan(0);
    expect(await names({ type: 'tool', name: 'other' })).toContain('other');
    expect(await names({ type: 'auto', disable_parallel_tool_use: true })).toHaveLength(1);
  });

  test.each([false, undefined] as const)('the tool runner runs the loop (thread: %s)', async (thread) => {
    const asked: string[] = [];
    const final = await client().beta.messages.toolRunner({
      model,
      max_tokens: 500,
      messages: ask(twoCities),
      tools: [
        betaZodTool({
          name: 'get_weather',
          description: 'Current weather of a city',
          inputSchema: City,
          run: ({ city }) => {
            asked.push(city);
            return degrees(city);
          },
        }),
      ],
      ...(thread === undefined ? {} : { thread }),
    });
    expect(asked.sort()).toEqual(['Berlin', 'Paris']);
    expect(textOf(final)).toContain('7 degrees in Berlin');
    expect(textOf(final)).toContain('19 degrees in Paris');
    // no step without what was asked at first
    const last = await stage.sim.lastBody(model === 'local' ? 'vllm' : 'anthropic');
    expect(JSON.stringify(last.messages)).toContain(twoCities);
    // a refusal to keep a thread comes from nowhere
    expect(new Set(stage.backends.filter((one) => one !== null))).toEqual(new Set([model]));
  });

  test('parse() gives what the schema promises, whole and streamed', async () => {
    const body = {
      model,
      max_tokens: 500,
      messages: ask(ada),
      output_config: { format: zodOutputFormat(Person) },
    };
    const whole = await client().messages.parse(body);
    expect(Person.parse(whole.parsed_output)).toMatchObject({ name: 'Ada' });
    const final = await client().messages.stream(body).finalMessage();
    expect(final.parsed_output).toEqual(whole.parsed_output);
  });

  test('it stops at max_tokens and at a stop sequence, and says which', async () => {
    const cut = await client().messages.create({ model, max_tokens: 5, messages: ask('Count from 1 to 50') });
    expect(cut.stop_reason).toBe('max_tokens');
    expect(cut.usage.output_tokens).toBeLessThanOrEqual(5);
    const stopped = await client().messages.create({
      model, max_tokens: 100, stop_sequences: ['4'], messages: ask(count),
    });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: '4' });
    expect(textOf(stopped)).not.toMatch(/[45]/);
  });

  test('tokens are counted', async () => {
    const short = await client().messages.countTokens({ model, messages: ask('hello') });
    const long = await client().messages.countTokens({
      model, system: 'Be brief.', tools: [weather], messages: ask(count.repeat(50)),
    });
    expect(short.input_tokens).toBeGreaterThan(0);
    expect(long.input_tokens).toBeGreaterThan(short.input_tokens + 100);
  });

  test('the count is the one that a message is charged', async () => {
    const messages = ask(count);
    const { input_tokens } = await client().messages.countTokens({ model, messages });
    const message = await client().messages.create({ model, max_tokens: 100, messages });
    expect(message.usage.input_tokens).toBe(input_tokens);
  });

  test('a stream that breaks is an APIError, not an end', async () => {
    let text = '';
    const stream = client().messages.stream({ model, max_tokens: 2000, messages: ask(breaks) });
    stream.on('text', (piece) => (text += piece));
    const error = await failure(stream.finalMessage());
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(text).toMatch(/1\D+2\D+3/);
  });
});

test('thinking comes with its signature, and goes back unharmed among tools', async () => {
  const body = {
    model: 'claude-opus-4-8',
    max_tokens: 4000,
    thinking: { type: 'adaptive' as const, display: 'summarized' as const },
    tools: [weather],
    messages: ask(twoCities),
  };
  const first = await client().messages.stream(body).finalMessage();
  const [thinking] = first.content;
  expect(thinking).toMatchObject({ type: 'thinking', thinking: expect.stringMatching(/\w/) });
  expect((thinking as Anthropic.ThinkingBlock).signature).toMatch(/.{8}/);
  const messages = [...body.messages, ...resultsOf(first)];
  const second = await client().messages.create({ ...body, messages });
  expect(textOf(second)).toContain('7 degrees in Berlin');
  const { messages: sent } = await stage.sim.lastBody('anthropic');
  expect(sent[1].content).toEqual(first.content);
});

test('a thread that nobody here keeps is refused at once, and goes nowhere else', async () => {
  const before = await stage.sim.state('anthropic');
  const error = await failure(
    client().beta.messages.create({
      model: 'local',
      max_tokens: 100,
      thread: { type: 'continue', previous_message_id: 'msg_1' },
      messages: ask('And in Paris?'),
      betas: ['message-threads-2026-08-12'],
    }),
  );
  expect(error).toBeInstanceOf(Anthropic.BadRequestError);
  expect(error.error.error).toMatchObject({
    type: 'invalid_request_error',
    details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
  });
  expect((await stage.sim.state('anthropic')).requests).toBe(before.requests);
});

test('the cache is counted', async () => {
  const body = {
    model: 'cloud',
    max_tokens: 100,
    system: [
      { type: 'text' as const, text: 'A long instruction. '.repeat(500), cache_control: { type: 'ephemeral' as const } },
    ],
    messages: ask('Say hello'),
  };
  const first = await client().messages.create(body);
  const second = await client().messages.create(body);
  expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(100);
  expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
});

test('a backend that is busy is a RateLimitError, with its Retry-After', async () => {
  const error = await failure(
    client().messages.create({ model: 'cloud', max_tokens: 100, messages: ask(`${count}\n${busy}`) }),
  );
  expect(error).toBeInstanceOf(Anthropic.RateLimitError);
  expect(error.headers.get('retry-after')).toBe('7');
  expect(error.error).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
});

test('a model that is not there is a NotFoundError', async () => {
  const error = await failure(
    client().messages.create({ model: 'nobody-has-it', max_tokens: 100, messages: ask(count) }),
  );
  expect(error).toBeInstanceOf(Anthropic.NotFoundError);
  expect(error.error).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  expect(error.message).toContain('nobody-has-it');
});

test.each(tiers)('a request that makes no sense is a BadRequestError that names the field (%s)', async (model) => {
  const error = await failure(
    client().messages.create({ model, max_tokens: 'many' as any, messages: ask(count) }),
  );
  expect(error).toBeInstanceOf(Anthropic.BadRequestError);
  expect(error.error).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  expect(error.message).toContain('max_tokens');
});
