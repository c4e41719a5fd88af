/** Backends that lie: whatever they send, the caller gets a whole answer from
 * the next one, and never an empty success. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { hello, localState, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;
let backend: RawBackend;

beforeAll(async () => {
  backend = await RawBackend.open();
  sim = await Sim.start();
  weir = await Weir.between(sim, {
    VLLM_BASE_URL: backend.url,
    REST_TIME: '50ms',
    PROBE_INTERVAL: '100ms',
    PROBE_COLD_INTERVAL: '50ms',
  });
});
afterEach(() => {
  backend.cut();
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
  backend?.close();
});

const whole = (body: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const events = (...data: string[]) => {
  const body = data.map((d) => `data: ${d}\n\n`).join('');
  return `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};
const role = '{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}';

/** What the caller sees: who answered, why, and what was said. */
async function ask(stream: boolean): Promise<[string, string, string]> {
  await localState(weir, 'warm');
  const response = await weir.post({ model: 'auto', messages: hello, stream });
  const body = await response.text();
  const said = stream
    ? [...body.matchAll(/^data: (\{.*)$/gm)]
        .map((m) => JSON.parse(m[1]!).choices?.[0]?.delta?.content ?? '')
        .join('')
    : (JSON.parse(body).choices?.[0]?.message?.content ?? body);
  return [
    response.headers.get('x-router-backend')!,
    response.headers.get('x-router-reason')!,
    said,
  ];
}

test.each([
  ['no choices', '{"choices":[]}'],
  ['an empty choice', '{"choices":[{}]}'],
  ['no message', '{"choices":[{"index":0,"message":null,"finish_reason":null}]}'],
  ['an error in a 200', '{"error":{"message":"no"}}'],
  ['a list', '[]'],
  ['nothing', ''],
  ['a page', '<html></html>'],
])('a 200 with %s is no answer', async (_what, body) => {
  backend.answer = (socket) => socket.write(whole(body));
  expect(await ask(false)).toEqual(['cloud', 'fallback:bad_answer', expect.stringMatching(/hello/i)]);
});

test.each([
  ['the last word alone', events('[DONE]')],
  ['no choices', events('{"choices":[]}', '[DONE]')],
  ['a role and no more', events(role, '[DONE]')],
])('a stream with %s is no answer', async (_what, bytes) => {
  backend.answer = (socket) => socket.write(bytes);
  expect(await ask(true)).toEqual(['cloud', 'fallback:bad_answer', expect.stringMatching(/hello/i)]);
});

test('a model that has nothing to say may say so', async () => {
  const body = '{"choices":[{"index":0,"message":{"content":null},"finish_reason":"stop"}]}';
  backend.answer = (socket) => socket.write(whole(body));
  expect(await ask(false)).toEqual(['local', 'rule:short', body]);
});

test.each([
  ['drips', 20, 10],
  ['is endless', 1, 64 * 1024],
])('an error whose body %s does not keep the next backend waiting', async (_how, every, size) => {
  backend.answer = (socket) => {
    socket.write('HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\n');
    const timer = setInterval(() => socket.write('x'.repeat(size)), every);
    socket.on('close', () => clearInterval(timer));
  };
  for (const stream of [false, true]) {
    const start = Date.now();
    expect(await ask(stream)).toEqual(['cloud', 'fallback:500', expect.stringMatching(/hello/i)]);
    expect(Date.now() - start).toBeLessThan(4000);
  }
});

test('trailers of an answer are dropped', async () => {
  const body = '{"choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}]}';
  backend.answer = (socket) =>
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${body.length.toString(16)}\r\n${body}\r\n0\r\nX-A: ${'y'.repeat(5000)}\r\n\r\n`,
    );
  expect(await ask(false)).toEqual(['local', 'rule:short', 'hello']);
});

test('long words of an error come back as JSON', async () => {
  const long = 'p'.repeat(50_000);
  backend.answer = (socket) =>
    socket.write(
      whole(JSON.stringify({ error: { message: long, param: long, code: long } }), '400 Bad'),
    );
  await localState(weir, 'warm');
  const response = await weir.post({ model: 'auto', messages: hello });
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as any;
  expect(error.param.length).toBe(256);
  expect(error.message.length).toBeGreaterThan(1000);
});

test('an error in a stream that the request has caused is the caller’s', async () => {
  backend.answer = (socket) =>
    socket.write(events('{"error":{"message":"prompt bad","type":"BadRequestError","code":400}}', '[DONE]'));
  await localState(weir, 'warm');
  const response = await weir.post({ model: 'auto', messages: hello, stream: true });
  expect(response.status).toBe(400);
  expect(response.headers.get('x-router-backend')).toBe('local');
  expect(await response.json()).toMatchObject({
    error: { message: 'prompt bad', type: 'invalid_request_error' },
  });
  expect(await localState(weir, 'warm')).toBe(true); // and none of the backend's
});

test('a stream that says 429 is one that says 429', async () => {
  backend.answer = (socket) => socket.write(events('{"error":{"message":"slow down","code":429}}'));
  expect(await ask(true)).toEqual(['cloud', 'fallback:429', expect.stringMatching(/hello/i)]);
});
