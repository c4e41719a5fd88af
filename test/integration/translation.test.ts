// What a backend cannot take: named, counted, refused where that is wanted.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hello, Sim, Weir } from './harness.ts';

interface Format {
  name: string;
  path: string;
  /** The model that it is translated for, and the backend that has it. */
  model: string;
  target: 'vllm' | 'anthropic';
  ask: Record<string, unknown>;
  /** What that backend cannot take, and what the router has never heard of. */
  lost: Record<string, unknown>;
  named: string[];
  other: string;
  /** A built-in tool, and tools of the caller's own. */
  builtin: Record<string, unknown> | undefined;
  own: Record<string, unknown>;
}

const schema = { type: 'object', properties: { city: { type: 'string' } } };
const formats: Format[] = [
  {
    name: 'chat',
    path: '/v1/chat/completions',
    model: 'cloud',
    target: 'anthropic',
    ask: { messages: [{ role: 'user', content: 'Say hello', name: 'Ann' }] },
    lost: { seed: 7, x_odd: true },
    named: ['messages[].name', 'seed', 'x_odd'],
    other: 'x_odd',
    builtin: undefined,
    own: { type: 'function', function: { name: 'weather', parameters: schema } },
  },
  {
    name: 'messages',
    path: '/v1/messages',
    model: 'local',
    target: 'vllm',
    ask: { max_tokens: 99, messages: hello },
    lost: { container: 'c', thinking: { type: 'enabled', budget_tokens: 2048 }, x_odd: true },
    named: ['container', 'thinking.budget_tokens', 'x_odd'],
    other: 'x_odd',
    builtin: { type: 'web_search_20250305', name: 'web_search' },
    own: { name: 'weather', input_schema: schema },
  },
  {
    name: 'responses',
    path: '/v1/responses',
    model: 'cloud',
    target: 'anthropic',
    ask: { input: 'Say hello' },
    lost: { truncation: 'auto', text: { verbosity: 'low' }, x_odd: true },
    named: ['text.verbosity', 'truncation', 'x_odd'],
    other: 'x_odd',
    builtin: { type: 'web_search' },
    own: { type: 'function', name: 'weather', parameters: schema },
  },
];

let sim: Sim;
let weir: Weir;
let strict: Weir;
let refusing: Weir;
let dropping: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  [weir, strict, refusing, dropping] = await Promise.all(
    [{}, { STRICT: 'true' }, { BUILTIN_TOOLS: 'refuse' }, { BUILTIN_TOOLS: 'drop' }].map((env) =>
      Weir.between(sim, { ...env, HOLD_TIMEOUT: '10s' } as Record<string, string>),
    ),
  ) as [Weir, Weir, Weir, Weir];
});
afterAll(async () => {
  await Promise.all([weir?.stop(), strict?.stop(), refusing?.stop(), dropping?.stop()]);
  await sim?.stop();
});

const pin = (format: Format) => ({ 'x-router-policy': `${format.model}-only`, 'anthropic-version': '2023-06-01' });
const droppedOf = (answer: Response) => answer.headers.get('x-router-dropped')?.split(', ').sort() ?? [];

describe.each(formats)('$name to $target', (format) => {
  const { name, path, model, target, ask, lost, named, other, builtin, own } = format;
  const post = (router: Weir, more: object, headers: Record<string, string> = {}) =>
    router.post({ model, ...ask, ...more }, { ...pin(format), ...headers }, path);
  const counted = (router: Weir, field: string) =>
    router.metric(`weir_dropped_fields_total{format="${name}",field="${field}"}`);

  /** A refusal names the field, in whatever shape the format has. */
  async function refusal(answer: Response): Promise<string> {
    const text = await answer.text();
    expect(answer.status, text).toBe(400);
    expect(droppedOf(answer)).toEqual([]);
    return (JSON.parse(text) as any).error.message;
  }

  test.each([false, true])('what is left out is named, counted and logged (stream: %s)', async (stream) => {
    const fields = named.map((field) => (field === other ? 'other' : field));
    const before = await Promise.all(fields.map((field) => counted(weir, field)));
    const answer = await post(weir, { ...lost, stream });
    expect(answer.status, await answer.text()).toBe(200);
    expect(droppedOf(answer)).toEqual([...named].sort());
    expect((await weir.logged(answer.headers.get('x-request-id')!)).dropped).toBe(named.length);
    expect(await Promise.all(fields.map((field) => counted(weir, field)))).toEqual(before.map((n) => n + 1));
    const sent = JSON.stringify(await sim.lastBody(target));
    for (const key of Object.keys(lost).filter((key) => key !== 'thinking' && key !== 'text'))
      expect(sent).not.toContain(`"${key}"`);
  });

  test('nothing is named when nothing is lost', async () => {
    const answer = await post(weir, name === 'chat' ? { messages: hello, store: false } : {});
    expect(answer.status).toBe(200);
    expect(answer.headers.has('x-router-dropped')).toBe(false);
    expect(await weir.logged(answer.headers.get('x-request-id')!)).not.toHaveProperty('dropped');
  });

  test('strict is what the operator wants, or the caller', async () => {
    for (const [router, headers] of [
      [strict, {}],
      [strict, { 'x-router-strict': 'false' }], // less is not for the caller to say
      [weir, { 'x-router-strict': 'true' }],
      [weir, { 'x-router-strict': 'TRUE' }],
    ] as [Weir, Record<string, string>][]) {
      const before = (await sim.state(target)).requests;
      const message = await refusal(await post(router, lost, headers));
      expect(named.some((field) => message.startsWith(`${field}: `)), message).toBe(true);
      expect(message).toContain(router === strict ? 'translation.strict' : 'X-Router-Strict');
      expect((await sim.state(target)).requests).toBe(before);
    }
    expect((await post(weir, lost, { 'x-router-strict': 'false' })).status).toBe(200);
    const lossless = name === 'chat' ? { messages: hello } : {};
    expect((await post(strict, lossless)).status).toBe(200);
  });

  test('a word that is neither true nor false is refused', async () => {
    expect(await refusal(await post(weir, {}, { 'x-router-strict': 'yes' }))).toBe(
      'X-Router-Strict: expected true or false, got "yes"',
    );
  });

  if (builtin !== undefined) {
    test('built-in tools are refused, or left out and named', async () => {
      for (const tools of [[builtin], [own, builtin]]) {
        const isAlone = tools.length === 1;
        expect(await refusal(await post(refusing, { tools }))).toContain('web_search');
        const answer = await post(dropping, { tools });
        expect(answer.status, await answer.text()).toBe(200);
        expect(droppedOf(answer).some((field) => field.startsWith('tools[].'))).toBe(true);
        expect((await sim.lastBody(target)).tools?.length ?? 0).toBe(isAlone ? 0 : 1);
        const automatic = await post(weir, { tools });
        expect(automatic.status, await automatic.text()).toBe(isAlone ? 400 : 200);
      }
    });
  }
});

test('where the formats are the same nothing is left out, strict or not', async () => {
  for (const [model, path, more] of [
    ['local', '/v1/chat/completions', { seed: 7, x_odd: true }],
    ['cloud', '/v1/messages', { max_tokens: 99, metadata: { user_id: 'u' } }],
  ] as const) {
    const answer = await strict.post({ model, messages: hello, ...more }, { 'anthropic-version': '2023-06-01' }, path);
    expect(answer.status, await answer.text()).toBe(200);
    expect(answer.headers.has('x-router-dropped')).toBe(false);
    expect(await sim.lastBody(model === 'local' ? 'vllm' : 'anthropic')).toMatchObject(more);
  }
});
