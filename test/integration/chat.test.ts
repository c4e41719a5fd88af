import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hello, Sim, Weir } from './harness.ts';

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

const count = [{ role: 'user' as const, content: 'Count from 1 to 5' }];

describe.each(['local', 'cloud'])('%s', (model) => {
  test('answers a whole chat with usage', async () => {
    const answer = await client.chat.completions.create({ model, messages: hello });
    expect(answer.id).toMatch(/^chatcmpl-/);
    expect(answer.model).toBe(model);
    expect(answer.choices).toHaveLength(1);
    expect(answer.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop' });
    expect(answer.choices[0]!.message.role).toBe('assistant');
    expect(answer.choices[0]!.message.content).toMatch(/hello/i);
    expect(answer.choices[0]!.message.refusal ?? null).toBeNull();
    const usage = answer.usage!;
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  test('streams, and the pieces are the whole', async () => {
    const stream = await client.chat.completions.create({ model, messages: count, stream: true });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map((c) => c.choices[0]?.delta.content ?? '').join('');
    expect(text).toMatch(/1\D+2\D+3\D+4\D+5/);
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    expect(new Set(chunks.map((c) => c.id)).size).toBe(1);
    expect(new Set(chunks.map((c) => c.created)).size).toBe(1);
    expect(chunks.every((c) => c.model === model)).toBe(true);
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop');
    expect(chunks.some((c) => c.usage)).toBe(false);
    const whole = await client.chat.completions.create({ model, messages: count });
    expect(text).toBe(whole.choices[0]!.message.content);
  });

  test('streams usage when asked for it', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: count,
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages: unknown[] = [];
    for await (const chunk of stream) if (chunk.usage) usages.push([chunk.choices, chunk.usage]);
    expect(usages).toHaveLength(1);
    expect(usages[0]).toMatchObject([
      [],
      { prompt_tokens: expect.any(Number), completion_tokens: expect.any(Number) },
    ]);
  });

  test('ends its stream with exactly [DONE]', async () => {
    const answer = await weir.post({ model, messages: count, stream: true });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const text = await answer.text();
    expect(text.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
    for (const line of text.split('\n\n').slice(0, -2)) {
      expect(line.startsWith('data: {')).toBe(true);
      JSON.parse(line.slice(6));
    }
  });

  test('the SDK’s stream helper puts the message together', async () => {
    const stream = client.chat.completions.stream({ model, messages: count });
    const deltas: string[] = [];
    stream.on('content', (delta) => deltas.push(delta));
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]!.message.content).toBe(deltas.join(''));
    expect(final.choices[0]!.finish_reason).toBe('stop');
  });

  test('stops at max_tokens with the reason length', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Count from 1 to 50' }],
      max_tokens: 5,
    });
    expect(answer.choices[0]!.finish_reason).toBe('length');
    expect(answer.usage!.completion_tokens).toBeLessThanOrEqual(5);
  });

  test('stops at a stop sequence, which is not part of the answer', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: count,
      stop: ['4'],
    });
    expect(answer.choices[0]!.finish_reason).toBe('stop');
    expect(answer.choices[0]!.message.content).toMatch(/3/);
    expect(answer.choices[0]!.message.content).not.toMatch(/[45]/);
  });

  test('takes system, developer and part lists, over several turns', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [
        { role: 'system', content: 'You are terse.' },
        { role: 'developer', content: [{ type: 'text', text: 'Be polite.' }] },
        { role: 'user', content: [{ type: 'text', text: 'Say hello' }] },
        { role: 'assistant', content: 'Hello' },
        { role: 'user', content: 'Respond with the word banana' },
      ],
    });
    expect(answer.choices[0]!.message.content).toMatch(/banana/i);
  });

  test('text of every alphabet survives, in pieces and in one', async () => {
    const messages = [{ role: 'user' as const, content: 'Respond with the word Grüße€😀' }];
    const whole = await client.chat.completions.create({ model, messages });
    expect(whole.choices[0]!.message.content).toContain('Grüße€😀');
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toContain('Grüße€😀');
  });
});

