// Backends who mean no good, or have gone mad: heads, bodies, events and
// trailers without end, lies about lengths, and more answers than questions.
// docs/threat-model.md names these tests.
import type { Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, RawBackend } from './backend.ts';
import { hello, localState, sleep, Weir } from './harness.ts';

let weir: Weir;
let backend: RawBackend;

beforeAll(async () => {
  backend = await RawBackend.open();
  weir = await Weir.start({
    VLLM_BASE_URL: backend.url,
    LOCAL_MODEL: 'm',
    VLLM_API_KEY: 'sk-house',
    WEIR_WORKERS: '1',
    PROBE_INTERVAL: '100ms',
    PROBE_COLD_INTERVAL: '50ms',
    FIRST_BYTE_TIMEOUT: '3s',
    FIRST_TOKEN_TIMEOUT: '3s',
    IDLE_TIMEOUT: '2s',
    TOTAL_TIMEOUT: '8s',
    MAX_ANSWER_BYTES: '2MiB',
  });
});
afterAll(async () => {
  await weir?.stop();
  backend?.close();
});

const good = (text: string) => {
  const body = `{"choices":[{"index":0,"message":{"content":"${text}"},"finish_reason":"stop"}]}`;
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

async function ask(how: Answer, stream: boolean): Promise<{ status: number; text: string; ms: number }> {
  await localState(weir, 'warm');
  backend.answer = how;
  const start = Date.now();
  const response = await weir.post({ messages: hello, stream });
  return { status: response.status, text: await response.text(), ms: Date.now() - start };
}

/** Writes a piece again and again, as fast as it is taken. */
function flood(socket: Socket, first: string, piece: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece)) if (socket.writableLength > 1 << 20) break;
  };
  socket.write(first);
  socket.on('drain', more);
  more();
}

const head = (type: string) => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n`;
const kb = 'x'.repeat(1024);

test.each([
  ['a head without end', false, '502 upstream_bad_answer', (s: Socket) => flood(s, 'HTTP/1.1 200 OK\r\n', `X-A: ${kb}\r\n`)],
  ['a status line without end', false, '502 upstream_bad_answer', (s: Socket) => flood(s, 'HTTP/1.1 200 ', kb)],
  ['interim answers without end', false, '502 upstream_bad_answer', (s: Socket) => flood(s, '', 'HTTP/1.1 103 Early Hints\r\n\r\n')],
  ['a body without end', false, '502 upstream_bad_answer', (s: Socket) => flood(s, `${head('application/json')}\r\n`, kb)],
  ['an event without end', true, '502 upstream_bad_answer', (s: Socket) => flood(s, `${head('text/event-stream')}\r\ndata: `, kb)],
  ['comments without end', true, '504 upstream_timeout', (s: Socket) => flood(s, `${head('text/event-stream')}\r\n`, `: ${kb}\n\n`)],
  ['trailers without end', false, '502 upstream_bad_answer', (s: Socket) => flood(s, `${head('application/json')}Transfer-Encoding: chunked\r\n\r\n0\r\n`, `X-A: ${kb}\r\n`)],
  ['a length that is too long', false, '502 upstream_stream_truncated', (s: Socket) => s.end(good('x').replace(/Length: \d+/, 'Length: 9999'))],
  ['a length that is too short', false, '502 upstream_bad_answer', (s: Socket) => s.end(good('x').replace(/Length: \d+/, 'Length: 20'))],
  ['two lengths', false, '502 upstream_bad_answer', (s: Socket) => s.end(good('x').replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n'))],
  ['both lengths', false, '502 upstream_bad_answer', (s: Socket) => s.end(good('x').replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n'))],
  ['a chunk above 64 bits', false, '502 upstream_bad_answer', (s: Socket) => s.end(`${head('application/json')}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`)],
])('%s is given up, and nobody holds it', async (_what, stream, why, how) => {
  const before = rss();
  const { status, text, ms } = await ask(how, stream);
  expect(`${status} ${JSON.parse(text).error.code}`).toBe(why);
  expect(ms).toBeLessThan(10_000);
  if (!/asan|tsan/.test(process.env.WEIR_BIN ?? '')) expect(rss() - before).toBeLessThan(32 * 1024);
});

const rss = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${weir.pid}/status`, 'utf8'))![1]);

test('an answer that nobody asked for is nobody’s answer', async () => {
  for (const wait of [0, 30]) {
    const first = await ask((socket) => {
      socket.write(good('mine') + (wait === 0 ? good('smuggled') : ''));
      if (wait > 0) setTimeout(() => socket.write(good('smuggled')), wait);
    }, false);
    expect(first.text).toContain('mine');
    await sleep(2 * wait); // while nobody asks: then nobody can tell whose it is
    for (let i = 0; i < 5; i++) {
      const next = await ask((socket) => socket.write(good('yours')), false);
      expect(next.text).toContain('yours');
      expect(next.text).not.toContain('smuggled');
    }
  }
});

test('no header of a backend reaches the caller', async () => {
  await localState(weir, 'warm');
  const lines = 'X-Evil: 1\r\nSet-Cookie: a=b\r\nX-Router-Backend: cloud\r\nRequest-Id: a\tb';
  backend.answer = (socket) => socket.write(good('x').replace('\r\n\r\n', `\r\n${lines}\r\n\r\n`));
  const response = await weir.post({ messages: hello });
  await response.text();
  expect(response.headers.get('x-evil')).toBeNull();
  expect(response.headers.get('set-cookie')).toBeNull();
  expect(response.headers.get('x-router-backend')).toBe('local');
});

test('after all that the router is well', async () => {
  const { status, text } = await ask((socket) => socket.write(good('fine')), false);
  expect(status).toBe(200);
  expect(text).toContain('fine');
});
