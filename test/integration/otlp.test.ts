// Traces by OTLP, as a real OpenTelemetry Collector takes them.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { Collector } from './collector.ts';
import { eventually, hello, Sim, sleep, Weir } from './harness.ts';

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: string; doubleValue?: number; boolValue?: boolean; arrayValue?: any };
}

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: Attribute[];
  events?: { timeUnixNano: string; name: string; attributes?: Attribute[] }[];
  links?: { traceId: string; spanId: string }[];
  status: { code?: number; message?: string };
  resource: Record<string, unknown>;
}

const SERVER = 2;
const CLIENT = 3;

const valueOf = ({ value }: Attribute): unknown =>
  value.stringValue ??
  (value.intValue !== undefined ? Number(value.intValue) : undefined) ??
  value.doubleValue ??
  value.boolValue ??
  value.arrayValue?.values.map((each: any) => each.stringValue);
const facts = (attributes: Attribute[] = []): Record<string, unknown> => {
  const found = Object.fromEntries(attributes.map((attribute) => [attribute.key, valueOf(attribute)]));
  expect(Object.keys(found), 'each key once').toHaveLength(attributes.length);
  return found;
};
const events = (span: Span) => (span.events ?? []).map(({ name, attributes }) => ({ name, ...facts(attributes) }));

let sim: Sim;
let collector: Collector;
let weir: Weir | undefined;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '500');
  collector = await Collector.start();
});
afterEach(async () => {
  await weir?.stop();
  weir = undefined;
});
afterAll(async () => {
  await collector?.stop();
  await sim?.stop();
});

const spansOf = (service: string): Span[] =>
  collector
    .received()
    .flatMap(({ resourceSpans = [] }: any) => resourceSpans)
    .filter(({ resource }: any) => facts(resource.attributes)['service.name'] === service)
    .flatMap(({ resource, scopeSpans }: any) =>
      scopeSpans.flatMap(({ spans }: any) => spans.map((span: any) => ({ ...span, resource: facts(resource.attributes) }))),
    );

let turn = 0;
/** A service name that no other router had. */
const newService = () => `router-${process.pid}-${turn++}`;

const otel = (service: string, protocol: string): Record<string, string> => ({
  OTEL_SERVICE_NAME: service,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpc : collector.http,
  OTEL_BSP_SCHEDULE_DELAY: '100',
});

