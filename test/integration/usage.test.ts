// Streams that pass unchanged: the router knows their usage, and only callers
// who have asked see it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { count, useStage } from './clients.ts';
import { Weir } from './harness.ts';

const stage = useStage();
const messages = [{ role: 'user', content: count }];

interface Chunk {
  choices: unknown[];
  usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}

function chunksOf(text: string): Chunk[] {
  expect(text.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
  return text
    .split('\n\n')
    .slice(0, -2)
    .map((frame) => JSON.parse(frame.slice('data: '.length)));
}

async function stream(body: string | object, path = '/v1/chat/completions', weir = stage.weir) {
  const answer = await weir.post(body, {}, path);
  expect(answer.status).toBe(200);
  const chunks = chunksOf(await answer.text());
  return { chunks, logged: await weir.logged(answer.headers.get('x-request-id')!) };
}

const asked = { include_usage: true };
const paths = [
  ['/v1/chat/completions', { messages }],
  ['/v1/completions', { prompt: count, max_tokens: 100 }],
] as const;

describe.each(paths)('%s', (path, what) => {
  const body = { model: 'local', ...what, stream: true };

  test('who has not asked sees no usage, and the log knows it', async () => {
    const { chunks, logged } = await stream(body, path);
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    expect(chunks.every((chunk) => chunk.choices.length === 1)).toBe(true);
    expect(logged.tokens_in).toBeGreaterThan(0);
    expect(logged.tokens_out).toBeGreaterThan(4);
    expect(await stage.sim.lastBody('vllm')).toEqual({ ...body, model: 'qwen2.5-7b', stream_options: asked });
  });

  test('who has asked sees exactly one', async () => {
    const { chunks, logged } = await stream({ ...body, stream_options: asked }, path);
    const usages = chunks.filter((chunk) => chunk.usage);
    expect(usages).toEqual([chunks.at(-1)]);
    expect(usages[0]!.choices).toEqual([]);
    expect(usages[0]!.usage!.prompt_tokens).toBe(logged.tokens_in);
    expect(usages[0]!.usage!.completion_tokens).toBe(logged.tokens_out);
  });

  test('usage on each chunk is for who asks for both', async () => {
    const both = { continuous_usage_stats: true, include_usage: true };
    const continuous = await stream({ ...body, stream_options: both }, path);
    expect(continuous.chunks.every((chunk) => chunk.usage!.prompt_tokens > 0)).toBe(true);
    expect(continuous.chunks.at(-1)!.choices).toEqual([]);
    const half = await stream({ ...body, stream_options: { ...both, include_usage: false } }, path);
    expect(await stage.sim.lastBody('vllm')).toMatchObject({ stream_options: both });
    expect(half.chunks.every((chunk) => !('usage' in chunk) && chunk.choices.length === 1)).toBe(true);
    expect(half.logged).toMatchObject({
      tokens_in: continuous.logged.tokens_in,
      tokens_out: continuous.logged.tokens_out,
    });
  });

  test('an answer in one piece is asked for as it was', async () => {
    const answer = await stage.weir.post({ ...body, stream: false }, {}, path);
    expect(await answer.json()).toMatchObject({ usage: { prompt_tokens: expect.any(Number) } });
    expect(await stage.sim.lastBody('vllm')).not.toHaveProperty('stream_options');
  });
});

test('every other byte of the request stays', async () => {
  const text = `{ "stream_options" : {"include_usage": null ,"x":1.50} ,"messages":${JSON.stringify(messages)},
  "model" : "local","stream":true,"seed": 1e1 }`;
  await stream(text);
  const { last } = await stage.sim.state('vllm');
  expect(last!.body).toBe(text.replace('null', 'true').replace('"local"', '"qwen2.5-7b"'));
});

describe('a server that refuses stream_options', () => {
  const bodies: Record<string, unknown>[] = [];
  let backend: RawBackend;
  let weir: Weir;

  beforeAll(async () => {
    backend = await RawBackend.open();
    backend.answer = (socket, request) => {
      const body = JSON.parse(request.slice(request.indexOf('\r\n\r\n')));
      bodies.push(body);
      if ('stream_options' in body) {
        const refusal = '{"error":{"message":"extra fields not permitted","type":"invalid_request_error"}}';
        socket.write(`HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${refusal.length}\r\n\r\n${refusal}`);
        return;
      }
      const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'old' };
      const frames = [
        { ...chunk, choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }] },
        { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 1 } },
      ];
      const text = frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('') + 'data: [DONE]\n\n';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    };
    weir = await Weir.configured(`backends:
  - { name: old, tier: local, url: ${backend.url}, health_path: none, stream_usage: false, models: [{ name: old }] }
  - { name: same, tier: local, url: ${backend.url}, health_path: none, models: [{ name: asked }] }
`);
  });
  afterAll(async () => {
    await weir?.stop();
    backend?.close();
  });

  test('is not asked where stream_usage is false, and its own usage passes', async () => {
    const { chunks, logged } = await stream({ model: 'old', messages, stream: true }, undefined, weir);
    expect(chunks.map((chunk) => chunk.usage)).toEqual([undefined, { prompt_tokens: 3, completion_tokens: 1 }]);
    expect(logged).toMatchObject({ tokens_in: 3, tokens_out: 1 });
    expect(bodies.at(-1)).not.toHaveProperty('stream_options');
  });

  test('nor where another format is translated', async () => {
    const answer = await weir.post({ model: 'old', messages, stream: true, max_tokens: 9 }, {}, '/v1/messages');
    expect(await answer.text()).toContain('"text":"Hi"');
    expect(bodies.at(-1)).not.toHaveProperty('stream_options');
  });

  test('and by default its refusal is what the caller gets', async () => {
    const answer = await weir.post({ model: 'asked', messages, stream: true });
    expect(answer.status).toBe(400);
    expect(bodies.at(-1)).toMatchObject({ stream_options: asked });
  });
});
