/** Generations in a Langfuse that checks all that it is sent. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chatRequest, eventually, hello, localState, long, Raw, Sim, weather, Weir } from './harness.ts';
import { keys, Langfuse, type Observation } from './langfuse-stand-in.ts';

let sim: Sim;
let langfuse: Langfuse;
const started: Weir[] = [];

beforeAll(async () => {
  sim = await Sim.start();
  langfuse = await Langfuse.open();
});
afterAll(async () => {
  await langfuse?.close();
  await sim?.stop();
});
afterEach(async () => {
  // what it has said must not give away what opens the door
  for (const weir of started.splice(0)) {
    if (weir.exit === undefined) await weir.stop();
    for (const line of weir.log)
      for (const secret of [keys.publicKey, keys.secretKey, btoa(`${keys.publicKey}:${keys.secretKey}`)])
        expect(line).not.toContain(secret);
  }
  await sim.fault('vllm', null);
  await sim.fault('anthropic', null);
  langfuse.reset();
});

type Mode = 'otel' | 'batch';

async function start(mode: Mode, env: Record<string, string> = {}): Promise<Weir> {
  // one worker: what it tells is in the order of the answers
  const weir = await Weir.between(sim, { WEIR_WORKERS: '1', ...langfuse.env(mode), ...env });
  started.push(weir);
  await localState(weir, 'warm');
  return weir;
}

/** The generation of a request, when it has come. */
function generation(id: string): Promise<Observation> {
  return eventually(`the generation of ${id}`, () =>
    langfuse.observations.find((o) => o.metadata.router_request_id === id),
  );
}

const idOf = (answer: Response) => answer.headers.get('x-request-id')!;

async function ask(weir: Weir, body: object, headers: Record<string, string> = {}, path?: string) {
  const answer = await weir.post(body, headers, path);
  const text = await answer.text();
  return { answer, text, id: idOf(answer) };
}

/** Waits until all that was taken has left, one way or the other. */
async function tell(weir: Weir, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push((await ask(weir, { model: 'local', messages: hello })).id);
  return ids;
}

const arrived = () => langfuse.observations.map((o) => o.metadata.router_request_id);

function allArrived(ids: string[], ms = 15_000): Promise<unknown> {
  return eventually(`${ids.length} generations`, () => langfuse.observations.length >= ids.length, ms);
}

/** What tokens of Claude Sonnet cost: dollars for a million of each kind, as the
 * list that is shipped has them. */
function dollars(usage: Record<string, number>): number {
  const prices: Record<string, number> = {
    input: 3,
    output: 15,
    cache_read_input_tokens: 0.3,
    cache_creation_input_tokens: 3.75,
  };
  let nano = 0;
  for (const [kind, price] of Object.entries(prices)) nano += (usage[kind] ?? 0) * Math.round(price * 1000);
  return nano / 1e9;
}

/** What /metrics says became of them. */
async function figures(weir: Weir): Promise<Record<string, number>> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const out: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(
    /^weir_export_(?:items|dropped)_total\{exporter="langfuse",(?:result|cause)="(\w+)"\} (\d+)$/gm,
  ))
    if (value !== '0') out[name!] = Number(value);
  return out;
}

const counted = (weir: Weir, expected: Record<string, number>) =>
  eventually(`the figures are ${JSON.stringify(expected)}`, async () => {
    const got = await figures(weir);
    return JSON.stringify(Object.entries(got).sort()) === JSON.stringify(Object.entries(expected).sort());
  });

