/** The chaos drill: a backend that looks failed, and comes back. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, hello, localState, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir | undefined;

const token = 'drill-token-of-the-test';
const bearer = { authorization: `Bearer ${token}` };
const localOnly = { 'x-router-policy': 'local-only' };

beforeEach(async () => {
  sim = await Sim.start();
});
afterEach(async () => {
  await weir?.stop();
  await sim?.stop();
  weir = undefined;
});

async function start(env: Record<string, string> = { ADMIN_TOKEN: token }): Promise<Weir> {
  weir = await Weir.between(sim, {
    PROBE_INTERVAL: '100ms',
    PROBE_COLD_INTERVAL: '50ms',
    HOLD_TIMEOUT: '100ms',
    REST_TIME: '50ms',
    ...env,
  });
  await localState(weir, 'warm');
  return weir;
}

const drill = (body: unknown, headers: Record<string, string> = bearer) =>
  weir!.post(body, headers, '/admin/drill');

async function ask(model: string, headers = {}): Promise<string> {
  const answer = await weir!.post({ model, messages: hello }, headers);
  await answer.arrayBuffer();
  return `${answer.status} ${answer.headers.get('x-router-backend')} ${answer.headers.get('x-router-reason')}`;
}

test('without a token there is no admin side', async () => {
  await start({});
  expect((await drill({ target: 'vllm', seconds: 1 })).status).toBe(404);
  expect((await fetch(`${weir!.url}/admin/drill`)).status).toBe(404);
});

test('with one, it opens for nobody else', async () => {
  await start();
  const others: Record<string, string>[] = [
    {},
    { authorization: 'Bearer wrong' },
    { authorization: token },
    { 'x-api-key': token },
  ];
  for (const headers of others)
    expect((await drill({ target: 'vllm', seconds: 1 }, headers)).status).toBe(401);
  expect(await ask('local')).toBe('200 local explicit');
  expect(weir!.log.join('\n')).not.toContain(token);
});

test.each([
  ['{', 'JSON'],
  ['{"target":"nobody","seconds":1}', 'target'],
  ['{"target":"vllm"}', 'seconds'],
  ['{"target":"vllm","seconds":-1}', 'seconds'],
  ['{"target":"vllm","seconds":3601}', 'seconds'],
  ['{"target":"vllm","seconds":1,"replica":1}', 'replica'],
])('%s is refused', async (body, word) => {
  await start();
  const answer = await drill(body);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as any).error.message).toContain(word);
});

test('a drill is a cold start without one', async () => {
  await start();
  const before = (await sim.state('vllm')).requests;
  const answer = await drill({ target: 'vllm', seconds: 2 });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    drills: [{ target: 'vllm', replica: 0, state: 'cold', seconds_left: 2 }],
  });
  expect(await ask('local')).toBe('200 cloud fallback:drill');
  expect(await ask('auto')).toBe('200 cloud fallback:drill');
  expect(await ask('auto', localOnly)).toMatch(/^503 /);
  expect((await sim.state('vllm')).requests).toBe(before);
  const page = (await (await fetch(`${weir!.url}/admin/drill`, { headers: bearer })).json()) as any;
  expect(page.drills[0].requests_met).toBe(3);
  // it is told when it is over, and the backend comes back by itself
  const line = await eventually('it is over', () => weir!.log.find((l) => l.includes('"drill over"')));
  expect(JSON.parse(line)).toMatchObject({ backend: 'vllm', seconds: 2, requests_met: 3 });
  await localState(weir!, 'warm');
  expect(await ask('local')).toBe('200 local explicit');
});

test('it can be ended, and may be for the cloud', async () => {
  await start({ ADMIN_TOKEN: token, CLOUD_FALLS_BACK: 'always' });
  await drill({ target: 'anthropic', seconds: 600 });
  const before = (await sim.state('anthropic')).requests;
  expect(await ask('cloud')).toBe('200 local fallback:drill');
  expect((await sim.state('anthropic')).requests).toBe(before);
  const answer = await drill({ target: 'anthropic', seconds: 0 });
  expect(await answer.json()).toEqual({ drills: [] });
  expect(JSON.parse(await weir!.says('"drill ended"'))).toMatchObject({
    backend: 'anthropic',
    requests_met: 1,
  });
  await eventually('the cloud is back', async () => (await ask('cloud')) === '200 cloud explicit');
});
