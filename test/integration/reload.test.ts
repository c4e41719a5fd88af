import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { chatRequest, eventually, hello, Raw, Sim, sleep, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;
let dir: string;
let file: string;

const backend = (name: string, url: string, model: string, more = '') =>
  `  - { name: ${name}, tier: local, url: '${url}', models: [{ name: ${model}, upstream: qwen2.5-7b }]${more} }\n`;
const cloud = () =>
  `  - { name: anthropic, tier: cloud, url: '${sim.anthropic}', api_key: sk-test, default_model: claude-sonnet-4-6 }\n`;
const write = (text: string) => writeFileSync(file, text);
const both = () => `backends:\n${backend('vllm', sim.vllm, 'one')}${cloud()}`;
/** The router's connections to the stand-in; one more is the question's own. */
const connections = async (to: Sim) => (await to.state('vllm')).connections - 1;
const descriptors = () => readdirSync(`/proc/${weir.pid}/fd`).length;

beforeAll(async () => {
  sim = await Sim.start();
});
afterAll(async () => {
  await sim?.stop();
});
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weir-reload-'));
  file = join(dir, 'weir.yaml');
  write(both());
  weir = await Weir.start({ WEIR_WORKERS: '2', PROBE_COLD_INTERVAL: '100ms' }, '--config', file);
});
afterEach(async () => {
  await weir?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('a model that was added is served, one that was taken out is not', async () => {
  expect((await weir.post({ model: 'two', messages: hello })).status).toBe(404);
  write(`backends:\n${backend('vllm', sim.vllm, 'two')}${cloud()}`);
  await weir.reload();
  expect((await weir.post({ model: 'two', messages: hello })).status).toBe(200);
  expect((await weir.post({ model: 'one', messages: hello })).status).toBe(404);
  const models = (await (await fetch(`${weir.url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map((m) => m.id)).toContain('two');
});

test('a threshold that was changed decides the next request', async () => {
  const reason = async () =>
    (await weir.post({ messages: hello })).headers.get('x-router-reason');
  expect(await reason()).toBe('rule:short');
  write(`${both()}routing: { local_tokens: 0 }\n`);
  await weir.reload();
  for (let i = 0; i < 4; i++) expect(await reason()).toBe('rule:long-prompt');
});

test('the bound on connections that was changed holds for the next caller', async () => {
  write(`${both()}limits: { connections: 1 }\n`);
  await weir.reload();
  const first = await eventually('it is the only one', async () => {
    const raw = await Raw.open(weir.port);
    raw.send('GET /health HTTP/1.1\r\nHost: t\r\n\r\n');
    if ((await raw.answer()).status === 200) return raw;
    raw.close();
    return undefined;
  });
  const second = await Raw.open(weir.port);
  expect((await second.answer()).status).toBe(503);
  first.close();
  second.close();
});

test('a bad file is refused with file and line, and the old one stays', async () => {
  write(`${both()}routing: { local_tokens: many }\n`);
  const said = (await weir.reload()).join('\n');
  expect(said).toContain('weir.yaml:4: routing.local_tokens: read \\"many\\"');
  expect((await weir.post({ model: 'one', messages: hello })).status).toBe(200);
  write('backends: [');
  expect((await weir.reload()).join('\n')).toMatch(/weir\.yaml:\d+: .*not valid YAML/);
  rmSync(file);
  expect((await weir.reload()).join('\n')).toContain('cannot be read');
  expect((await weir.post({ model: 'one', messages: hello })).status).toBe(200);
  write('log: { level: info }\n');
  expect((await weir.reload()).join('\n')).toContain('no backend');
  expect((await weir.post({ model: 'one', messages: hello })).status).toBe(200);
});

test('what stays until a restart is said', async () => {
  write(`${both()}workers: 7\n`);
  // the environment wins over the file: nothing has changed
  expect((await weir.reload()).join('\n')).not.toContain('until a restart');
  await weir.stop();
  write(both());
  weir = await Weir.start({}, '--config', file);
  write(`${both()}workers: 7\n`);
  expect((await weir.reload()).join('\n')).toContain('workers stays');
});

test('a stream in flight over a reload ends whole, even of a backend that is gone', async () => {
  const slow = await Sim.start('--tokens-per-second', '20');
  write(`backends:\n${backend('slow', slow.vllm, 'slow')}${cloud()}`);
  await weir.reload();
  const raw = await Raw.open(weir.port);
  const messages = [{ role: 'user', content: 'Count from 1 to 12' }];
  raw.send(chatRequest({ model: 'slow', stream: true, messages }));
  await eventually('the stream has begun', () => raw.received.includes('"content"'));
  write(`backends:\n${cloud()}`);
  await weir.reload();
  expect(raw.received).not.toContain('[DONE]');
  expect((await weir.post({ model: 'slow', messages })).status).toBe(404);
  await eventually('the stream has ended', () => raw.received.includes('[DONE]'));
  expect(raw.received).toMatch(/12/);
  // its connection does not wait for anybody
  await eventually('no connection is left', async () => (await connections(slow)) === 0);
  raw.close();
  await slow.stop();
});

test('idle connections of a backend that is gone are closed, of one that stays are kept', async () => {
  const other = await Sim.start();
  write(`backends:\n${backend('vllm', sim.vllm, 'one')}${backend('other', other.vllm, 'two')}${cloud()}`);
  await weir.reload();
  for (const model of ['one', 'two'])
    expect((await weir.post({ model, messages: hello })).status).toBe(200);
  expect(await connections(other)).toBeGreaterThan(0);
  const kept = await connections(sim);
  write(both());
  await weir.reload();
  await eventually('they are closed', async () => (await connections(other)) === 0);
  expect(await connections(sim)).toBe(kept);
  await other.stop();
});

test('a backend that stays keeps its health, and the prober follows', async () => {
  const state = async (s: string) =>
    (await weir.metric(`weir_backend_state{backend="vllm",replica="0",state="${s}"}`)) === 1;
  const other = await Sim.start();
  write(`backends:\n${backend('vllm', other.vllm, 'one')}${cloud()}`);
  await weir.reload();
  await eventually('it is warm', () => state('warm'));
  await other.fault('vllm', { fault: 'refuse' });
  await eventually('it is cold', async () => {
    await weir.post({ model: 'one', messages: hello });
    return state('cold');
  });
  write(`backends:\n${backend('vllm', other.vllm, 'one')}${cloud()}limits: { pool: 7 }\n`);
  await weir.reload();
  expect(await state('cold')).toBe(true);
  await other.fault('vllm', null);
  await eventually('it is warm again', () => state('warm'));
  await other.stop();
});

test('a held request of before the reload hears when its backend is back', async () => {
  const other = await Sim.start();
  await other.fault('vllm', { fault: 'refuse' });
  write(`backends:\n${backend('vllm', other.vllm, 'one')}timeouts: { hold: 20s }\n`);
  await weir.reload();
  const held = weir.post({ model: 'one', messages: hello });
  await eventually('it is cold', async () =>
    (await weir.metric('weir_backend_state{backend="vllm",replica="0",state="cold"}')) === 1);
  await sleep(200);
  await weir.reload();
  await other.fault('vllm', null);
  expect((await held).status).toBe(200);
  await other.stop();
});

test('a body that comes during a reload is read by the limits it began with', async () => {
  const raw = await Raw.open(weir.port);
  const text = JSON.stringify({ model: 'one', messages: [{ role: 'user', content: 'a'.repeat(9000) }] });
  raw.send(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n' +
      `Transfer-Encoding: chunked\r\n\r\n1388\r\n${text.slice(0, 5000)}\r\n`,
  );
  await sleep(100); // it has been read
  write(`${both()}limits: { body: 2000 }\n`);
  await weir.reload();
  raw.send(`${(text.length - 5000).toString(16)}\r\n${text.slice(5000)}\r\n0\r\n\r\n`);
  expect((await raw.answer()).status).toBe(200);
  raw.send(chatRequest(JSON.parse(text)));
  expect((await raw.answer()).status).toBe(413);
  raw.close();
});

test('twenty reloads under load lose no request and leak no descriptor', async () => {
  const client = async () => {
    let count = 0;
    while (!done) {
      const answer = await weir.post({ model: 'one', stream: count % 2 === 0, messages: hello });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toMatch(/hello/i);
      count++;
    }
    return count;
  };
  let done = false;
  await weir.post({ model: 'one', messages: hello });
  const clients = Array.from({ length: 8 }, client);
  await weir.reload();
  const before = descriptors();
  for (let i = 0; i < 20; i++) {
    write(`${i % 3 === 0 ? `backends:\n${backend('vllm', sim.vllm, 'one', ', default_model: one')}` : both()}limits: { pool: ${8 + i} }\n`);
    await weir.reload();
  }
  done = true;
  const counts = await Promise.all(clients);
  expect(counts.every((n) => n > 0)).toBe(true);
  expect(descriptors()).toBeLessThanOrEqual(before + 16);
  expect(weir.log.filter((l) => l.includes('"configuration reloaded"')).length).toBe(21);
});