/** The spans of the trace that an answer belongs to, the server's first. */
async function treeOf(service: string, answer: Response, spans: number): Promise<Span[]> {
  const [, traceId, spanId] = /^00-(.{32})-(.{16})-0[0-3]$/.exec(answer.headers.get('traceparent')!)!;
  const found = await eventually(`${spans} spans of ${traceId}`, () => {
    const all = spansOf(service).filter((span) => span.traceId === traceId);
    return all.length >= spans ? all : undefined;
  });
  expect(found).toHaveLength(spans);
  const server = found.find(({ kind }) => kind === SERVER)!;
  const clients = found.filter(({ kind }) => kind === CLIENT);
  expect(server.spanId).toBe(spanId);
  expect(clients).toHaveLength(spans - 1);
  for (const client of clients) {
    expect(client.parentSpanId).toBe(server.spanId);
    expect(BigInt(client.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(server.startTimeUnixNano));
    expect(BigInt(client.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(server.endTimeUnixNano));
    expect(Object.keys(facts(client.attributes)).filter((key) => key.startsWith('llm.'))).toEqual([]);
  }
  return [server, ...clients.sort((a, b) => (BigInt(a.startTimeUnixNano) < BigInt(b.startTimeUnixNano) ? -1 : 1))];
}

const port = (url: string) => Number(new URL(url).port);

describe.each([
  ['grpc', 'none'],
  ['http/protobuf', 'none'],
  ['http/json', 'none'],
  ['grpc', 'gzip'],
  ['http/protobuf', 'gzip'],
  ['http/json', 'gzip'],
])('by %s, packed with %s', (protocol, compression) => {
  let service: string;
  const start = async (env: Record<string, string> = {}) => {
    service = newService();
    weir = await Weir.between(sim, {
      ...otel(service, protocol),
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
      ...env,
    });
    return weir;
  };

  test('a local answer, in the trace of its caller', async () => {
    const router = await start({ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test%20bed' });
    const answer = await router.post(
      { model: 'local', max_tokens: 50, temperature: 0.7, messages: hello },
      { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'vendor=a:b, other=1' },
    );
    const { id, usage } = (await answer.json()) as any;
    const [server, client] = await treeOf(service, answer, 2);

    expect(server!.name).toBe('chat.completions');
    expect(server!.parentSpanId).toBe('00f067aa0ba902b7');
    expect(server!.traceState).toMatch(/^vendor=a:b,\s?other=1$/);
    expect(server!.flags & 0x3ff).toBe(0x301);
    expect(server!.status).toEqual({});
    expect(facts(server!.attributes)).toEqual({
      'llm.model.requested': 'local',
      'llm.backend': 'local',
      'llm.max_tokens': 50,
      'llm.prompt_tokens_estimated': 3,
      'llm.latency_ms': expect.any(Number),
    });
    expect(events(server!)).toEqual([{ name: 'routed', reason: 'explicit', target: 'vllm', pinned: false }]);
    expect(server!.resource).toMatchObject({
      'service.name': service,
      'deployment.environment.name': 'test bed',
      'telemetry.sdk.language': 'c',
      'service.instance.id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    });

    expect(client!.name).toBe('chat qwen2.5-7b');
    expect(client!.status).toEqual({});
    expect(facts(client!.attributes)).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vllm',
      'gen_ai.request.model': 'qwen2.5-7b',
      'gen_ai.request.max_tokens': 50,
      'gen_ai.request.temperature': 0.7,
      'gen_ai.response.id': id,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': usage.prompt_tokens,
      'gen_ai.usage.output_tokens': usage.completion_tokens,
      'server.address': '127.0.0.1',
      'server.port': port(sim.vllm),
      'http.response.status_code': 200,
    });
    // what the backend was told names the try
    const { last } = await sim.state('vllm');
    expect(last!.headers.traceparent).toBe(`00-${client!.traceId}-${client!.spanId}-01`);
    expect(last!.headers.tracestate).toMatch(/^vendor=a:b,\s?other=1$/);
  });

  test('a cloud answer, streamed', async () => {
    const router = await start();
    const answer = await router.post({ model: 'cloud', stream: true, messages: hello });
    await answer.text();
    const [server, client] = await treeOf(service, answer, 2);

    expect(facts(server!.attributes)).toMatchObject({ 'llm.model.requested': 'cloud', 'llm.backend': 'cloud' });
    expect(server!.parentSpanId ?? '').toBe('');
    expect(events(server!).map(({ name }) => name)).toEqual(['routed', 'first_token']);
    expect(client!.name).toMatch(/^chat claude-/);
    expect(facts(client!.attributes)).toMatchObject({
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.request.stream': true,
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
      'gen_ai.usage.input_tokens': expect.any(Number),
      'gen_ai.usage.output_tokens': expect.any(Number),
    });
  });

  test('a fallback: a failed try and a good one', async () => {
    await sim.fault('vllm', { fault: 'status', status: 500, count: 1 });
    const router = await start();
    const answer = await router.post({ model: 'local', messages: hello });
    await answer.text();
    await sim.fault('vllm', null);
    expect(answer.headers.get('x-router-reason')).toBe('fallback:500');
    const [server, failed, good] = await treeOf(service, answer, 3);

    expect(server!.status).toEqual({});
    expect(facts(server!.attributes)).toMatchObject({ 'llm.model.requested': 'local', 'llm.backend': 'cloud' });
    expect(events(server!)).toEqual([
      { name: 'routed', reason: 'fallback:500', target: 'anthropic', pinned: false },
      { name: 'fallback', cause: '500', target: 'anthropic' },
    ]);
    expect(failed!.status).toEqual({ code: 2, message: expect.stringContaining('HTTP 500') });
    expect(facts(failed!.attributes)).toMatchObject({ 'error.type': '500', 'http.response.status_code': 500 });
    expect(facts(failed!.attributes)).not.toHaveProperty('gen_ai.usage.input_tokens');
    expect(good!.status).toEqual({});
    expect(facts(good!.attributes)).toMatchObject({
      'gen_ai.provider.name': 'anthropic',
      'http.request.resend_count': 1,
      'gen_ai.usage.output_tokens': expect.any(Number),
    });
  });

  test('a caller who leaves', async () => {
    const router = await start();
    const leaving = new AbortController();
    const answer = await router.post(
      { model: 'local', stream: true, messages: [{ role: 'user', content: 'Count from 1 to 1000' }] },
      {},
      '/v1/chat/completions',
      { signal: leaving.signal },
    );
    await answer.body!.getReader().read();
    leaving.abort();
    const [server, client] = await treeOf(service, answer, 2);

    expect(server!.status).toEqual({});
    expect(events(server!).at(-1)).toEqual({ name: 'caller.left' });
    expect(client!.status).toEqual({});
    expect(facts(client!.attributes)).not.toHaveProperty('error.type');
  });

  test('an error of all backends, and a mistake of the caller', async () => {
    const router = await start();
    await sim.fault('vllm', { fault: 'status', status: 500 });
    await sim.fault('anthropic', { fault: 'status', status: 500 });
    const bad = await router.post({ model: 'local', messages: hello });
    await sim.fault('vllm', null);
    await sim.fault('anthropic', null);
    expect(bad.status).toBeGreaterThanOrEqual(500);
    const [server, ...tries] = await treeOf(service, bad, 3);
    expect(server!.status).toEqual({ code: 2, message: expect.stringMatching(/^\w+: /) });
    for (const each of tries) expect(each.status.code).toBe(2);

    const wrong = await router.post({ model: 'no-such-model', messages: hello });
    expect(wrong.status).toBe(404);
    const [refused] = await treeOf(service, wrong, 1);
    expect(refused!.status).toEqual({});
    expect(facts(refused!.attributes)).toEqual({
      'llm.model.requested': 'no-such-model',
      'llm.max_tokens': expect.any(Number),
    });
  });
});

// --- which are sent --------------------------------------------------------------

describe('sampling', () => {
  const ask = async (env: Record<string, string>, headers: Record<string, string>[]) => {
    const service = newService();
    weir = await Weir.between(sim, { ...otel(service, 'grpc'), ...env });
    const ids: string[] = [];
    for (const each of headers) {
      const answer = await weir.post({ model: 'local', messages: hello }, each);
      await answer.text();
      ids.push(answer.headers.get('traceparent')!);
    }
    await weir.stop(); // which brings everything out
    weir = undefined;
    await sleep(500); // and the collector writes it down
    return { ids, sent: new Set(spansOf(service).map(({ traceId }) => traceId)) };
  };

  test('half of the traces, by their ids alone', async () => {
    const parents = [0, 0x7f, 0x80, 0xff].map((byte) => ({
      // the low 56 bits decide
      traceparent: `00-4bf92f3577b34da60${byte.toString(16).padStart(2, '0')[0]}${byte.toString(16).padStart(2, '0')}000000000000-00f067aa0ba902b7-01`,
    }));
    const { ids, sent } = await ask({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' }, parents);
    const sampled = ids.map((id) => id.endsWith('1') || id.endsWith('3'));
    expect(sampled).toEqual(parents.map(({ traceparent }) => Number.parseInt(traceparent.slice(21, 23), 16) >= 0x80));
    expect(sent.size).toBe(sampled.filter(Boolean).length);
  });

  test('what the caller has decided, and nothing when it is off', async () => {
    const caller = (flags: string, digit: string) => ({
      traceparent: `00-${digit.repeat(32)}-00f067aa0ba902b7-${flags}`,
    });
    expect((await ask({}, [caller('01', 'a'), caller('00', 'b'), {}])).sent).toHaveLength(2);
    expect((await ask({ OTEL_TRACES_SAMPLER: 'always_off' }, [caller('01', 'c'), {}])).sent).toHaveLength(0);
  });

  test('nothing without an exporter, nor when the SDK is switched off', async () => {
    expect((await ask({ OTEL_TRACES_EXPORTER: 'none' }, [{}])).sent).toHaveLength(0);
    expect((await ask({ OTEL_SDK_DISABLED: 'true' }, [{}])).sent).toHaveLength(0);
  });
});

// --- a receiver of our own --------------------------------------------------------

describe('a receiver', () => {
  let server: Server;
  let asked: { path: string; headers: IncomingHttpHeaders; body: string; at: number }[];
  let answers: { status: number; headers?: Record<string, string>; body?: string }[];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text) => (body += text));
      request.on('end', () => {
        const { status, headers = {}, body: told = '{}' } = answers.shift() ?? { status: 200 };
        asked.push({ path: request.url!, headers: request.headers, body, at: Date.now() });
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(told);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  const start = async (env: Record<string, string> = {}) => {
    asked = [];
    answers = [];
    weir = await Weir.between(sim, {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...env,
    });
    return weir;
  };
  const ask = async (router: Weir) => (await router.post({ model: 'local', messages: hello })).text();
  const dropped = (cause: string) => weir!.metric(`weir_export_dropped_total{exporter="otlp",cause="${cause}"}`);

  test('gets headers, at the path of its signal, and the log has none of them', async () => {
    const router = await start({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cret,x-tenant=a' });
    await ask(router);
    await eventually('a request', () => asked.length > 0);
    expect(asked[0]!.path).toBe('/base/v1/traces');
    expect(asked[0]!.headers).toMatchObject({
      authorization: 'Bearer s3cret',
      'x-tenant': 'a',
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^OTel-OTLP-Exporter-C\//),
    });
    const { resourceSpans } = JSON.parse(asked[0]!.body);
    expect(resourceSpans[0].scopeSpans[0].spans).toHaveLength(2);
    await router.stop();
    expect(router.log.join('\n')).not.toContain('s3cret');
  });

  test('its own endpoint is taken as it is', async () => {
    const { port } = server.address() as AddressInfo;
    const router = await start({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/elsewhere` });
    await ask(router);
    await eventually('a request', () => asked.length > 0);
    expect(asked[0]!.path).toBe('/elsewhere');
  });

  test('that asks to wait is waited for, and gets the same once', async () => {
    const router = await start();
    answers.push({ status: 429, headers: { 'retry-after': '1' } }, { status: 503 });
    await ask(router);
    await eventually('three attempts', () => asked.length === 3, 15_000);
    expect(asked[1]!.body).toBe(asked[0]!.body);
    expect(asked[2]!.body).toBe(asked[0]!.body);
    expect(asked[1]!.at - asked[0]!.at).toBeGreaterThan(900);
    await eventually('delivered', async () => (await router.metric('weir_export_items_total{exporter="otlp",result="delivered"}')) === 2);
    expect(asked).toHaveLength(3);
  });

  test('that does not want it is not asked again', async () => {
    const router = await start();
    answers.push({ status: 400, body: '{"code":3,"message":"no such tenant"}' });
    await ask(router);
    await eventually('counted', async () => (await dropped('rejected')) === 2);
    await router.says('no such tenant');
    await sleep(300);
    expect(asked).toHaveLength(1);
  });

  test('that takes a part is not asked again, and the rest is counted', async () => {
    const router = await start();
    answers.push({ status: 200, body: '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}' });
    await ask(router);
    await eventually('counted', async () => (await dropped('rejected')) === 1);
    await router.says('too old');
    expect(await router.metric('weir_export_items_total{exporter="otlp",result="delivered"}')).toBe(1);
    expect(asked).toHaveLength(1);
  });

  test('the end brings out what waits for its time', async () => {
    const router = await start({ OTEL_BSP_SCHEDULE_DELAY: '60000' });
    await ask(router);
    expect(asked).toHaveLength(0);
    await router.stop();
    expect(asked).toHaveLength(1);
  });
});

// --- a collector that is away -------------------------------------------------------

/** How long it is away; a minute is for a look by hand. */
const outageMs = 1000 * Number(process.env.WEIR_OUTAGE_SECONDS ?? 6);

test('an outage under load loses nothing, doubles nothing and slows nobody', async () => {
  const service = newService();
  const spool = mkdtempSync(join(tmpdir(), 'spool-'));
  weir = await Weir.between(sim, { ...otel(service, 'grpc'), TELEMETRY_SPOOL_DIR: spool });
  const spooled = () => readdirSync(spool).filter((name) => /\.[0-9a-f]{16}$/.test(name));
  const traces: string[] = [];
  const times: { away: boolean; ms: number }[] = [];
  let away = false;
  let goesOn = true;
  const caller = async () => {
    while (goesOn) {
      const began = performance.now();
      const answer = await weir!.post({ model: 'local', messages: hello });
      await answer.text();
      times.push({ away, ms: performance.now() - began });
      traces.push(answer.headers.get('traceparent')!.slice(3, 35));
      await sleep(5);
    }
  };
  const callers = [caller(), caller(), caller(), caller()];
  await sleep(1500);
  await collector.down();
  away = true;
  await sleep(outageMs);
  expect(spooled()).not.toEqual([]);
  await collector.up();
  away = false;
  await sleep(1500);
  goesOn = false;
  await Promise.all(callers);
  const spans = await eventually(
    'all of them',
    () => {
      const found = spansOf(service);
      return found.length >= 2 * traces.length ? found : undefined;
    },
    40_000,
  );
  expect(traces.length).toBeGreaterThan(200);
  expect(spans).toHaveLength(2 * traces.length);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2 * traces.length);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(traces));
  const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
  const [during, else_] = [true, false].map((which) => median(times.filter((each) => each.away === which).map(({ ms }) => ms)));
  expect(during!).toBeLessThan(else_! * 3 + 5);
  if (process.env.WEIR_OUTAGE_SECONDS)
    console.log(`${traces.length} requests, ${spans.length} spans; median ${during!.toFixed(2)} ms away, ${else_!.toFixed(2)} ms else`);
  await weir.stop();
  weir = undefined;
  expect(spooled()).toEqual([]);
  rmSync(spool, { recursive: true });
}, 90_000 + 2 * outageMs);

test('a receiver that is gone does not hold up the end', async () => {
  const backend = await RawBackend.open();
  backend.answer = () => {}; // takes it, and says nothing
  weir = await Weir.between(sim, {
    OTEL_EXPORTER_OTLP_ENDPOINT: backend.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
  });
  await (await weir.post({ model: 'local', messages: hello })).text();
  await eventually('it has begun', () => backend.sockets.size > 0);
  const began = Date.now();
  await weir.stop();
  expect(Date.now() - began).toBeLessThan(9000);
  await eventually('it is said', () => weir!.log.some((line) => line.includes('telemetry was dropped')));
  weir = undefined;
  backend.close();
});
