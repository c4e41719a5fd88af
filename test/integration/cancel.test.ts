import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatRequest, eventually, Raw, Sim, Weir, type Target } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '20');
  weir = await Weir.between(sim);
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const slow = [{ role: 'user' as const, content: 'Count from 1 to 200' }];

describe.each([
  ['local', 'vllm'],
  ['cloud', 'anthropic'],
] as [string, Target][])('%s', (model, target) => {
  test('the SDK’s abort in mid-stream cancels the work at the backend', async () => {
    const { cancelled } = await sim.state(target);
    const stream = await weir
      .openai()
      .chat.completions.create({ model, messages: slow, stream: true });
    let pieces = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++pieces === 3) break;
    }
    stream.controller.abort();
    const start = Date.now();
    await eventually(
      'the backend sees it',
      async () => (await sim.state(target)).cancelled > cancelled,
    );
    expect(Date.now() - start).toBeLessThan(1000);
    await eventually('nothing runs any more', async () => (await sim.state(target)).running === 0);
  });

  test('hanging up before a whole answer cancels the work', async () => {
    const { cancelled } = await sim.state(target);
    const raw = await Raw.open(weir.port);
    raw.send(chatRequest({ model, messages: slow }));
    await eventually('it runs', async () => (await sim.state(target)).running === 1);
    raw.close();
    await eventually(
      'the backend sees it',
      async () => (await sim.state(target)).cancelled > cancelled,
    );
  });
});

test('a request that was left is one cancelled request in the account', async () => {
  const name = 'weir_requests_total{tier="local",outcome="cancelled"}';
  const before = await weir.metric(name);
  const raw = await Raw.open(weir.port);
  raw.send(chatRequest({ model: 'local', stream: true, messages: slow }));
  await eventually('it streams', () => raw.received.includes('data: '));
  raw.close();
  await eventually('it is counted', async () => (await weir.metric(name)) === before + 1);
});

test('many that leave at once leave nothing behind', async () => {
  const raws = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const raw = await Raw.open(weir.port);
      raw.send(
        chatRequest({ model: i % 2 ? 'local' : 'cloud', stream: i % 3 === 0, messages: slow }),
      );
      return raw;
    }),
  );
  await eventually('some run', async () => (await sim.state('anthropic')).running > 5);
  for (const raw of raws) raw.close();
  for (const target of ['vllm', 'anthropic'] as const)
    await eventually('nothing runs', async () => {
      const state = await sim.state(target);
      return state.running === 0 && state.waiting === 0;
    });
  await eventually(
    'nothing is in flight',
    async () => (await weir.metric('weir_backend_in_flight{backend="vllm",replica="0"}')) === 0,
  );
});
