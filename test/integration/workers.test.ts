import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatRequest, hello, Raw, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, { WEIR_WORKERS: '2' });
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

describe('two workers', () => {
  test('both get connections, the one with fewer first', async () => {
    const { readdirSync, readFileSync } = await import('node:fs');
    const raws: Raw[] = [];
    for (let i = 0; i < 8; i++) {
      const raw = await Raw.open(weir.port);
      raw.send(chatRequest({ model: 'local', messages: hello }));
      expect((await raw.answer()).status).toBe(200);
      raws.push(raw);
    }
    // each worker has threads of its own that have done something
    const threads = readdirSync(`/proc/${weir.pid}/task`).map((tid) =>
      readFileSync(`/proc/${weir.pid}/task/${tid}/stat`, 'utf8'),
    );
    expect(threads.length).toBeGreaterThanOrEqual(4);
    for (const raw of raws) raw.close();
  });

  test('hundreds of chats at once all get their own answer', async () => {
    const client = weir.openai();
    const words = Array.from({ length: 300 }, (_, i) => `word${i}`);
    const answers = await Promise.all(
      words.map(async (word, i) => {
        const messages = [{ role: 'user' as const, content: `Respond with the word ${word}` }];
        const model = i % 2 ? 'local' : 'cloud';
        if (i % 3 === 0) {
          let text = '';
          const stream = await client.chat.completions.create({ model, messages, stream: true });
          for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
          return text;
        }
        const whole = await client.chat.completions.create({ model, messages });
        return whole.choices[0]!.message.content!;
      }),
    );
    answers.forEach((text, i) => expect(text).toMatch(new RegExp(`\\b${words[i]}\\b`)));
  });

  test('their counters are one sum', async () => {
    const name = 'weir_requests_total{tier="local",outcome="ok"}';
    const before = await weir.metric(name);
    const raws = await Promise.all(Array.from({ length: 4 }, () => Raw.open(weir.port)));
    for (const raw of raws) raw.send(chatRequest({ model: 'local', messages: hello }));
    for (const raw of raws) expect((await raw.answer()).status).toBe(200);
    expect(await weir.metric(name)).toBe(before + 4);
    for (const raw of raws) raw.close();
  });

  test('SIGTERM lets a stream end and exits with 0', async () => {
    const slow = await Sim.start('--tokens-per-second', '20');
    const draining = await Weir.between(slow, { WEIR_WORKERS: '2' });
    const raw = await Raw.open(draining.port);
    raw.send(
      chatRequest({
        model: 'local',
        stream: true,
        messages: [{ role: 'user', content: 'Count from 1 to 12' }],
      }),
    );
    while (!raw.received.includes('"content"')) await new Promise((r) => setTimeout(r, 20));
    await draining.stop();
    expect(raw.received).toContain('[DONE]');
    await slow.stop();
  });
});
