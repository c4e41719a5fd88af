import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatRequest, eventually, hello, Raw, Sim, Weir } from './harness.ts';

let slow: Sim;

beforeAll(async () => {
  slow = await Sim.start('--tokens-per-second', '20');
});
afterAll(async () => {
  await slow?.stop();
});

const isRefused = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => (socket.destroy(), resolve(false)));
    socket.on('error', () => resolve(true));
  });

async function streaming(weir: Weir, upTo: number): Promise<Raw> {
  const raw = await Raw.open(weir.port);
  const messages = [{ role: 'user', content: `Count from 1 to ${upTo}` }];
  raw.send(chatRequest({ model: 'local', stream: true, messages }));
  await eventually('the stream has begun', () => raw.received.includes('"content"'));
  return raw;
}

test('the port is closed at once while a stream ends in peace', async () => {
  const weir = await Weir.between(slow);
  const idle = await Raw.open(weir.port);
  idle.send('GET /health HTTP/1.1\r\nHost: test\r\n\r\n');
  expect((await idle.answer()).status).toBe(200);
  const raw = await streaming(weir, 20);
  weir.signal('SIGTERM');
  await eventually('new callers are refused', () => isRefused(weir.port));
  await idle.whenClosed();
  expect(raw.received).not.toContain('[DONE]');
  await weir.ended();
  expect(raw.received).toContain('[DONE]');
});

test('what is left after the drain time is cut, and told', async () => {
  const weir = await Weir.between(slow, { DRAIN_TIMEOUT: '300ms' });
  const raw = await streaming(weir, 500);
  const from = Date.now();
  await weir.stop();
  expect(Date.now() - from).toBeLessThan(5000);
  expect(raw.received).toContain('"code":"shutting_down"');
  expect(raw.received).toMatch(/data: \[DONE\]/);
});

test('with a delay new callers are served on while /ready says 503', async () => {
  const weir = await Weir.between(slow, { DRAIN_DELAY: '700ms' });
  expect((await fetch(`${weir.url}/ready`)).status).toBe(200);
  weir.signal('SIGTERM');
  await eventually('it is not ready', async () => (await fetch(`${weir.url}/ready`)).status === 503);
  const answer = await weir.post({ model: 'cloud', messages: hello });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('connection')).toBe('close');
  await answer.text();
  await eventually('new callers are refused', () => isRefused(weir.port));
  await weir.ended();
});
