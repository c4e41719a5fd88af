/** How a backend goes, and how it comes back. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, hello, localState, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir | undefined;

const careful = {
  PROBE_INTERVAL: '100ms',
  PROBE_COLD_INTERVAL: '100ms',
  PROBE_SUCCESSES: '3',
  RAMP_TIME: '1500ms',
  REST_TIME: '300ms',
};

beforeEach(async () => {
  sim = await Sim.start();
});
afterEach(async () => {
  await weir?.stop();
  await sim?.stop();
  weir = undefined;
});

/** Who answered, and why. */
async function ask(model = 'local', headers = {}): Promise<string> {
  const answer = await weir!.post({ model, messages: hello }, headers);
  const said = `${answer.headers.get('x-router-backend')} ${answer.headers.get('x-router-reason')}`;
  await answer.arrayBuffer();
  return answer.status === 200 ? said : `${answer.status}`;
}

async function states(): Promise<string[]> {
  return weir!.log
    .filter((line) => line.includes('"backend state"') && line.includes('"vllm"'))
    .map((line) => JSON.parse(line).to);
}

test('a backend that was cold comes back by warming and ramping', async () => {
  weir = await Weir.between(sim, careful);
  await localState(weir, 'warm');
  await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
  await localState(weir, 'cold');
  expect(await ask()).toBe('cloud fallback:cold');
  await sim.fault('vllm', null);
  await localState(weir, 'ramping');
  const answers = new Set<string>();
  await eventually('it is warm again', async () => {
    answers.add(await ask());
    return (await states()).at(-1) === 'warm' ? true : undefined;
  });
  // on the way some went there and some did not, and none failed
  expect([...answers].sort()).toEqual(['cloud fallback:ramping', 'local explicit']);
  expect(await states()).toEqual(['warm', 'cold', 'warming', 'ramping', 'warm']);
  for (let i = 0; i < 10; i++) expect(await ask()).toBe('local explicit');
});

test('a pinned request does not wait for the ramp', async () => {
  weir = await Weir.between(sim, { ...careful, RAMP_TIME: '60s' });
  await localState(weir, 'warm');
  await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
  await localState(weir, 'cold');
  await sim.fault('vllm', null);
  await localState(weir, 'ramping');
  for (let i = 0; i < 20; i++)
    expect(await ask('auto', { 'x-router-policy': 'local-only' })).toBe('local pin');
});

test('a relapse on the ramp reaches no caller', async () => {
  weir = await Weir.between(sim, careful);
  await localState(weir, 'warm');
  for (let round = 0; round < 2; round++) {
    await sim.fault('vllm', { fault: 'cold', seconds: 60 });
    await localState(weir, 'cold');
    await sim.fault('vllm', null);
    await localState(weir, 'ramping');
    for (let i = 0; i < 10; i++) expect(await ask()).toMatch(/^(local explicit|cloud fallback:ramping)$/);
  }
});

test('a backend whose probes lie gets one trial after the other', async () => {
  weir = await Weir.between(sim, { ...careful, PROBE_INTERVAL: '60s' });
  await localState(weir, 'warm');
  await sim.fault('vllm', { fault: 'status', status: 500 }); // its /health is fine
  const before = (await sim.state('vllm')).requests;
  const end = Date.now() + 1500;
  while (Date.now() < end) expect(await ask()).toMatch(/^cloud fallback:(500|resting|ramping)$/);
  // rests of 300, 600 and 1200 ms: the failure and two trials, and no more
  const tries = (await sim.state('vllm')).requests - before;
  expect(tries).toBeGreaterThanOrEqual(2);
  expect(tries).toBeLessThanOrEqual(4);
});

describe('a backend that asks for a rest', () => {
  test.each([429, 529])('by %i with retry-after gets it', async (status) => {
    weir = await Weir.between(sim, { ...careful, CLOUD_FALLS_BACK: 'always' });
    await localState(weir, 'warm');
    await sim.fault('anthropic', { fault: 'status', status, retry_after: 60, count: 1 });
    expect(await ask('cloud')).toBe(`local fallback:${status}`);
    const before = (await sim.state('anthropic')).requests;
    for (let i = 0; i < 5; i++) expect(await ask('cloud')).toBe('local fallback:resting');
    expect((await sim.state('anthropic')).requests).toBe(before);
  });
});

test('of two replicas the one that lies is left alone', async () => {
  const liar = await Sim.start();
  try {
    weir = await Weir.between(sim, {
      ...careful,
      REST_TIME: '60s',
      VLLM_BASE_URL: `${sim.vllm},${liar.vllm}`,
    });
    await localState(weir, 'warm');
    await liar.fault('vllm', { fault: 'garbage' });
    for (let i = 0; i < 20; i++) expect(await ask()).toBe('local explicit');
    expect((await liar.state('vllm')).requests).toBeLessThanOrEqual(3);
    expect((await sim.state('vllm')).requests).toBeGreaterThanOrEqual(20);
  } finally {
    await liar.stop();
  }
});

test('what the request has caused never counts', async () => {
  weir = await Weir.between(sim, careful);
  await localState(weir, 'warm');
  for (const status of [400, 404, 413]) {
    await sim.fault('vllm', { fault: 'status', status, count: 1 });
    expect(await ask()).toBe(`${status}`);
  }
  const long = 'word '.repeat(200_000);
  const answer = await weir.post(
    { model: 'local', messages: [{ role: 'user', content: long }] },
    { 'x-router-policy': 'local-only' },
  );
  expect(answer.status).toBe(400);
  expect(await states()).toEqual(['warm']);
});

test('/v1/route and /metrics tell the state', async () => {
  weir = await Weir.between(sim, { ...careful, RAMP_TIME: '60s' });
  await localState(weir, 'warm');
  await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
  await localState(weir, 'cold');
  await sim.fault('vllm', null);
  await localState(weir, 'ramping');
  const route = (await (await weir.post({ model: 'local', messages: hello }, {}, '/v1/route')).json()) as any;
  expect(route.targets[0].replicas[0]).toMatchObject({ state: 'ramping', usable: true });
  expect(
    await weir.metric('weir_backend_state_changes_total{backend="vllm",replica="0",to="ramping"}'),
  ).toBe(1);
});

test('a pinned request is served by the replica that rests when the other one fails', async () => {
  const other = await Sim.start();
  try {
    weir = await Weir.between(sim, {
      ...careful,
      PROBE_INTERVAL: '60s',
      PROBE_COLD_INTERVAL: '60s',
      REST_TIME: '60s',
      VLLM_BASE_URL: `${sim.vllm},${other.vllm}`,
    });
    await localState(weir, 'warm');
    // both answer badly once, and the first one is well again
    await sim.fault('vllm', { fault: 'garbage', count: 1 });
    await other.fault('vllm', { fault: 'garbage' });
    await ask();
    const pinned = { 'x-router-policy': 'local-only' };
    for (let i = 0; i < 10; i++) expect(await ask('auto', pinned)).toBe('local pin');
  } finally {
    await other.stop();
  }
});