describe.each(['otel', 'batch'] as Mode[])('by %s', (mode) => {
  let weir: Weir;
  beforeEach(async () => {
    weir = await start(mode, {
      LANGFUSE_TRACING_ENVIRONMENT: 'production',
      LANGFUSE_RELEASE: 'v7',
      PROBE_INTERVAL: '200ms',
    });
  });

  test('a local answer is told with all that is known of it', async () => {
    const began = new Date().toISOString();
    const { id, text } = await ask(weir, { model: 'auto', max_tokens: 50, temperature: 0.5, messages: hello });
    const ended = new Date().toISOString();
    const { usage } = JSON.parse(text);
    const g = await generation(id);
    expect(g).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      parentId: undefined,
      type: 'generation',
      name: 'chat.completions',
      traceName: 'chat.completions',
      start: expect.any(String),
      end: expect.any(String),
      firstToken: g.firstToken,
      model: 'qwen2.5-7b',
      parameters: { max_tokens: 50, temperature: 0.5 },
      usage: { input: usage.prompt_tokens, output: usage.completion_tokens, total: usage.total_tokens },
      cost: undefined,
      level: 'DEFAULT',
      message: undefined,
      input: undefined,
      output: undefined,
      environment: 'production',
      release: 'v7',
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      user: undefined,
      session: undefined,
      tags: [],
      metadata: expect.objectContaining({
        router_request_id: id,
        router_trace_id: g.traceId,
        router_span_id: g.id,
        router_format: 'chat',
        router_requested_model: 'auto',
        router_backend: 'local',
        router_target: 'vllm',
        router_reason: expect.any(String),
        router_estimated_tokens: expect.any(Number),
        router_stream: false,
        router_tries: 1,
        router_status: 200,
        router_finish: 'stop',
        router_unpriced: true,
        router_cloud_cost: dollars(g.usage!),
      }),
    });
    expect(g.metadata).not.toHaveProperty('router_fallback_from');
    expect(began <= g.start && g.start <= g.end && g.end <= ended).toBe(true);
    expect((await weir.logged(id)).trace).toBe(g.traceId);
  });

  test('a translated answer of the cloud', async () => {
    const { id, text } = await ask(weir, { model: 'cloud', messages: long, stop: ['x', 'y'] });
    const { usage } = JSON.parse(text);
    expect(await generation(id)).toMatchObject({
      model: 'claude-sonnet-4-6',
      level: 'DEFAULT',
      parameters: { stop_sequences: 2 },
      usage: { input: usage.prompt_tokens, output: usage.completion_tokens },
      cost: { total: dollars({ input: usage.prompt_tokens, output: usage.completion_tokens }) },
      metadata: { router_backend: 'cloud', router_target: 'anthropic', router_requested_model: 'cloud' },
    });
  });

  test.each(['local', 'cloud'])('a stream of the %s backend, with its first token', async (model) => {
    const { id, text } = await ask(weir, {
      model,
      stream: true,
      stream_options: { include_usage: true },
      messages: hello,
    });
    const last = text.split('\n').filter((l) => l.startsWith('data: {')).at(-1)!;
    const { usage } = JSON.parse(last.slice(6));
    const g = await generation(id);
    expect(g).toMatchObject({
      usage: { input: usage.prompt_tokens, output: usage.completion_tokens, total: usage.total_tokens },
      metadata: { router_stream: true, router_backend: model, router_finish: 'stop' },
    });
    expect(g.start <= g.firstToken! && g.firstToken! <= g.end).toBe(true);
  });

  test.each(['local', 'cloud'])('a call of a tool by the %s backend', async (model) => {
    const { id } = await ask(weir, {
      model,
      messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
      tools: [weather],
      tool_choice: 'required',
    });
    expect(await generation(id)).toMatchObject({ level: 'DEFAULT', metadata: { router_finish: 'tool_calls' } });
  });

  test('the other formats at the door', async () => {
    const messages = await ask(
      weir,
      { model: 'claude-sonnet-4-6', max_tokens: 20, messages: hello, metadata: { user_id: 'u-7' } },
      {},
      '/v1/messages',
    );
    expect(await generation(messages.id)).toMatchObject({
      user: 'u-7',
      parameters: { max_tokens: 20 },
      metadata: { router_format: 'messages' },
    });
    const responses = await ask(weir, { model: 'local', input: 'Say hello' }, {}, '/v1/responses');
    expect(await generation(responses.id)).toMatchObject({ metadata: { router_format: 'responses' } });
  });

  test('the cache: each token is of one kind', async () => {
    const body = {
      model: 'claude-sonnet-4-6',
      max_tokens: 20,
      system: [
        { type: 'text', text: `A long instruction for ${mode}. `.repeat(500), cache_control: { type: 'ephemeral' } },
      ],
      messages: hello,
    };
    const first = await ask(weir, body, {}, '/v1/messages');
    const second = await ask(weir, body, {}, '/v1/messages');
    const usage = JSON.parse(second.text).usage;
    const { usage: written = {}, cost } = await generation(first.id);
    expect(cost).toEqual({ total: dollars(written) });
    expect(written.cache_creation_input_tokens).toBeGreaterThan(100);
    expect(written).not.toHaveProperty('cache_read_input_tokens');
    const read = await generation(second.id);
    expect(read.usage).toEqual({
      input: usage.input_tokens,
      output: usage.output_tokens,
      cache_read_input_tokens: written.cache_creation_input_tokens,
      total: usage.input_tokens + usage.output_tokens + written.cache_creation_input_tokens!,
    });
    expect(read.cost).toEqual({ total: dollars(read.usage!) });
    expect(read.cost!.total).toBeLessThan(cost!.total!);
  });

  test('user, session, tags and metadata of the request', async () => {
    const { id } = await ask(
      weir,
      {
        model: 'local',
        messages: hello,
        user: 'übung-1',
        metadata: { tags: 'red, blue,red', team: 'a "b"', router_target: 'mine', __proto__x: '1', 'a.constructor': '2' },
      },
      { 'x-session-id': 'session-9' },
    );
    const g = await generation(id);
    expect(g).toMatchObject({
      user: 'übung-1',
      session: 'session-9',
      tags: ['red', 'blue'],
      metadata: { team: 'a "b"', router_target: 'vllm', __proto__x: '1' },
    });
    expect(g.metadata).not.toHaveProperty('a.constructor');
    expect(g.metadata).not.toHaveProperty('tags');
  });

  test('a trace that the caller has begun goes on', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const { id } = await ask(
      weir,
      { model: 'local', messages: hello },
      { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    );
    const g = await generation(id);
    expect(g).toMatchObject({ traceId, parentId: '00f067aa0ba902b7' });
    expect(g.traceName).toBeUndefined();
    expect(g.id).not.toBe('00f067aa0ba902b7');
  });

  test('what went wrong: a model that is none, a field that is wrong, a backend that fails', async () => {
    const none = await ask(weir, { model: 'no-such-model', messages: hello });
    expect(await generation(none.id)).toMatchObject({
      model: 'no-such-model',
      level: 'ERROR',
      message: 'no_such_model: The model does not exist.',
      metadata: { router_status: 404, router_tries: 0 },
    });
    const wrong = await ask(weir, { model: 'local', messages: 'hello' });
    expect(await generation(wrong.id)).toMatchObject({ level: 'ERROR', metadata: { router_status: 400 } });
    await sim.fault('anthropic', { fault: 'error', status: 500, seconds: 60 });
    const failed = await ask(weir, { model: 'claude-sonnet-4-6', messages: hello }, { 'x-router-policy': 'cloud-only' });
    expect(failed.answer.status).toBeGreaterThanOrEqual(500);
    const g = await generation(failed.id);
    expect(g).toMatchObject({ level: 'ERROR', metadata: { router_status: failed.answer.status } });
    expect(g.usage).toBeUndefined();
  });

  test('another backend answers', async () => {
    await sim.fault('vllm', { fault: 'late', ms: 60_000, seconds: 60 });
    const short = await start(mode, { FIRST_BYTE_TIMEOUT: '200ms' });
    const { id, answer } = await ask(short, { model: 'local', messages: hello });
    expect(answer.headers.get('x-router-reason')).toBe('fallback:first_byte_timeout');
    expect(await generation(id)).toMatchObject({
      model: 'claude-sonnet-4-6',
      level: 'WARNING',
      message: 'fallback:first_byte_timeout',
      metadata: { router_backend: 'cloud', router_fallback_from: 'vllm', router_tries: 2, router_status: 200 },
    });
  });

  test.each([false, true])('a caller that leaves (a stream: %s)', async (stream) => {
    const slow = await Sim.start('--tokens-per-second', '20');
    const between = await Weir.between(slow, langfuse.env(mode));
    started.push(between);
    await localState(between, 'warm');
    const raw = await Raw.open(between.port);
    const body = { model: 'local', stream, messages: [{ role: 'user', content: 'Count from 1 to 200' }] };
    raw.send(chatRequest(body).replace('Host: test', 'Host: test\r\nX-Request-Id: left-1'));
    await eventually('it runs', async () => (await slow.state('vllm')).running === 1);
    if (stream) await eventually('it streams', () => raw.received.includes('data: '));
    raw.close();
    const g = await generation('left-1');
    expect(g).toMatchObject({
      level: 'WARNING',
      message: 'caller_left: The caller closed the connection.',
      metadata: { router_tries: 1, router_stream: stream, router_status: stream ? 200 : 499 },
    });
    expect(g.firstToken === undefined).toBe(!stream);
    await between.stop();
    await slow.stop();
  });

  test('what is no question to a model is no generation', async () => {
    await ask(weir, { model: 'claude-sonnet-4-6', messages: hello }, {}, '/v1/messages/count_tokens');
    await ask(weir, { model: 'auto', messages: hello }, {}, '/v1/route');
    await (await fetch(`${weir.url}/v1/models`)).text();
    await (await fetch(`${weir.url}/health`)).text();
    const ids = await tell(weir, 1);
    await generation(ids[0]!);
    expect(arrived()).toEqual(ids);
  });
});

