import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatRequest, eventually, hello, Raw, Sim, sleep, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, { WEIR_WORKERS: '1' });
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const ask = (word: string) => [{ role: 'user', content: `Respond with the word ${word}` }];
const contentOf = (body: string) => JSON.parse(body).choices[0].message.content;

test('a connection serves one request after the other', async () => {
  const raw = await Raw.open(weir.port);
  for (const word of ['apple', 'banana', 'cherry']) {
    raw.send(chatRequest({ model: 'local', messages: ask(word) }));
    const answer = await raw.answer();
    expect(answer.headers.connection).toBeUndefined();
    expect(contentOf(answer.body)).toContain(word);
  }
  raw.close();
});

test('pipelined requests are answered in their order', async () => {
  const raw = await Raw.open(weir.port);
  const words = ['apple', 'banana', 'cherry', 'date', 'elder'];
  raw.send(
    words.map((w, i) => chatRequest({ model: i % 2 ? 'cloud' : 'local', messages: ask(w) })).join(''),
  );
  for (const word of words) expect(contentOf((await raw.answer()).body)).toContain(word);
  raw.close();
});

test('a hundred pipelined small requests are all answered', async () => {
  const raw = await Raw.open(weir.port);
  raw.send('GET /health HTTP/1.1\r\nHost: t\r\n\r\n'.repeat(100));
  for (let i = 0; i < 100; i++) expect((await raw.answer()).body).toBe('{"status":"ok"}');
  raw.close();
});

test('a request may come byte by byte', async () => {
  const raw = await Raw.open(weir.port);
  for (const byte of chatRequest({ model: 'local', messages: ask('apple') })) {
    raw.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(contentOf((await raw.answer()).body)).toContain('apple');
  raw.close();
});

test('a chunked body is as good as a sized one', async () => {
  const text = JSON.stringify({ model: 'local', messages: ask('apple') });
  const raw = await Raw.open(weir.port);
  raw.send(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  for (let i = 0; i < text.length; i += 7) {
    const piece = text.slice(i, i + 7);
    raw.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  }
  raw.send('0\r\n\r\n');
  expect(contentOf((await raw.answer()).body)).toContain('apple');
  raw.close();
});

test('100-continue is met, and anything else refused', async () => {
  const text = JSON.stringify({ model: 'local', messages: ask('apple') });
  const headers = (expectation: string, length: number) =>
    `POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nExpect: ${expectation}\r\nContent-Length: ${length}\r\n\r\n`;
  const raw = await Raw.open(weir.port);
  raw.send(headers('100-continue', text.length));
  const go = await raw.answer();
  expect(go.status).toBe(100);
  raw.send(text);
  expect(contentOf((await raw.answer()).body)).toContain('apple');
  raw.send(headers('200-ok', text.length));
  expect((await raw.answer()).status).toBe(417);
  await raw.whenClosed();
  // a body that is too large is refused before it is sent
  const large = await Raw.open(weir.port);
  large.send(headers('100-continue', 40 * 1024 * 1024));
  expect((await large.answer()).status).toBe(413);
});

test('HTTP/1.0 gets an answer without chunks, and an end', async () => {
  const text = JSON.stringify({ model: 'local', stream: true, messages: hello });
  const raw = await Raw.open(weir.port);
  raw.send(
    `POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  await raw.whenClosed();
  expect(raw.received).toContain('Connection: close\r\n');
  expect(raw.received).not.toContain('chunked');
  expect(raw.received.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
});

test('Connection: close is honoured', async () => {
  const raw = await Raw.open(weir.port);
  raw.send('GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n');
  const answer = await raw.answer();
  expect(answer.headers.connection).toBe('close');
  await raw.whenClosed();
});

test('an offer to upgrade is not taken, and the request served', async () => {
  const raw = await Raw.open(weir.port);
  raw.send(
    'GET /health HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  );
  expect((await raw.answer()).body).toBe('{"status":"ok"}');
  raw.close();
});

test('connections to a backend are used again', async () => {
  const before = (await sim.state('vllm')).connections;
  for (let i = 0; i < 20; i++) await (await weir.post({ model: 'local', messages: hello })).text();
  const after = (await sim.state('vllm')).connections;
  expect(after - before).toBeLessThanOrEqual(1);
});

test('a slow reader slows the backend and costs no memory', async () => {
  const fs = await import('node:fs');
  const rss = () =>
    Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${weir.pid}/status`, 'utf8'))![1]);
  const words = 'word '.repeat(20_000);
  const before = rss();
  const raws = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const raw = await Raw.open(weir.port);
      raw.socket.pause();
      raw.send(
        chatRequest({
          model: 'cloud',
          stream: true,
          max_tokens: 30_000,
          messages: [{ role: 'user', content: `Repeat after me: ${words}\n[[sim: tokens=30000]]` }],
        }),
      );
      return raw;
    }),
  );
  await sleep(1500);
  // 20 answers of several megabytes each, of which nothing is read
  const grown = rss() - before;
  if (!process.env.WEIR_BIN?.match(/asan|tsan/)) expect(grown).toBeLessThan(60_000);
  for (const raw of raws) raw.socket.resume();
  await eventually(
    'all have come to their end',
    () => raws.every((raw) => raw.received.includes('[DONE]')),
    30_000,
  );
  for (const raw of raws) raw.close();
});

test('an answer to HEAD has no body, whatever it says', async () => {
  const raw = await Raw.open(weir.port);
  for (const path of ['/nope', '/v1/models/nope', '/v1/chat/completions', '/health', '/metrics'])
    raw.send(`HEAD ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  raw.send('GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  await raw.whenClosed();
  const statuses = [...raw.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => Number(m[1]));
  expect(statuses).toEqual([404, 404, 405, 200, 200, 200]);
  expect(raw.received.split('{').length - 1).toBe(1);
});

test('trailers of a request are dropped, and the next request is served', async () => {
  const raw = await Raw.open(weir.port);
  const body = JSON.stringify({ model: 'local', messages: ask('apple') });
  raw.send(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n' +
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n` +
      `X-Router-Policy: cloud-only\r\nX-Long: ${'y'.repeat(20_000)}\r\n\r\n`,
  );
  const answer = await raw.answer();
  expect(answer.headers['x-router-backend']).toBe('local');
  expect(contentOf(answer.body)).toContain('apple');
  raw.send(chatRequest({ model: 'local', messages: ask('banana') }));
  expect(contentOf((await raw.answer()).body)).toContain('banana');
  raw.close();
});

test('who asks without reading costs little', async () => {
  const raw = await Raw.open(weir.port);
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${weir.pid}/status`, 'utf8'))![1]);
  raw.socket.pause();
  const before = rss();
  const asks = 'GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n'.repeat(5000);
  for (let i = 0; i < 10; i++) raw.send(asks);
  await sleep(500);
  expect(rss() - before).toBeLessThan(32 * 1024);
  raw.close();
});
