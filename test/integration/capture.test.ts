// What was asked and answered, in a Langfuse: with content capture, and never
// where somebody forbids it.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { count, counted, twoCities } from './clients.ts';
import { eventually, localState, Sim, Weir } from './harness.ts';
import { Langfuse, type Observation } from './langfuse-stand-in.ts';

let sim: Sim;
let langfuse: Langfuse;
let weir: Weir | undefined;

beforeAll(async () => {
  sim = await Sim.start();
  langfuse = await Langfuse.open();
});
afterAll(async () => {
  await langfuse?.close();
  await sim?.stop();
});

const rules = `rules:
  - { name: secret, when: { text: 'top secret' }, use: local, content: false }
  - { name: guarded, when: { text: 'of the house' }, use: local, policy: local-only }
`;
const keys = `keys:
  - { name: plain, secret: sk-plain }
  - { name: quiet, secret: sk-quiet, content: false }
  - { name: home, secret: sk-home, policy: local-only }
`;

function start(more = '', env: Record<string, string> = {}): Promise<Weir> {
  return Weir.configured(
    `local: { url: '${sim.vllm}', model: qwen2.5-7b }
cloud: { url: '${sim.anthropic}', api_key: sk-test }
workers: 1
${more}`,
    { ...langfuse.env(), CAPTURE_CONTENT: 'true', ...env },
  ).then(async (it) => {
    await localState(it, 'warm');
    return it;
  });
}

/** The generation of a request, when it has come. */
function generation(id: string): Promise<Observation> {
  return eventually(`the generation of ${id}`, () =>
    langfuse.observations.find((o) => o.metadata.router_request_id === id),
  );
}

async function ask(body: object, headers: Record<string, string> = {}, path?: string) {
  const answer = await weir!.post(body, headers, path);
  const text = await answer.text();
  return { text, seen: await generation(answer.headers.get('x-request-id')!) };
}