test('a local model with the price of its server’s hour', async () => {
  const weir = await start('otel', { LOCAL_PRICE_PER_HOUR: '3.6' });
  const { id } = await ask(weir, { model: 'local', messages: hello });
  const g = await generation(id);
  // a tenth of a cent for each second, of the time between these two at most
  expect(g.cost!.total).toBeGreaterThan(0);
  expect(g.cost!.total).toBeLessThanOrEqual(((Date.parse(g.end) - Date.parse(g.start) + 1) / 1000) * 0.001);
  expect(g.metadata).not.toHaveProperty('router_unpriced');
});

test('embeddings', async () => {
  const weir = await Weir.configured(
    `backends:
  - name: gpu
    tier: local
    url: ${sim.vllm}
    models: [{ name: qwen2.5-7b, serves: embeddings }]
`,
    langfuse.env(),
  );
  started.push(weir);
  const { id, answer } = await ask(weir, { model: 'qwen2.5-7b', input: 'Say hello' }, {}, '/v1/embeddings');
  expect(answer.status).toBe(200);
  expect(await generation(id)).toMatchObject({
    name: 'embeddings',
    traceName: 'embeddings',
    model: 'qwen2.5-7b',
    level: 'DEFAULT',
  });
});

test('what is turned away at the door is no generation', async () => {
  const weir = await Weir.configured(
    `local: { url: '${sim.vllm}', model: qwen2.5-7b }
keys: [{ name: team, secret: sk-team }]
`,
    langfuse.env(),
  );
  started.push(weir);
  expect((await ask(weir, { model: 'local', messages: hello })).answer.status).toBe(401);
  const { id } = await ask(weir, { model: 'local', messages: hello }, { authorization: 'Bearer sk-team' });
  expect(await generation(id)).toMatchObject({ metadata: { router_key: 'team' } });
  await weir.stop();
  expect(arrived()).toEqual([id]);
  expect(JSON.stringify(langfuse.observations)).not.toContain('sk-team');
});

