// Stored responses: a conversation goes on by the id of its last answer.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, localState, Sim, Weir } from './harness.ts';
import { framesOf } from './speak.ts';

let sim: Sim;
let weir: Weir;

const keys =
  'keys:\n  - { name: alice, secret: sk-alice }\n  - { name: bob, secret: sk-bob }\n' +
  '  - { name: home, secret: sk-home, policy: local-only }\n';
const as = (name: string) => ({ authorization: `Bearer sk-${name}` });

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.configured(keys, { ...Weir.env(sim), PROBE_INTERVAL: '1h', PROBE_COLD_INTERVAL: '50ms', HOLD_TIMEOUT: '200ms' });
  await localState(weir, 'warm');
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const post = (body: object, headers: Record<string, string> = as('alice'), router = weir) =>
  router.post({ model: 'local', ...body }, headers, '/v1/responses');

async function respond(body: any, headers?: Record<string, string>, router?: Weir): Promise<any> {
  const answer = await post(body, headers, router);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return body.stream ? framesOf(text).at(-1)!.data.response : JSON.parse(text);
}

const at = (id: string, init: RequestInit = {}, name = 'alice', router = weir) =>
  fetch(`${router.url}/v1/responses/${id}`, { ...init, headers: as(name) });

async function missing(answer: Response, status: number, code: string): Promise<void> {
  const body = (await answer.json()) as any;
  expect([answer.status, body.error.code], JSON.stringify(body)).toEqual([status, code]);
  expect(body.error.type).toBe('invalid_request_error');
}
const cannotGoOn = async (answer: Response) => missing(answer, 400, 'previous_response_not_found');
const textsOf = (messages: any[]) => messages.map(({ role, content }) => [role, typeof content === 'string' ? content : content.map((part: any) => part.text).join('')]);

describe.each([false, true])('stream: %s', (stream) => {
  test.each(['local', 'cloud'])('a chain of answers is the conversation, on %s', async (model) => {
    const target = model === 'local' ? 'vllm' : 'anthropic';
    const said: string[] = [];
    let previous: string | undefined;
    const asked = ['Say hello', 'Count from 1 to 5', 'Reverse the word weir', 'Say hello again'];
    for (const [i, input] of asked.entries()) {
      const response = await respond({
        model,
        stream,
        input,
        instructions: `Rule ${i}.`, // of this turn alone
        ...(previous ? { previous_response_id: previous } : {}),
      });
      expect(response.previous_response_id).toBe(previous ?? null);
      expect(response.store).toBe(true);
      previous = response.id;
      said.push(response.output[0].content[0].text);
    }
    const sent = await sim.lastBody(target);
    const system = model === 'local' ? sent.messages.shift().content : sent.system[0].text;
    expect(system).toBe('Rule 3.');
    expect(textsOf(sent.messages)).toEqual([
      ['user', asked[0]], ['assistant', said[0]],
      ['user', asked[1]], ['assistant', said[1]],
      ['user', asked[2]], ['assistant', said[2]],
      ['user', asked[3]],
    ]);
  });

  test('an answer can be fetched, forks, and is deleted', async () => {
    const first = await respond({ stream, input: 'Say hello' });
    const got = await at(first.id);
    expect([got.status, await got.json()]).toEqual([200, first]);
    const left = await respond({ stream, input: 'Left', previous_response_id: first.id });
    const right = await respond({ stream, input: 'Right', previous_response_id: first.id });
    expect(textsOf((await sim.lastBody('vllm')).messages).map(([, text]) => text)).toEqual(['Say hello', first.output[0].content[0].text, 'Right']);
    const gone = await at(first.id, { method: 'DELETE' });
    expect([gone.status, await gone.json()]).toEqual([200, { id: first.id, object: 'response', deleted: true }]);
    await missing(await at(first.id), 404, 'not_found');
    await missing(await at(first.id, { method: 'DELETE' }), 404, 'not_found');
    await cannotGoOn(await post({ input: 'x', previous_response_id: first.id }));
    // what went on from it still can
    await respond({ stream, input: 'On', previous_response_id: left.id });
    expect(textsOf((await sim.lastBody('vllm')).messages).map(([, text]) => text)).toEqual([
      'Say hello', first.output[0].content[0].text, 'Left', left.output[0].content[0].text, 'On',
    ]);
    expect((await at(right.id)).status).toBe(200);
  });

  test('what is not to be stored is not', async () => {
    const response = await respond({ stream, input: 'Say hello', store: false });
    expect(response.store).toBe(false);
    await missing(await at(response.id), 404, 'not_found');
    await cannotGoOn(await post({ stream, input: 'x', previous_response_id: response.id }));
  });

  test("an answer is its key's alone", async () => {
    const hers = await respond({ stream, input: 'Say hello' });
    await missing(await at(hers.id, {}, 'bob'), 404, 'not_found');
    await missing(await at(hers.id, { method: 'DELETE' }, 'bob'), 404, 'not_found');
    await cannotGoOn(await post({ input: 'x', previous_response_id: hers.id }, as('bob')));
    expect((await fetch(`${weir.url}/v1/responses/${hers.id}`)).status).toBe(401);
    expect((await at(hers.id)).status).toBe(200);
  });
});