const ofCount = [{ role: 'user', content: count }];
const weather = {
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const tools = [{ type: 'function', function: weather }];

describe('with content capture', () => {
  beforeAll(async () => {
    weir = await start(rules);
  });
  afterAll(async () => {
    await weir?.stop();
  });
  afterEach(() => langfuse.reset());

  describe.each(['local', 'cloud'])('%s', (model) => {
    test.each([false, true])('a chat is there as it was (stream: %s)', async (stream) => {
      const messages = [{ role: 'system', content: 'Be "brief"\n…' }, ...ofCount];
      const { text, seen } = await ask({ model, messages, stream });
      expect(seen.input).toEqual({ messages });
      expect(seen.output).toEqual({ role: 'assistant', content: expect.stringMatching(counted) });
      const said = stream
        ? text
            .split('\n\n')
            .filter((frame) => frame.startsWith('data: {'))
            .map((frame) => JSON.parse(frame.slice(6)).choices[0]?.delta.content ?? '')
            .join('')
        : JSON.parse(text).choices[0].message.content;
      expect((seen.output as { content: string }).content).toBe(said);
      expect(seen.metadata).not.toHaveProperty('router_content_clipped');
    });

    test.each([false, true])('calls of tools are, too (stream: %s)', async (stream) => {
      const { seen } = await ask({ model, messages: [{ role: 'user', content: twoCities }], tools, stream });
      const { tool_calls: calls } = seen.output as { tool_calls: any[] };
      expect(calls.map((call) => [call.type, call.function.name, JSON.parse(call.function.arguments).city])).toEqual([
        ['function', 'get_weather', 'Berlin'],
        ['function', 'get_weather', 'Paris'],
      ]);
      expect(calls.every((call) => call.id.length > 0)).toBe(true);
    });

    test.each([false, true])('Messages (stream: %s)', async (stream) => {
      const body = { model, system: 'Brief', messages: ofCount, max_tokens: 100, stream };
      const { seen } = await ask(body, {}, '/v1/messages');
      expect(seen.input).toEqual({ system: 'Brief', messages: ofCount });
      expect(seen.output).toEqual({ role: 'assistant', content: expect.stringMatching(counted) });
    });

    test.each([false, true])('Responses (stream: %s)', async (stream) => {
      const { seen } = await ask({ model, instructions: 'Brief', input: count, stream }, {}, '/v1/responses');
      expect(seen.input).toEqual({ instructions: 'Brief', input: count });
      expect(seen.output).toEqual({ role: 'assistant', content: expect.stringMatching(counted) });
    });
  });

  test.each([false, true])('plain completions (stream: %s)', async (stream) => {
    const { seen } = await ask({ model: 'local', prompt: count, max_tokens: 100, stream }, {}, '/v1/completions');
    expect(seen.input).toEqual({ prompt: count });
    expect(seen.output).toEqual({ role: 'assistant', content: expect.stringMatching(counted) });
  });

  test('images are told by their size', async () => {
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const content = [
      { type: 'text', text: count },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
    ];
    const { seen } = await ask({ model: 'cloud', messages: [{ role: 'user', content }] });
    expect(seen.input).toEqual({
      messages: [
        { role: 'user', content: [content[0], { type: 'image_url', image_url: { url: '[image/png, 70 bytes]' } }] },
      ],
    });
  });

  test('a large conversation is cut, and that is said', async () => {
    const messages = [{ role: 'user', content: `${count} ${'and so on '.repeat(60_000)}` }];
    const { seen } = await ask({ model: 'cloud', messages });
    const input = seen.input as { messages: { content: string }[] };
    expect(messages[0]!.content.startsWith(input.messages[0]!.content)).toBe(true);
    const size = JSON.stringify(input).length;
    expect(size).toBeLessThanOrEqual(65_536);
    expect(size).toBeGreaterThan(65_000);
    expect(seen.metadata).toMatchObject({ router_content_clipped: true });
    expect(seen.output).toMatchObject({ role: 'assistant' });
  });

  test('of a long conversation the middle is left out', async () => {
    const turn = (n: number) => ({ role: n % 2 ? 'assistant' : 'user', content: `${n} ${'and so on '.repeat(1_000)}` });
    const messages = [{ role: 'system', content: 'Brief' }, ...Array.from({ length: 16 }, (_, n) => turn(n)), ...ofCount];
    const { seen } = await ask({ model: 'cloud', messages });
    const kept = (seen.input as { messages: { role: string; content: string }[] }).messages;
    const gap = kept.findIndex((message) => message.role === 'router');
    expect(kept.slice(0, gap)).toEqual(messages.slice(0, 2));
    expect(kept[gap]!.content).toBe(`[messages left out: ${messages.length - kept.length + 1}]`);
    const end = kept.slice(gap + 2);
    expect(end.length).toBeGreaterThan(3);
    expect(end).toEqual(messages.slice(-end.length));
    expect(seen.metadata).toMatchObject({ router_content_clipped: true });
  });

  test('a stream that breaks gives what was said so far', async () => {
    await sim.fault('vllm', { fault: 'cut', bytes: 900 });
    const answer = await weir!.post({ model: 'local', messages: ofCount, stream: true });
    await answer.text().catch(() => '');
    await sim.fault('vllm', null);
    const seen = await generation(answer.headers.get('x-request-id')!);
    expect(seen.level).toBe('ERROR');
    expect(seen.input).toEqual({ messages: ofCount });
    const { content } = seen.output as { content: string };
    expect(content).toMatch(/1/);
    expect(content).not.toMatch(counted);
  });

  const nothing = (seen: Observation) => expect([seen.input, seen.output]).toEqual([undefined, undefined]);

  test('a rule that forbids it counts, whichever decides, and whatever answers', async () => {
    const messages = [{ role: 'user', content: `${count}, this is top secret` }];
    for (const model of ['auto', 'local', 'cloud'])
      for (const stream of [false, true]) nothing((await ask({ model, messages, stream })).seen);
  });

  test.each([
    ['X-Router-Content', 'off'],
    ['X-Router-Content', 'perhaps'],
    ['X-Router-Policy', 'local-only'],
  ])('the header %s: %s', async (name, value) => {
    nothing((await ask({ model: 'auto', messages: ofCount }, { [name]: value })).seen);
    nothing((await ask({ model: 'auto', messages: ofCount, stream: true }, { [name]: value })).seen);
  });

  test('a caller may say that it does not mind', async () => {
    const { seen } = await ask({ model: 'local', messages: ofCount }, { 'X-Router-Content': 'on' });
    expect(seen.input).toEqual({ messages: ofCount });
  });

  test('a rule that keeps it local', async () => {
    nothing((await ask({ model: 'auto', messages: [{ role: 'user', content: `${count} of the house` }] })).seen);
  });

  test('a conversation that was kept local stays so', async () => {
    const first = await ask({ model: 'auto', input: count }, { 'X-Router-Policy': 'local-only' }, '/v1/responses');
    nothing(first.seen);
    const { id } = JSON.parse(first.text);
    const next = { model: 'auto', input: 'And to 7?', previous_response_id: id };
    nothing((await ask(next, {}, '/v1/responses')).seen);
  });

  const responses = (body: object, headers: Record<string, string> = {}) =>
    ask({ model: 'cloud', ...body }, headers, '/v1/responses');
  const after = (told: { text: string }) => ({ input: 'And to 7?', previous_response_id: JSON.parse(told.text).id });
  const quoting = (told: { text: string }) => {
    const { id } = JSON.parse(told.text).output.find((item: { type: string }) => item.type === 'message');
    return { input: [{ type: 'item_reference', id }, ...ofCount] };
  };

  test.each([
    ['its caller', { input: count }, { 'X-Router-Content': 'off' }],
    ['a rule', { input: `${count}, this is top secret` }, {}],
  ])('a conversation that %s kept out stays out', async (_, body, headers) => {
    const first = await responses(body, headers as Record<string, string>);
    nothing(first.seen);
    const second = await responses(after(first));
    nothing(second.seen);
    nothing((await responses(after(second), { 'X-Router-Content': 'on' })).seen);
    nothing((await responses(quoting(first))).seen);
  });

  test('others go on as they began', async () => {
    const first = await responses({ input: count });
    expect((await responses(after(first))).seen.input).toEqual({ input: 'And to 7?' });
    expect((await responses(quoting(first))).seen.input).toEqual(quoting(first));
  });
});

describe('keys', () => {
  beforeAll(async () => {
    weir = await start(keys);
  });
  afterAll(async () => {
    await weir?.stop();
  });
  afterEach(() => langfuse.reset());

  test.each([
    ['plain', true],
    ['quiet', false],
    ['home', false],
  ])('%s: %s', async (name, is) => {
    const { seen } = await ask({ model: 'auto', messages: ofCount }, { authorization: `Bearer sk-${name}` });
    expect(seen.metadata.router_key).toBe(name);
    expect(seen.input !== undefined && seen.output !== undefined).toBe(is);
    expect(seen.input === undefined && seen.output === undefined).toBe(!is);
  });
});

test('nothing is kept unless it is asked for', async () => {
  weir = await start('', { CAPTURE_CONTENT: 'false' });
  const { seen } = await ask({ model: 'local', messages: ofCount });
  expect([seen.input, seen.output]).toEqual([undefined, undefined]);
  await weir.stop();
  weir = await start('', { CAPTURE_CONTENT_BYTES: '0' });
  const none = await ask({ model: 'cloud', messages: ofCount });
  expect([none.seen.input, none.seen.output]).toEqual([undefined, undefined]);
  await weir.stop();
  langfuse.reset();
});