test('a share of the traces is chosen by their ids', async () => {
  const weir = await start('otel', { LANGFUSE_SAMPLE_RATE: '0.25' });
  const ids: string[] = [];
  // the last 14 digits decide: 0.25 are those from c… on
  for (const digit of ['0', '7', 'b', 'c', 'f'])
    ids.push(
      (
        await ask(
          weir,
          { model: 'local', messages: hello },
          { traceparent: `00-aaaaaaaaaaaaaaaa00${digit}0000000000001-00f067aa0ba902b7-00` },
        )
      ).id,
    );
  await weir.stop();
  expect(arrived()).toEqual(ids.slice(3));
});

test('many leave together, in order, and packed when it is asked for', async () => {
  const weir = await start('otel', { LANGFUSE_FLUSH_INTERVAL: '60', LANGFUSE_FLUSH_AT: '20', LANGFUSE_GZIP: 'true' });
  const ids = await tell(weir, 45);
  await weir.stop(); // and what waits yet leaves at the end
  expect(arrived()).toEqual(ids);
  expect(langfuse.seen.map((s) => s.count)).toEqual([20, 20, 5]);
  for (const seen of langfuse.seen) expect(seen.isZipped).toBe(true);
  expect(langfuse.seen[0]!.bytes).toBeLessThan(20 * 400);
});