describe('pass-through to the local backend', () => {
  test('changes nothing but the model’s name, byte for byte', async () => {
    const body =
      '{ "x_unknown" : [1.0, 1e5, 12345678901234567890,\t{"\\u00e9":null}],\n' +
      '"messages":[{"role":"user","content":"Say hello","vendor":{"a":1.50}}],' +
      ' "model" : "local" , "temperature":0.70, "chat_template_kwargs":{"enable_thinking":false} }';
    const answer = await weir.post(body);
    expect(answer.status).toBe(200);
    const { last } = await sim.state('vllm');
    expect(last!.body).toBe(body.replace('"local"', '"qwen2.5-7b"'));
  });

  test('puts the model’s name into a request that has none', async () => {
    const body = '{"messages":[{"role":"user","content":"Say hello"}]}';
    await weir.post(body);
    expect((await sim.state('vllm')).last!.body).toBe(
      '{"model":"qwen2.5-7b","messages":[{"role":"user","content":"Say hello"}]}',
    );
  });

  test('gives back the backend’s own fields', async () => {
    const answer = await weir.post({ model: 'local', messages: hello });
    const json = (await answer.json()) as any;
    // vLLM's extension; the model's name is the caller's again
    expect(json.choices[0]).toHaveProperty('stop_reason', null);
    expect(json.model).toBe('local');
  });
});

describe('translation to the cloud', () => {
  test('names what has no counterpart there', async () => {
    const answer = await weir.post({
      model: 'cloud',
      messages: hello,
      seed: 7,
      logit_bias: { '5': 1 },
      presence_penalty: 0.5,
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-router-dropped')!.split(', ').sort()).toEqual([
      'logit_bias',
      'presence_penalty',
      'seed',
    ]);
  });

  test('fills max_tokens, keeps temperature, hoists the system prompt', async () => {
    await weir.post({
      model: 'claude-sonnet-4-6',
      temperature: 0.25,
      messages: [...hello, { role: 'system', content: 'Be terse.' }],
    });
    expect(await sim.lastBody('anthropic')).toEqual({
      model: 'claude-sonnet-4-6',
      max_tokens: 8192,
      system: [{ type: 'text', text: 'Be terse.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Say hello' }] }],
      temperature: 0.25,
    });
  });

  test('reasoning comes as reasoning_content, whole and streamed', async () => {
    const ask = {
      model: 'claude-opus-4-8',
      reasoning_effort: 'high' as const,
      max_completion_tokens: 4000,
      messages: hello,
    };
    const whole: any = await client.chat.completions.create(ask);
    expect(whole.choices[0].message.reasoning_content).toMatch(/\w/);
    expect(whole.choices[0].message.content).toMatch(/hello/i);
    expect(whole.usage.completion_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    let reasoning = '';
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
      reasoning += (chunk.choices[0]?.delta as any)?.reasoning_content ?? '';
    expect(reasoning).toBe(whole.choices[0].message.reasoning_content);
    expect(await sim.lastBody('anthropic')).toMatchObject({
      thinking: { type: 'adaptive', display: 'summarized' },
      output_config: { effort: 'high' },
    });
  });

  test('cached tokens are counted as part of the prompt', async () => {
    const messages = [
      {
        role: 'system' as const,
        content: [
          {
            type: 'text' as const,
            text: 'A long instruction. '.repeat(400),
            cache_control: { type: 'ephemeral' },
          },
        ],
      },
      ...hello,
    ];
    const first = await client.chat.completions.create({ model: 'cloud', messages } as any);
    const second = await client.chat.completions.create({ model: 'cloud', messages } as any);
    const written = (first.usage as any).prompt_tokens_details.cache_write_tokens;
    expect(written).toBeGreaterThan(100);
    expect(second.usage!.prompt_tokens_details!.cached_tokens).toBe(written);
    expect(second.usage!.prompt_tokens).toBe(first.usage!.prompt_tokens);
    const stream = await client.chat.completions.create({
      model: 'cloud',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    } as any);
    let usage: any;
    for await (const chunk of stream as any) usage = chunk.usage ?? usage;
    expect(usage.prompt_tokens_details.cached_tokens).toBe(written);
  });

  test('a refusal is a content_filter with its explanation', async () => {
    const messages = [{ role: 'user' as const, content: 'Say hello\n[[sim: refusal]]' }];
    const whole = await client.chat.completions.create({ model: 'cloud', messages });
    expect(whole.choices[0]!.finish_reason).toBe('content_filter');
    expect(whole.choices[0]!.message.refusal).toMatch(/\w/);
    let finish: string | null = null;
    let refusal = '';
    for await (const chunk of await client.chat.completions.create({
      model: 'cloud',
      messages,
      stream: true,
    })) {
      refusal += chunk.choices[0]?.delta.refusal ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(finish).toBe('content_filter');
    expect(refusal).toBe(whole.choices[0]!.message.refusal);
  });
});
