// /v1/messages/count_tokens: by Anthropic, by vLLM, or by estimate; and it says
// which.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { hello, localState, Sim, Weir } from './harness.ts';
import { tool } from './speak.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, { PROBE_INTERVAL: '1h', PROBE_COLD_INTERVAL: '50ms', REST_TIME: '1ms' });
  await localState(weir, 'warm');
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const path = '/v1/messages/count_tokens';
const version = { 'anthropic-version': '2023-06-01' };

async function count(router: Weir, body: object, headers: Record<string, string> = {}, query = '') {
  const answer = await router.post(body, { ...version, ...headers }, path + query);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  const parsed = JSON.parse(text);
  expect(Object.keys(parsed)).toEqual(['input_tokens']);
  return { tokens: parsed.input_tokens as number, by: answer.headers.get('x-router-token-count'), answer };
}

const wanted = async (router: Weir) => {
  const text = await (await fetch(`${router.url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith('weir_local_wanted_total'));
};

const agents = {
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  tools: [tool('get_weather', 'city').messages],
  messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
};

test('Anthropic counts what is for it, in its own words', async () => {
  const before = await wanted(weir);
  const body = { model: 'cloud', ...agents };
  const { tokens, by, answer } = await count(weir, body, { 'anthropic-beta': 'some-2026-01-01' }, '?beta=true');
  expect(by).toBe('count_tokens');
  expect([answer.headers.get('x-router-backend'), answer.headers.get('x-router-model')]).toEqual(['cloud', 'claude-sonnet-4-6']);
  const { last } = await sim.state('anthropic');
  expect(last!.path).toBe('/v1/messages/count_tokens?beta=true');
  expect(last!.headers['anthropic-beta']).toBe('some-2026-01-01');
  expect(JSON.parse(last!.body)).toEqual({ ...body, model: 'claude-sonnet-4-6' });
  const direct = await fetch(`${sim.anthropic}${path}`, {
    method: 'POST',
    headers: { ...version, 'x-api-key': 'k', 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, model: 'claude-sonnet-4-6' }),
  });
  expect(await direct.json()).toEqual({ input_tokens: tokens });
  expect(await wanted(weir)).toEqual(before);
});

test('vLLM counts what is for it: as many tokens as the answer says then', async () => {
  const before = await wanted(weir);
  const { tokens, by } = await count(weir, { model: 'local', ...agents });
  expect(by).toBe('tokenize');
  expect((await sim.state('vllm')).last!.path).toBe('/tokenize');
  expect(await wanted(weir)).toEqual(before);
  const answer = await weir.post({ model: 'local', max_tokens: 50, ...agents }, version, '/v1/messages');
  const { usage } = (await answer.json()) as any;
  expect(tokens).toBe(usage.input_tokens + usage.cache_read_input_tokens);
});

test('there is no stream of a count, whatever is asked for and answered', async () => {
  for (const [model, by] of [['cloud', 'count_tokens'], ['local', 'tokenize']] as const) {
    const answer = await weir.post({ model, messages: hello, stream: true }, version, path);
    const text = await answer.text();
    // Anthropic takes no such member
    if (by === 'count_tokens') expect([answer.status, JSON.parse(text).type]).toEqual([400, 'error']);
    else expect([answer.status, answer.headers.get('x-router-token-count')], text).toEqual([200, by]);
  }
  const backend = await RawBackend.open();
  backend.answer = (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {"count":1}\n\n');
  const router = await Weir.start({ VLLM_BASE_URL: backend.url, LOCAL_MODEL: 'm' });
  try {
    await localState(router, 'warm');
    expect((await count(router, { model: 'local', messages: hello, stream: true })).by).toBe('estimate');
  } finally {
    await router.stop();
    backend.close();
  }
});

test('an empty list of tools is none', async () => {
  for (const [model, by] of [['cloud', 'count_tokens'], ['local', 'tokenize']])
    expect((await count(weir, { model, messages: hello, tools: [] })).by).toBe(by);
});

test('while the local model is cold an estimate answers, and wakes nobody', async () => {
  const before = await wanted(weir);
  await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
  try {
    for (let i = 0; i < 3; i++) {
      const { tokens, by, answer } = await count(weir, { model: 'local', ...agents });
      expect(by).toBe('estimate');
      expect(tokens).toBeGreaterThan(5);
      expect(answer.headers.get('x-router-reason')).toBeNull();
    }
    await localState(weir, 'cold');
    expect((await count(weir, { model: 'local', ...agents }, { 'x-router-policy': 'local-only' })).by).toBe('estimate');
  } finally {
    await sim.fault('vllm', null);
  }
  await localState(weir, 'warm');
  expect(await wanted(weir)).toEqual(before);
});

test('when Anthropic is overloaded an estimate answers', async () => {
  await sim.fault('anthropic', { fault: 'status=529', count: 1 });
  expect((await count(weir, { model: 'cloud', ...agents })).by).toBe('estimate');
  await sim.fault('anthropic', null);
});

test('a server without /tokenize cannot count: an estimate answers', async () => {
  const backend = await RawBackend.open();
  let asked = '';
  backend.answer = (socket, request) => {
    asked = request.split('\r\n')[0]!;
    const body = '{"detail":"Not Found"}';
    socket.write(`HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
  const router = await Weir.start({ VLLM_BASE_URL: backend.url, LOCAL_MODEL: 'm' });
  try {
    await localState(router, 'warm');
    const { by, tokens } = await count(router, { model: 'local', ...agents });
    expect([asked, by]).toEqual(['POST /tokenize HTTP/1.1', 'estimate']);
    expect(tokens).toBeGreaterThan(5);
  } finally {
    await router.stop();
    backend.close();
  }
});

test('what is wrong with a request is said, not estimated', async () => {
  for (const body of [{ model: 'local' }, { model: 'local', messages: 'x' }, { model: 'cloud', messages: [] }]) {
    const answer = await weir.post(body, version, path);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as any).error.type).toBe('invalid_request_error');
  }
  const refused = await weir.post({ model: 'cloud', messages: [{ role: 'assistant', content: 'x' }] }, version, path);
  expect(refused.status).toBe(400);
});