// --- what can go wrong on the way -------------------------------------------------------

describe.each(['otel', 'batch'] as Mode[])('on the way, by %s', (mode) => {
  test.each([
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '1' } }],
    ['503', { status: 503 }],
    ['a page of somebody else', { status: 200, body: '<html>Please log in</html>' }],
    ['a cut connection', { cuts: true as const }],
  ])('%s: the same comes later, and what came meanwhile behind it', async (_how, fault) => {
    langfuse.faults.push(fault);
    const weir = await start(mode);
    const ids = await tell(weir, 3);
    await eventually('the first has failed', () => langfuse.faults.length === 0);
    ids.push(...(await tell(weir, 3)));
    await allArrived(ids);
    expect(arrived()).toEqual(ids);
    await counted(weir, { taken: 6, delivered: 6 });
    await weir.stop();
    expect(arrived()).toEqual(ids);
  });

  test('Retry-After is heeded', async () => {
    langfuse.faults.push({ status: 429, headers: { 'retry-after': '2' } });
    const weir = await start(mode);
    const ids = await tell(weir, 1);
    await eventually('it was asked to wait', () => langfuse.seen.length === 1);
    const asked = Date.now();
    await allArrived(ids);
    expect(Date.now() - asked).toBeGreaterThan(1500);
  });

  test('who says nothing is asked again when the time is up', async () => {
    langfuse.faults.push({ hangs: true });
    const weir = await start(mode, { LANGFUSE_TIMEOUT: '500ms' });
    const ids = await tell(weir, 2);
    await allArrived(ids);
    expect(arrived()).toEqual(ids);
  });

  test('what is refused as a whole is not sent again', async () => {
    langfuse.faults.push({ status: 400, body: '{"error":"as the test wants it"}' });
    const weir = await start(mode, { LANGFUSE_FLUSH_AT: '2', LANGFUSE_FLUSH_INTERVAL: '60' });
    await tell(weir, 2);
    const ids = await tell(weir, 2);
    await allArrived(ids);
    expect(arrived()).toEqual(ids);
    expect(langfuse.seen).toHaveLength(2);
    await counted(weir, { taken: 4, delivered: 2, rejected: 2 });
    await weir.says(/"telemetry was refused".*as the test wants it/);
  });

  test('keys that are wrong are said once, and what is told is kept in the spool until they are right', async () => {
    const spool = mkdtempSync(join(tmpdir(), 'weir-spool-'));
    try {
      const wrong = await start(mode, { LANGFUSE_SECRET_KEY: 'sk-lf-wrong', TELEMETRY_SPOOL_DIR: spool });
      const ids = await tell(wrong, 3);
      await wrong.says(/"langfuse takes no generations".*it answers 401: are the keys/);
      ids.push(...(await tell(wrong, 3)));
      await wrong.stop();
      expect(wrong.log.filter((l) => l.includes('langfuse takes no generations'))).toHaveLength(1);
      expect(wrong.log.filter((l) => l.includes('sk-lf-wrong'))).toEqual([]);
      expect(langfuse.observations).toEqual([]);
      const right = await start(mode, { TELEMETRY_SPOOL_DIR: spool });
      await allArrived(ids);
      await right.stop();
      expect(arrived()).toEqual(ids);
      expect(readdirSync(spool, { recursive: true }).filter((f) => !`${f}`.endsWith('.lock'))).toEqual([]);
    } finally {
      rmSync(spool, { recursive: true });
    }
  });

  test('a receiver that is away for a while misses nothing, and nothing comes twice', async () => {
    const spool = mkdtempSync(join(tmpdir(), 'weir-spool-'));
    try {
      await langfuse.close();
      const weir = await start(mode, {
        LANGFUSE_FLUSH_AT: '4',
        TELEMETRY_SPOOL_DIR: spool,
      });
      const ids = await tell(weir, 10);
      await weir.says(/"telemetry cannot be delivered".*langfuse/);
      await weir.stop();
      const next = await start(mode, { TELEMETRY_SPOOL_DIR: spool });
      ids.push(...(await tell(next, 5)));
      await langfuse.listen();
      await allArrived(ids, 40_000);
      await next.stop();
      expect(arrived()).toEqual(ids);
    } finally {
      if (!langfuse.isListening) await langfuse.listen();
      rmSync(spool, { recursive: true });
    }
  }, 60_000);
});

