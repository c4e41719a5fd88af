// The `openai` SDK for Node on Chat Completions: what chat.test.ts and
// tools.test.ts, which look at the wire, leave to the SDK's own helpers.
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { describe, expect, test } from 'vitest';
import {
  ada, breaks, busy, City, count, counted, degrees, failure, Person, tiers, twoCities, useStage,
} from './clients.ts';

const stage = useStage();
const client = () => stage.weir.openai({ fetch: stage.fetch });
const ask = (content: string) => [{ role: 'user' as const, content }];

function weatherTool(asked: string[]) {
  return zodFunction({
    name: 'get_weather',
    description: 'Current weather of a city',
    parameters: City,
    function: ({ city }) => {
      asked.push(city);
      return degrees(city);
    },
  });
}

describe.each(tiers)('%s', (model) => {
  test('answers come from that tier, with usage that adds up', async () => {
    const { data, response } = await client()
      .chat.completions.create({ model, messages: ask(count) })
      .withResponse();
    expect(response.headers.get('x-router-backend')).toBe(model);
    expect(data.choices[0]!.message.content).toMatch(counted);
    const usage = data.usage!;
    expect(usage.completion_tokens).toBeGreaterThan(4);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  test('the stream helper gives the text in pieces, and the same usage', async () => {
    const whole = await client().chat.completions.create({ model, messages: ask(count) });
    const stream = client().chat.completions.stream({
      model,
      messages: ask(count),
      stream_options: { include_usage: true },
    });
    let text = '';
    let pieces = 0;
    let usages = 0;
    for await (const chunk of stream) {
      usages += chunk.usage ? 1 : 0;
      const piece = chunk.choices[0]?.delta.content ?? '';
      text += piece;
      pieces += piece === '' ? 0 : 1;
    }
    const final = await stream.finalChatCompletion();
    expect(pieces).toBeGreaterThan(2);
    expect(usages).toBe(1);
    for await (const chunk of await client().chat.completions.create({ model, messages: ask(count), stream: true }))
      expect(chunk.usage).toBeUndefined();
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(final.choices[0]!.message.content).toBe(text);
    expect(final.usage).toMatchObject({
      prompt_tokens: whole.usage!.prompt_tokens,
      completion_tokens: whole.usage!.completion_tokens,
    });
    expect(stage.backends).toEqual([model, model, model]);
  });

  test.each([false, true])('the tool runner answers two calls at once (stream: %s)', async (stream) => {
    const asked: string[] = [];
    const params = { model, messages: ask(twoCities), tools: [weatherTool(asked)] };
    const runner = stream
      ? client().chat.completions.runTools({ ...params, stream: true })
      : client().chat.completions.runTools(params);
    const content = await runner.finalContent();
    expect(asked).toEqual(['Berlin', 'Paris']);
    expect(content).toContain('7 degrees in Berlin');
    expect(content).toContain('19 degrees in Paris');
    const roles = runner.messages.map((m) => m.role);
    expect(roles).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant']);
    expect(stage.backends).toEqual([model, model]);
  });

  test('parse() gives what the schema promises, whole and streamed', async () => {
    const body = {
      model,
      messages: ask(ada),
      response_format: zodResponseFormat(Person, 'person'),
    };
    const whole = await client().chat.completions.parse(body);
    expect(whole.choices[0]!.message.parsed).toMatchObject({ name: 'Ada' });
    const final = await client().chat.completions.stream(body).finalChatCompletion();
    expect(final.choices[0]!.message.parsed).toEqual(whole.choices[0]!.message.parsed);
  });

  test('arguments of a strict tool come parsed', async () => {
    const answer = await client().chat.completions.parse({
      model,
      messages: ask(twoCities),
      tools: [weatherTool([])],
    });
    const calls = answer.choices[0]!.message.tool_calls!;
    expect(calls.map((c) => c.type === 'function' && c.function.parsed_arguments)).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
  });
});

test('a backend that is busy is a RateLimitError, with its Retry-After', async () => {
  const error = await failure(
    client().chat.completions.create({ model: 'cloud', messages: ask(`${count}\n${busy}`) }),
  );
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  expect(error.headers.get('retry-after')).toBe('7');
  expect(error.headers.get('x-router-backend')).toBe('cloud');
});

test('a model that is not there is a NotFoundError', async () => {
  const error = await failure(
    client().chat.completions.create({ model: 'nobody-has-it', messages: ask(count) }),
  );
  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
  expect(error.message).toContain('nobody-has-it');
});

test('a request that makes no sense is a BadRequestError that names the field', async () => {
  const error = await failure(
    client().chat.completions.create({ model: 'cloud', messages: ask(count), temperature: 'warm' as any }),
  );
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error).toMatchObject({ status: 400, param: 'temperature' });
});

test('a stream that breaks is an APIError, not an end', async () => {
  const stream = await client().chat.completions.create({
    model: 'cloud',
    messages: ask(breaks),
    stream: true,
  });
  let text = '';
  const error = await failure(
    (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })(),
  );
  expect(error).toBeInstanceOf(OpenAI.APIError);
  expect(text).toMatch(/1\D+2\D+3/);
});

test('the models are listed', async () => {
  const ids: string[] = [];
  for await (const model of client().models.list()) ids.push(model.id);
  expect(ids).toContain('local');
  expect(ids).toContain('cloud');
});
