// The `openai` SDK for Node on Responses.
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { describe, expect, test } from 'vitest';
import {
  ada, breaks, busy, count, counted, degrees, failure, Person, tiers, twoCities, useStage,
} from './clients.ts';
import { pixel } from './harness.ts';

type Item = OpenAI.Responses.ResponseInputItem;

const stage = useStage();
const client = () => stage.weir.openai({ fetch: stage.fetch });

const weather: OpenAI.Responses.FunctionTool = {
  type: 'function',
  name: 'get_weather',
  description: 'Current weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};

function callsOf(response: OpenAI.Responses.Response) {
  return response.output.filter((item) => item.type === 'function_call');
}

/** The results in the other order: what counts is their call_id. */
function resultsOf(response: OpenAI.Responses.Response): Item[] {
  const results = callsOf(response).map((call) => ({
    type: 'function_call_output' as const,
    call_id: call.call_id,
    output: degrees(JSON.parse(call.arguments).city),
  }));
  return [...(response.output as Item[]), ...results.reverse()];
}

describe.each(tiers)('%s', (model) => {
  test('a response, its usage, and where it came from', async () => {
    const response = await client().responses.create({ model, input: count });
    expect(response).toMatchObject({ object: 'response', status: 'completed', model, error: null });
    expect(response.id).toMatch(/^resp_/);
    expect(response.output_text).toMatch(counted);
    const usage = response.usage!;
    expect(usage.output_tokens).toBeGreaterThan(4);
    expect(usage.total_tokens).toBe(usage.input_tokens + usage.output_tokens);
    expect(stage.backends).toEqual([model]);
  });

  test('the stream helper gives the same response, its events in order', async () => {
    const whole = await client().responses.create({ model, input: count });
    const stream = client().responses.stream({ model, input: count });
    const kinds: string[] = [];
    const numbers: number[] = [];
    let text = '';
    for await (const event of stream) {
      if (event.type !== 'response.output_text.delta') kinds.push(event.type);
      else text += event.delta;
      numbers.push(event.sequence_number);
    }
    const final = await stream.finalResponse();
    expect(text).toBe(whole.output_text);
    expect(final.output_text).toBe(text);
    expect(final.usage).toMatchObject({
      input_tokens: whole.usage!.input_tokens,
      output_tokens: whole.usage!.output_tokens,
    });
    expect(kinds).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(stage.backends).toEqual([model, model]);
  });

  test('instructions, items of every role and earlier turns are understood', async () => {
    const response = await client().responses.create({
      model,
      instructions: 'You are terse.',
      input: [
        { role: 'developer', content: 'Be polite.' },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say hello' }] },
        { role: 'assistant', content: 'Hello' },
        { role: 'user', content: 'Respond with the word banana' },
      ],
    });
    expect(response.output_text).toMatch(/banana/i);
  });

  test('an image is looked at', async () => {
    const response = await client().responses.create({
      model,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is in this image?' },
            { type: 'input_image', image_url: pixel, detail: 'auto' },
          ],
        },
      ],
    });
    expect(response.output_text).toMatch(/png/i);
  });

  test('two calls at once, and their results in the other order', async () => {
    const body = { model, tools: [weather] };
    const first = await client().responses.create({ ...body, input: twoCities });
    expect(callsOf(first).map((call) => [call.name, JSON.parse(call.arguments)])).toEqual([
      ['get_weather', { city: 'Berlin' }],
      ['get_weather', { city: 'Paris' }],
    ]);
    expect(new Set(callsOf(first).map((call) => call.call_id)).size).toBe(2);
    const second = await client().responses.create({
      ...body,
      input: [{ role: 'user', content: twoCities }, ...resultsOf(first)],
    });
    expect(second.output_text).toContain('7 degrees in Berlin');
    expect(second.output_text).toContain('19 degrees in Paris');
  });

  test('calls are streamed with their arguments', async () => {
    const stream = client().responses.stream({ model, tools: [weather], input: twoCities });
    const pieces: Record<number, string> = {};
    for await (const event of stream)
      if (event.type === 'response.function_call_arguments.delta')
        pieces[event.output_index] = (pieces[event.output_index] ?? '') + event.delta;
    const final = await stream.finalResponse();
    expect(Object.values(pieces).map((text) => JSON.parse(text))).toEqual([
      { city: 'Berlin' },
      { city: 'Paris' },
    ]);
    expect(callsOf(final).map((call) => call.arguments)).toEqual(Object.values(pieces));
  });

  test('tool_choice is kept: none, required, one by name, one at a time', async () => {
    const names = async (more: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming>) =>
      callsOf(
        await client().responses.create({
          model, input: twoCities, tools: [weather, { ...weather, name: 'other' }], ...more,
        }),
      ).map((call) => call.name);
    expect(await names({ tool_choice: 'none' })).toEqual([]);
    expect((await names({ tool_choice: 'required' })).length).toBeGreaterThan(0);
    expect(await names({ tool_choice: { type: 'function', name: 'other' } })).toContain('other');
    expect(await names({ parallel_tool_calls: false })).toHaveLength(1);
  });

  test('parse() gives what the schema promises, whole and streamed', async () => {
    const body = { model, input: ada, text: { format: zodTextFormat(Person, 'person') } };
    const whole = await client().responses.parse(body);
    expect(Person.parse(whole.output_parsed)).toMatchObject({ name: 'Ada' });
    const final = await client().responses.stream(body).finalResponse();
    expect(final.output_parsed).toEqual(whole.output_parsed);
  });

  test('a custom tool takes and gives free text', async () => {
    const body = { model, tools: [{ type: 'custom' as const, name: 'note', description: 'Takes a note' }] };
    const tool_choice = { type: 'custom' as const, name: 'note' };
    const first = await client().responses.create({ ...body, tool_choice, input: 'Say hello' });
    const call = first.output.find((item) => item.type === 'custom_tool_call')!;
    expect(call.name).toBe('note');
    expect(call.input).not.toMatch(/^\{/);
    const streamed = await client().responses.stream({ ...body, tool_choice, input: 'Say hello' }).finalResponse();
    expect(streamed.output.find((item) => item.type === 'custom_tool_call')).toMatchObject({
      name: 'note', input: call.input,
    });
    const second = await client().responses.create({
      ...body,
      input: [
        { role: 'user', content: 'Say hello' },
        ...(first.output as Item[]),
        { type: 'custom_tool_call_output', call_id: call.call_id, output: 'noted: 42 words' },
      ],
    });
    expect(second.output_text).toContain('42 words');
  });

  test('a response goes on from the one before, by its id', async () => {
    const first = await client().responses.create({ model, tools: [weather], input: twoCities });
    const second = await client().responses.create({
      model,
      tools: [weather],
      previous_response_id: first.id,
      input: resultsOf(first).slice(first.output.length),
    });
    expect(second.previous_response_id).toBe(first.id);
    expect(second.output_text).toContain('7 degrees in Berlin');
    const last = await stage.sim.lastBody(model === 'local' ? 'vllm' : 'anthropic');
    expect(JSON.stringify(last.messages)).toContain(twoCities);
    expect((await client().responses.retrieve(second.id)).output_text).toBe(second.output_text);
    await client().responses.delete(second.id);
    const error = await failure(client().responses.retrieve(second.id));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('an answer that is cut short is incomplete, and says why', async () => {
    const response = await client().responses.create({
      model, input: 'Count from 1 to 500', max_output_tokens: 16,
    });
    expect(response).toMatchObject({
      status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' },
    });
    expect(response.usage!.output_tokens).toBeLessThanOrEqual(16);
  });

  test('a stream that breaks does not end as completed', async () => {
    let text = '';
    const kinds: string[] = [];
    const error = await failure(
      (async () => {
        const stream = await client().responses.create({ model, input: breaks, stream: true });
        for await (const event of stream) {
          kinds.push(event.type);
          if (event.type === 'response.output_text.delta') text += event.delta;
          if (event.type === 'response.failed') throw event.response.error;
        }
      })(),
    );
    expect(error.message).toMatch(/\w/);
    expect(text).toMatch(/1\D+2\D+3/);
    expect(kinds).not.toContain('response.completed');
  });
});

test('reasoning comes encrypted, and goes back unharmed among tools', async () => {
  const body = {
    model: 'claude-opus-4-8',
    reasoning: { effort: 'high' as const },
    include: ['reasoning.encrypted_content' as const],
    store: false,
    tools: [weather],
  };
  const first = await client().responses.create({ ...body, input: twoCities });
  const reasoning = first.output[0]!;
  expect(reasoning).toMatchObject({ type: 'reasoning', encrypted_content: expect.stringMatching(/\w{8}/) });
  const second = await client().responses.create({
    ...body,
    input: [{ role: 'user', content: twoCities }, ...resultsOf(first)],
  });
  expect(second.output_text).toContain('7 degrees in Berlin');
  const { messages } = await stage.sim.lastBody('anthropic');
  expect(messages[1].content[0]).toMatchObject({ type: 'thinking', signature: expect.stringMatching(/.{8}/) });
});

test('a backend that is busy is a RateLimitError, with its Retry-After', async () => {
  const error = await failure(client().responses.create({ model: 'cloud', input: `${count}\n${busy}` }));
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  expect(error.headers.get('retry-after')).toBe('7');
});

test('a model that is not there is a NotFoundError', async () => {
  const error = await failure(client().responses.create({ model: 'nobody-has-it', input: count }));
  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
});

test.each(tiers)('a request that makes no sense is a BadRequestError that names the field (%s)', async (model) => {
  const error = await failure(
    client().responses.create({ model, input: count, max_output_tokens: 'many' as any }),
  );
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error.param).toBe('max_output_tokens');
});
