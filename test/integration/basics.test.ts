import { afterAll, beforeAll, expect, test } from 'vitest';
import { hello, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim);
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

test('health says that the process is alive', async () => {
  const answer = await fetch(`${weir.url}/health`);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: 'ok' });
  expect((await fetch(`${weir.url}/ready`)).status).toBe(200);
});

test('HEAD gets the head alone', async () => {
  const answer = await fetch(`${weir.url}/health`, { method: 'HEAD' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-length')).toBe('15');
  expect(await answer.text()).toBe('');
});

test('the SDK lists every name that a caller may use', async () => {
  const ids: string[] = [];
  for await (const model of weir.openai().models.list()) ids.push(model.id);
  expect(ids.slice(0, 5)).toEqual(['auto', 'local', 'cloud', 'claude', 'qwen2.5-7b']);
  expect(ids).toContain('claude-sonnet-4-6');
  expect(ids).toContain('claude-haiku-4-5');
  expect(new Set(ids).size).toBe(ids.length);
});

test('one model can be looked up, also by an escaped name', async () => {
  const model = await weir.openai().models.retrieve('qwen2.5-7b');
  expect(model).toMatchObject({ id: 'qwen2.5-7b', object: 'model', owned_by: 'vllm' });
  const escaped = await fetch(`${weir.url}/v1/models/claude%2Dopus%2D4%2D8`);
  expect(await escaped.json()).toMatchObject({ id: 'claude-opus-4-8', owned_by: 'anthropic' });
  const missing = await fetch(`${weir.url}/v1/models/gpt-4o`);
  expect(missing.status).toBe(404);
  expect(await missing.json()).toMatchObject({
    error: { type: 'invalid_request_error', code: 'model_not_found' },
  });
});

test('a card tells what the model takes', async () => {
  const card = async (id: string) =>
    (await (await fetch(`${weir.url}/v1/models/${id}`)).json()) as any;
  expect(await card('qwen2.5-7b')).toMatchObject({
    backend: 'local',
    serves: ['chat', 'completions'],
    capabilities: { images: true, tools: true, structured_output: true, thinking: true },
  });
  expect(await card('qwen2.5-7b')).not.toHaveProperty('context_window');
  for (const id of ['claude-haiku-4-5', 'claude-sonnet-4-6', 'cloud'])
    expect(await card(id)).toMatchObject({
      backend: 'cloud',
      context_window: id === 'claude-haiku-4-5' ? 200_000 : 1_000_000,
      max_output_tokens: expect.any(Number),
    });
  expect(await card('auto')).toEqual({
    id: 'auto',
    object: 'model',
    created: 1790000000,
    owned_by: 'weir',
  });
});

test('a caller of Anthropic’s gets the models in its shape', async () => {
  const get = (path: string) =>
    fetch(weir.url + path, { headers: { 'anthropic-version': '2023-06-01', 'x-api-key': 'any' } });
  const list = (await (await get('/v1/models?limit=1000')).json()) as any;
  const ids = list.data.map((card: any) => card.id);
  expect(ids).toEqual(expect.arrayContaining(['auto', 'local', 'qwen2.5-7b', 'claude-haiku-4-5']));
  expect(Object.keys(list)).toEqual(['data', 'has_more', 'first_id', 'last_id']);
  expect(list).toMatchObject({ has_more: false, first_id: 'auto', last_id: ids.at(-1) });
  expect(list.data.find((card: any) => card.id === 'claude-haiku-4-5')).toEqual({
    type: 'model',
    id: 'claude-haiku-4-5',
    display_name: 'claude-haiku-4-5',
    created_at: new Date(1790000000_000).toISOString().replace('.000', ''),
    max_input_tokens: 200_000,
    max_tokens: 64_000,
  });
  expect(await (await get('/v1/models/qwen2.5-7b')).json()).toMatchObject({
    type: 'model',
    id: 'qwen2.5-7b',
    max_input_tokens: null,
    max_tokens: null,
  });
  const missing = await get('/v1/models/claude-none');
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({
    type: 'error',
    error: { type: 'not_found_error', message: 'The model "claude-none" does not exist.' },
  });
});

test('an unknown path and a wrong method are refused in OpenAI’s shape', async () => {
  const path = await fetch(`${weir.url}/v2/nothing`);
  expect(path.status).toBe(404);
  expect(await path.json()).toMatchObject({
    error: { message: expect.stringContaining('GET /v2/nothing'), code: 'unknown_url' },
  });
  const method = await fetch(`${weir.url}/v1/chat/completions`);
  expect(method.status).toBe(405);
  expect(await method.json()).toMatchObject({
    error: { message: expect.stringContaining('POST'), code: 'method_not_allowed' },
  });
});

test('a request id of the caller comes back, a missing one is made', async () => {
  const own = await weir.post({ model: 'local', messages: hello }, { 'x-request-id': 'my-id-1' });
  expect(own.headers.get('x-request-id')).toBe('my-id-1');
  const made = await weir.post({ model: 'local', messages: hello });
  expect(made.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  const hostile = await weir.post(
    { model: 'local', messages: hello },
    { 'x-request-id': 'a'.repeat(200) },
  );
  expect(hostile.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
});

test('a trace goes on, through the router and to the local backend only', async () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = `00-${trace}-00f067aa0ba902b7-01`;
  const answer = await weir.post({ model: 'local', messages: hello }, { traceparent: parent });
  expect(answer.headers.get('traceparent')).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  expect(answer.headers.get('traceparent')).not.toBe(parent);
  const local = await sim.state('vllm');
  // the same trace, under the try's own span
  expect(local.last!.headers.traceparent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  expect(local.last!.headers.traceparent).not.toBe(answer.headers.get('traceparent'));
  await weir.post({ model: 'cloud', messages: hello }, { traceparent: parent });
  const cloud = await sim.state('anthropic');
  expect(cloud.last!.headers.traceparent).toBeUndefined();
});

test('no header of the caller reaches a backend', async () => {
  await weir.post(
    { model: 'cloud', messages: hello },
    { authorization: 'Bearer sk-caller-secret', cookie: 'a=b', 'x-stainless-lang': 'js' },
  );
  const { last } = await sim.state('anthropic');
  expect(last!.headers['x-api-key']).toBe('present');
  expect(Object.keys(last!.headers)).not.toContain('authorization');
  expect(Object.keys(last!.headers)).not.toContain('cookie');
  expect(Object.keys(last!.headers)).not.toContain('x-stainless-lang');
  expect(last!.headers['anthropic-version']).toBe('2023-06-01');
});

test('every chat is one line in the log, without prompts and keys', async () => {
  const answer = await weir.post(
    { model: 'cloud', messages: [{ role: 'user', content: 'Say the word xylophone' }] },
    { authorization: 'Bearer sk-caller-secret' },
  );
  const line = await weir.logged(answer.headers.get('x-request-id')!);
  expect(line).toMatchObject({
    level: 'info',
    msg: 'request',
    caller: '127.0.0.1',
    method: 'POST',
    path: '/v1/chat/completions',
    status: 200,
    model: 'cloud',
    backend: 'cloud',
    target: 'anthropic',
    served: 'claude-sonnet-4-6',
    reason: 'explicit',
    stream: false,
    tries: 1,
    finish: 'stop',
  });
  expect(line.tokens_in).toBeGreaterThan(0);
  expect(line.tokens_out).toBeGreaterThan(0);
  expect(line.total_ms).toBeGreaterThan(0);
  const all = weir.log.join('\n');
  expect(all).not.toContain('xylophone');
  expect(all).not.toContain('sk-test');
  expect(all).not.toContain('sk-caller-secret');
});

test('the counters count', async () => {
  const name = 'weir_requests_total{tier="local",outcome="ok"}';
  const wanted = 'weir_local_wanted_total{served="local"}';
  const before = [await weir.metric(name), await weir.metric(wanted)];
  for (let i = 0; i < 3; i++) await (await weir.post({ model: 'local', messages: hello })).text();
  expect([await weir.metric(name), await weir.metric(wanted)]).toEqual([
    before[0]! + 3,
    before[1]! + 3,
  ]);
});
