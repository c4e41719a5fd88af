import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Sim, Weir, weather } from './harness.ts';

let sim: Sim;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim);
  client = weir.openai();
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const ask = (text: string) => [{ role: 'user' as const, content: text }];
const paris = ask('What is the weather in Paris?');
const two = ask('What is the weather in Berlin and in Paris?');

/** The calls of a stream, put together by hand from its fragments. */
async function streamCalls(body: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>) {
  const calls: { id: string; name: string; arguments: string; pieces: number }[] = [];
  let finish: string | null = null;
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
    const choice = chunk.choices[0];
    finish = choice?.finish_reason ?? finish;
    for (const piece of choice?.delta.tool_calls ?? []) {
      if (piece.id) {
        expect(piece.index).toBe(calls.length);
        expect(piece.type).toBe('function');
        calls.push({ id: piece.id, name: piece.function!.name!, arguments: '', pieces: 0 });
      }
      const call = calls[piece.index]!;
      call.arguments += piece.function?.arguments ?? '';
      call.pieces++;
    }
  }
  return { calls, finish };
}

describe.each(['local', 'cloud'])('%s', (model) => {
  test('calls a tool with arguments that fit', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: paris,
      tools: [weather],
    });
    const choice = answer.choices[0]!;
    expect(choice.finish_reason).toBe('tool_calls');
    expect(choice.message.tool_calls).toHaveLength(1);
    const call = choice.message.tool_calls![0] as any;
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Paris' });
    expect(call).not.toHaveProperty('index');
  });

  test('streams the arguments of a call', async () => {
    const { calls, finish } = await streamCalls({ model, messages: paris, tools: [weather] });
    expect(finish).toBe('tool_calls');
    expect(calls).toHaveLength(1);
    expect(calls[0]!.name).toBe('get_weather');
    expect(JSON.parse(calls[0]!.arguments)).toEqual({ city: 'Paris' });
    expect(calls[0]!.pieces).toBeGreaterThan(1);
  });

  test('makes several calls at once, whole and streamed', async () => {
    const answer = await client.chat.completions.create({ model, messages: two, tools: [weather] });
    const calls = answer.choices[0]!.message.tool_calls as any[];
    expect(calls.map((c) => JSON.parse(c.function.arguments).city)).toEqual(['Berlin', 'Paris']);
    expect(new Set(calls.map((c) => c.id)).size).toBe(2);
    const streamed = await streamCalls({ model, messages: two, tools: [weather] });
    expect(streamed.calls.map((c) => JSON.parse(c.arguments).city)).toEqual(['Berlin', 'Paris']);
  });

  test('makes one call when parallel calls are off', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: two,
      tools: [weather],
      parallel_tool_calls: false,
    });
    expect(answer.choices[0]!.message.tool_calls).toHaveLength(1);
  });

  test('calls none when told so, and the named one when told so', async () => {
    const none = await client.chat.completions.create({
      model,
      messages: paris,
      tools: [weather],
      tool_choice: 'none',
    });
    expect(none.choices[0]!.message.tool_calls ?? []).toHaveLength(0);
    expect(none.choices[0]!.message.content).toMatch(/\w/);
    const named = await client.chat.completions.create({
      model,
      messages: ask('Say hello'),
      tools: [weather, { ...weather, function: { ...weather.function, name: 'other' } }],
      tool_choice: { type: 'function', function: { name: 'other' } },
    });
    expect((named.choices[0]!.message.tool_calls![0] as any).function.name).toBe('other');
  });

  test('a call without arguments is an empty object', async () => {
    const now = { type: 'function' as const, function: { name: 'now', description: 'The time' } };
    const body = { model, messages: ask('Say hello'), tools: [now], tool_choice: 'required' as const };
    const whole = await client.chat.completions.create(body);
    expect((whole.choices[0]!.message.tool_calls![0] as any).function.arguments).toBe('{}');
    const { calls } = await streamCalls(body);
    expect(calls[0]!.arguments).toBe('{}');
  });

  test('goes on after the results, whatever their order', async () => {
    const first = await client.chat.completions.create({ model, messages: two, tools: [weather] });
    const message = first.choices[0]!.message;
    const [berlin, parisCall] = message.tool_calls!;
    const final = await client.chat.completions.create({
      model,
      tools: [weather],
      messages: [
        ...two,
        message,
        { role: 'tool', tool_call_id: parisCall!.id, content: '19 degrees and sunny' },
        { role: 'tool', tool_call_id: berlin!.id, content: '7 degrees and raining' },
      ],
    });
    expect(final.choices[0]!.finish_reason).toBe('stop');
    expect(final.choices[0]!.message.content).toContain('19 degrees');
    expect(final.choices[0]!.message.content).toContain('7 degrees');
  });

  test('the SDK’s tool runner runs the whole loop', async () => {
    const asked: string[] = [];
    const runner = client.chat.completions.runTools({
      model,
      messages: paris,
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'Current weather of a city',
            parameters: weather.function.parameters,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => {
              asked.push(city);
              return '21 degrees';
            },
          },
        } as any,
      ],
    });
    const content = await runner.finalContent();
    expect(asked).toEqual(['Paris']);
    expect(content).toContain('21 degrees');
  });
});

test('names that Anthropic refuses come back as they were', async () => {
  const name = 'mcp.files/read file';
  const tool = { type: 'function' as const, function: { name, description: 'Reads a file' } };
  const body = {
    model: 'cloud',
    messages: ask('Say hello'),
    tools: [tool],
    tool_choice: { type: 'function' as const, function: { name } },
  };
  const whole = await client.chat.completions.create(body);
  expect((whole.choices[0]!.message.tool_calls![0] as any).function.name).toBe(name);
  const { calls } = await streamCalls(body);
  expect(calls[0]!.name).toBe(name);
  expect((await sim.lastBody('anthropic')).tools[0].name).toBe('mcp_files_read_file_54365743');
});

test('a custom tool takes and gives free text', async () => {
  const answer: any = await client.chat.completions.create({
    model: 'cloud',
    messages: ask('Say hello'),
    tools: [{ type: 'custom', custom: { name: 'note', description: 'Takes a note' } }],
    tool_choice: { type: 'custom', custom: { name: 'note' } },
  });
  const call = answer.choices[0].message.tool_calls[0];
  expect(call).toMatchObject({ type: 'custom', custom: { name: 'note' } });
  expect(typeof call.custom.input).toBe('string');
  expect(call.custom.input).not.toMatch(/^\{/);
});

test('a conversation that began on the local model goes on in the cloud', async () => {
  const first = await client.chat.completions.create({
    model: 'local',
    messages: two,
    tools: [weather],
  });
  const message = first.choices[0]!.message;
  const final = await client.chat.completions.create({
    model: 'cloud',
    tools: [weather],
    messages: [
      ...two,
      message,
      ...message.tool_calls!.map((call) => ({
        role: 'tool' as const,
        tool_call_id: call.id,
        content: '11 degrees',
      })),
    ],
  });
  expect(final.choices[0]!.message.content).toContain('11 degrees');
});
