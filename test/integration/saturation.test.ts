/** A full backend: a bounded wait, first come first served, then the next. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, hello, localState, Sim, sleep, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir | undefined;

beforeEach(async () => {
  sim = await Sim.start();
  await sim.fault('vllm', { fault: 'slow', ms: 400 });
});
afterEach(async () => {
  await weir?.stop();
  await sim?.stop();
  weir = undefined;
});

async function start(env: Record<string, string>): Promise<Weir> {
  weir = await Weir.between(sim, { MAX_IN_FLIGHT: '2', WEIR_WORKERS: '2', ...env });
  await localState(weir, 'warm');
  return weir;
}

interface Said {
  status: number;
  by: string;
  body: any;
  retryAfter: string | null;
}

async function ask(headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Said> {
  const answer = await weir!.post({ model: 'local', messages: hello }, headers, undefined, {
    ...(signal ? { signal } : {}),
  });
  return {
    status: answer.status,
    by: `${answer.headers.get('x-router-backend')} ${answer.headers.get('x-router-reason')}`,
    body: await answer.json(),
    retryAfter: answer.headers.get('retry-after'),
  };
}

const inFlight = () => weir!.metric('weir_backend_in_flight{backend="vllm",replica="0"}');
const waiting = () => weir!.metric('weir_backend_waiting{backend="vllm"}');
const localOnly = { 'x-router-policy': 'local-only' };

test('what finds no place in time spills to the cloud', async () => {
  await start({ QUEUE_TIMEOUT: '100ms' });
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask()));
  expect(answers.map((a) => a.by).sort()).toEqual([
    ...Array(4).fill('cloud spill:full'),
    ...Array(2).fill('local explicit'),
  ]);
  expect(await inFlight()).toBe(0);
  expect(await waiting()).toBe(0);
});

test('who waits is served in its turn, whatever worker it came to', async () => {
  await start({ QUEUE_TIMEOUT: '30s' });
  const order: number[] = [];
  const all: Promise<void>[] = [];
  for (let i = 0; i < 8; i++) {
    all.push(ask().then((a) => void (expect(a.by).toBe('local explicit'), order.push(i))));
    const before = i;
    await eventually('it has come in', async () => (await inFlight()) + (await waiting()) > Math.min(before, 7) - order.length);
    expect(await inFlight()).toBeLessThanOrEqual(2);
  }
  await Promise.all(all);
  // two at a time: each pair before the next
  expect(order.map((i) => Math.floor(i / 2))).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
});

test('who is pinned waits for its hold time and gets 503 with Retry-After', async () => {
  await sim.fault('vllm', { fault: 'slow', ms: 3000 }); // longer than it takes to ask
  await start({ HOLD_TIMEOUT: '150ms', RETRY_AFTER: '2100ms', QUEUE_TIMEOUT: '30s' });
  const first = [ask(localOnly), ask(localOnly)];
  await eventually('it is full', async () => (await inFlight()) === 2);
  const before = (await sim.state('anthropic')).requests;
  const began = Date.now();
  const refused = await ask(localOnly);
  expect(Date.now() - began).toBeGreaterThanOrEqual(140);
  expect([refused.status, refused.retryAfter]).toEqual([503, '3']);
  expect(refused.body.error).toMatchObject({ type: 'server_error', code: 'backend_full' });
  expect((await Promise.all(first)).map((a) => a.by)).toEqual(['local explicit', 'local explicit']);
  expect((await sim.state('anthropic')).requests).toBe(before);
});

test('a caller that leaves gives up its place in line', async () => {
  await start({ QUEUE_TIMEOUT: '30s' });
  const first = [ask(), ask()];
  await eventually('it is full', async () => (await inFlight()) === 2);
  const gone = new AbortController();
  const left = ask({}, gone.signal).catch(() => 'left');
  await eventually('it waits', async () => (await waiting()) === 1);
  const last = ask();
  await eventually('both wait', async () => (await waiting()) === 2);
  gone.abort();
  expect(await left).toBe('left');
  await eventually('one waits', async () => (await waiting()) === 1);
  expect((await Promise.all([...first, last])).map((a) => a.by)).toEqual(
    Array(3).fill('local explicit'),
  );
  expect((await sim.state('vllm')).requests).toBe(3);
});

test('the line has a bound', async () => {
  await start({ QUEUE_TIMEOUT: '30s', QUEUE_SIZE: '1' });
  const first = [ask(), ask()];
  await eventually('it is full', async () => (await inFlight()) === 2);
  const third = ask();
  await eventually('one waits', async () => (await waiting()) === 1);
  expect((await ask()).by).toBe('cloud spill:full');
  expect((await Promise.all([...first, third])).map((a) => a.by)).toEqual(
    Array(3).fill('local explicit'),
  );
});

test('a backend that dies lets those who wait go on', async () => {
  await start({ QUEUE_TIMEOUT: '1s', PROBE_INTERVAL: '100ms' });
  const first = [ask(), ask()];
  await eventually('it is full', async () => (await inFlight()) === 2);
  const third = ask();
  await eventually('one waits', async () => (await waiting()) === 1);
  await sim.fault('vllm', { fault: 'refuse', seconds: 30 });
  for (const answer of await Promise.all([...first, third])) expect(answer.status).toBe(200);
  await sleep(0);
  expect(await inFlight()).toBe(0);
});