test('a stream that breaks is no answer to go on with', async () => {
  await sim.fault('vllm', { fault: 'cut=1400', count: 1 });
  const answer = await post({ stream: true, input: 'Count from 1 to 200' });
  const text = await answer.text();
  await sim.fault('vllm', null);
  await localState(weir, 'warm');
  const events = framesOf(text);
  const { id } = events[0]!.data.response;
  expect(events.some(({ data }) => data.type === 'response.completed')).toBe(false);
  await missing(await at(id), 404, 'not_found');
});

describe('a conversation that began local-only', () => {
  test.each([
    ['by its header', as('alice'), { 'x-router-policy': 'local-only' }],
    ['by its key', as('home'), {}],
  ])('never goes to the cloud later: %s', async (_how, key, pin) => {
    const before = (await sim.state('anthropic')).requests;
    const first = await respond({ input: 'Say hello' }, { ...key, ...pin });
    // without the pin, and two turns later
    const second = await respond({ input: 'And now?', previous_response_id: first.id }, key);
    for (const body of [
      { model: 'cloud', input: 'x', previous_response_id: second.id },
      { model: 'claude-sonnet-4-6', input: 'x', previous_response_id: second.id },
    ]) {
      const answer = await post(body, key);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      await answer.text();
    }
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    try {
      const cold = await post({ input: 'x', previous_response_id: second.id }, key);
      expect(cold.status).toBe(503);
      await cold.text();
    } finally {
      await sim.fault('vllm', null);
      await localState(weir, 'warm');
    }
    expect((await sim.state('anthropic')).requests).toBe(before);
    const on = await post({ input: 'x', previous_response_id: second.id }, key);
    expect([on.status, on.headers.get('x-router-backend')]).toEqual([200, 'local']);
  });
});

// --- how long, and how much ----------------------------------------------------------

async function withStore(env: Record<string, string>, run: (router: Weir) => Promise<void>): Promise<void> {
  const router = await Weir.between(sim, { PROBE_INTERVAL: '1h', ...env });
  try {
    await localState(router, 'warm');
    await run(router);
  } finally {
    await router.stop();
  }
}

test('an answer is forgotten after its time', async () => {
  await withStore({ RESPONSES_STORE_TTL: '300ms' }, async (router) => {
    const first = await respond({ input: 'Say hello' }, {}, router);
    expect((await at(first.id, {}, 'x', router)).status).toBe(200);
    await eventually('it is forgotten', async () => (await at(first.id, {}, 'x', router)).status === 404);
    await cannotGoOn(await post({ input: 'x', previous_response_id: first.id }, {}, router));
  });
});

test('the oldest make room', async () => {
  await withStore({ RESPONSES_STORE_BYTES: '32KiB' }, async (router) => {
    const ids: string[] = [];
    for (let i = 0; i < 30; i++) ids.push((await respond({ input: `${i} `.repeat(800) }, {}, router)).id);
    const there = await Promise.all(ids.map(async (id) => (await at(id, {}, 'x', router)).status === 200));
    const first = there.indexOf(true);
    expect(first).toBeGreaterThan(15);
    expect(there.slice(first).every(Boolean)).toBe(true);
  });
});

test('without a store a conversation cannot go on, and that is said', async () => {
  await withStore({ RESPONSES_STORE_BYTES: '0' }, async (router) => {
    const first = await respond({ input: 'Say hello' }, {}, router);
    expect(first.store).toBe(false);
    expect((await at(first.id, {}, 'x', router)).status).toBe(404);
    const answer = await post({ input: 'x', previous_response_id: first.id }, {}, router);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as any).error.message).toMatch(/stores no responses/);
  });
});

test('all workers know what one has stored', async () => {
  await withStore({ WEIR_WORKERS: '4' }, async (router) => {
    const first = await respond({ input: 'Say hello' }, {}, router);
    const all = await Promise.all(Array.from({ length: 16 }, () => at(first.id, {}, 'x', router)));
    expect(all.map(({ status }) => status)).toEqual(Array(16).fill(200));
    await Promise.all(all.map((answer) => answer.text()));
  });
});