test('spans that were not taken are not sent again', async () => {
  langfuse.faults.push({ rejects: 2 });
  const weir = await start('otel', { LANGFUSE_FLUSH_AT: '5', LANGFUSE_FLUSH_INTERVAL: '60' });
  const ids = await tell(weir, 10);
  await allArrived(ids.slice(2));
  await counted(weir, { taken: 10, delivered: 8, rejected: 2 });
  await weir.stop();
  expect(arrived()).toEqual([...ids.slice(0, 3), ...ids.slice(5)]);
  expect(langfuse.seen.map((s) => s.count)).toEqual([5, 5]);
});

test('events that failed come again with the same ids, and no other', async () => {
  langfuse.faults.push({ refuses: { 'generation-create': 500 } }, { refuses: { 'generation-create': 429 } });
  const weir = await start('batch', { LANGFUSE_FLUSH_AT: '5', LANGFUSE_FLUSH_INTERVAL: '60' });
  const ids = await tell(weir, 5);
  await allArrived(ids);
  await counted(weir, { taken: 5, delivered: 5 });
  await weir.stop();
  expect(arrived()).toEqual(ids);
  expect(langfuse.seen.map((s) => s.count)).toEqual([10, 5, 5]);
});

test('events that are wrong are dropped, the others are not', async () => {
  langfuse.faults.push({ refuses: { 'generation-create': 400, 'trace-create': 503 } });
  const weir = await start('batch', { LANGFUSE_FLUSH_AT: '2', LANGFUSE_FLUSH_INTERVAL: '60' });
  await tell(weir, 2);
  const ids = await tell(weir, 2);
  await allArrived(ids);
  await counted(weir, { taken: 4, delivered: 2, rejected: 2 });
  await weir.stop();
  expect(arrived()).toEqual(ids);
  expect(langfuse.seen.map((s) => s.count)).toEqual([4, 4]);
});

test('a server that takes no events any more is said so', async () => {
  langfuse.isNew = true;
  const weir = await start('batch');
  await tell(weir, 1);
  await weir.says(/this server takes them by OpenTelemetry alone: set langfuse.mode to otel/);
  expect(langfuse.observations).toEqual([]);
});
