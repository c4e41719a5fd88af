// Metrics by OTLP, as a real OpenTelemetry Collector takes them: they are what
// /metrics says.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Collector } from './collector.ts';
import { type Family, readOpenMetrics, type Sample } from './exposition.ts';
import { eventually, hello, Sim, sleep, Weir } from './harness.ts';

interface Attribute {
  key: string;
  value: { stringValue: string };
}

interface Point {
  attributes?: Attribute[];
  startTimeUnixNano: string;
  timeUnixNano: string;
  asInt?: string;
  asDouble?: number;
  count?: string;
  sum?: number;
  bucketCounts?: string[];
  explicitBounds?: number[];
  exemplars?: { timeUnixNano: string; asDouble: number; spanId: string; traceId: string }[];
}

interface Metric {
  name: string;
  description: string;
  unit?: string;
  sum?: { dataPoints: Point[]; aggregationTemporality: number; isMonotonic: boolean };
  gauge?: { dataPoints: Point[] };
  histogram?: { dataPoints: Point[]; aggregationTemporality: number };
}

interface Push {
  resource: Record<string, string>;
  scope: { name: string; version: string };
  metrics: Metric[];
}

const pairs = (attributes: Attribute[] = []) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
const pointsOf = ({ sum, gauge, histogram }: Metric) => (sum ?? gauge ?? histogram)!.dataPoints;
const timeOf = (push: Push) => BigInt(pointsOf(push.metrics[0]!)[0]!.timeUnixNano);

/** What this service pushed, the oldest first. */
function pushesOf(collector: Collector, service: string): Push[] {
  return collector
    .received()
    .flatMap(({ resourceMetrics = [] }: any) => resourceMetrics)
    .map(({ resource, scopeMetrics }: any) => {
      expect(scopeMetrics).toHaveLength(1);
      return { resource: pairs(resource.attributes), scope: scopeMetrics[0].scope, metrics: scopeMetrics[0].metrics };
    })
    .filter(({ resource }) => resource['service.name'] === service);
}

// --- as Prometheus would have them ---------------------------------------------

const suffixes: Record<string, string> = { s: 'seconds', By: 'bytes', '{USD}': 'dollars', '{token}': '' };

function nameOf({ name, unit, sum }: Metric): string {
  const base = name.replaceAll('.', '_');
  const suffix = suffixes[unit ?? ''] ?? '';
  const whole = suffix === '' || base.endsWith(`_${suffix}`) ? base : `${base}_${suffix}`;
  return sum ? `${whole}_total` : whole;
}

const seriesKey = (name: string, labels: Record<string, string>) =>
  name + JSON.stringify(Object.entries(labels).sort());

/** Every series of the text, by its name and labels. */
function pushedSeries(metrics: Metric[]): Map<string, number> {
  const series = new Map<string, number>();
  const put = (name: string, labels: Record<string, string>, value: number) => {
    const key = seriesKey(name, labels);
    expect(series.has(key), key).toBe(false);
    series.set(key, value);
  };
  for (const metric of metrics)
    for (const point of pointsOf(metric)) {
      const name = nameOf(metric);
      const labels = Object.fromEntries(
        Object.entries(pairs(point.attributes)).map(([key, value]) => [key.replaceAll('.', '_'), value]),
      );
      if (metric.histogram === undefined) {
        put(name, labels, point.asDouble ?? Number(point.asInt));
        continue;
      }
      expect(point.bucketCounts).toHaveLength(point.explicitBounds!.length + 1);
      let below = 0;
      point.bucketCounts!.forEach((n, i) => {
        below += Number(n);
        put(`${name}_bucket`, { ...labels, le: String(point.explicitBounds![i] ?? Infinity) }, below);
      });
      put(`${name}_sum`, labels, point.sum!);
      put(`${name}_count`, labels, Number(point.count ?? 0)); // proto3 leaves zeros out
    }
  return series;
}

function scrapedSeries(families: Family[]): Map<string, number> {
  const edge = ({ le, ...labels }: Record<string, string>) =>
    le === undefined ? labels : { ...labels, le: String(Number(le.replace('Inf', 'Infinity'))) };
  return new Map(
    families.flatMap(({ samples }) =>
      samples.map(({ name, labels, value }): [string, number] => [seriesKey(name, edge(labels)), value]),
    ),
  );
}

/** What goes on while nobody asks anything. */
const restless = /^(process_|weir_(clerk|connections|export|gpu_(seconds|dollars)))/;
const calm = (series: Map<string, number>) =>
  Object.fromEntries([...series].filter(([key]) => !restless.test(key)).sort(([a], [b]) => (a < b ? -1 : 1)));

// --- the router ---------------------------------------------------------------

const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';

let sim: Sim;
let collector: Collector;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '500');
  collector = await Collector.start();
});
afterAll(async () => {
  await collector?.stop();
  await sim?.stop();
});

const toCollector = (service: string, protocol: string) => ({
  WEIR_WORKERS: '2',
  OTEL_SERVICE_NAME: service,
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpc : collector.http,
  OTEL_TRACES_EXPORTER: 'none',
});

async function ask(weir: Weir, ...models: string[]): Promise<void> {
  for (const model of models)
    for (const stream of [true, false]) {
      const answer = await weir.post({ model, stream, messages: hello }, { traceparent: `00-${trace}-${span}-01` });
      await answer.text();
    }
}

const scrape = async (weir: Weir) => {
  const answer = await fetch(`${weir.url}/metrics`, { headers: { accept: 'application/openmetrics-text' } });
  return readOpenMetrics(await answer.text());
};

describe.each([
  ['grpc', 'none'],
  ['grpc', 'gzip'],
  ['http/protobuf', 'none'],
  ['http/json', 'gzip'],
])('by %s, packed with %s', (protocol, compression) => {
  const service = `router ${protocol} ${compression}`;
  let families: Family[];
  let push: Push;

  beforeAll(async () => {
    const weir = await Weir.between(sim, {
      ...toCollector(service, protocol),
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test%20bed',
    });
    await ask(weir, 'local', 'cloud', 'nobody');
    await eventually('all are counted', async () => (await weir.metric('weir_requests_total')) === 6);
    families = await scrape(weir);
    const now = BigInt(Date.now()) * 1_000_000n;
    push = await eventually('a later push', () => pushesOf(collector, service).find((one) => timeOf(one) > now));
    await weir.stop();
  });

  test('every series is what /metrics says', () => {
    const pushed = calm(pushedSeries(push.metrics));
    expect(Object.keys(pushed).length).toBeGreaterThan(150);
    expect(pushed).toEqual(calm(scrapedSeries(families)));
  });

  test('and the restless ones are there', () => {
    const keys = (series: Map<string, number>) => [...series.keys()].filter((key) => restless.test(key)).sort();
    expect(keys(pushedSeries(push.metrics))).toEqual(keys(scrapedSeries(families)));
  });

  test('kinds, units and descriptions are theirs', () => {
    for (const metric of push.metrics) {
      const name = nameOf(metric);
      const family = families.find((f) => [f.name, `${f.name}_total`, `${f.name}_info`].includes(name));
      expect(metric.description, name).toBe(family!.help);
      if (family!.type === 'counter') expect(metric.sum).toMatchObject({ aggregationTemporality: 2, isMonotonic: true });
      else if (family!.type === 'histogram') expect(metric.histogram).toMatchObject({ aggregationTemporality: 2 });
      else expect(metric.gauge).toBeDefined();
    }
    const units = Object.fromEntries(push.metrics.map(({ name, unit }) => [name, unit ?? '']));
    expect(units).toMatchObject({
      weir_requests: '',
      weir_request_duration_seconds: 's',
      weir_cost_dollars: '{USD}',
      process_resident_memory_bytes: 'By',
      'gen_ai.client.operation.duration': 's',
      'gen_ai.client.operation.time_to_first_chunk': 's',
      'gen_ai.client.token.usage': '{token}',
    });
  });

  test('GenAI metrics have the attributes of their conventions', () => {
    const usage = push.metrics.find(({ name }) => name === 'gen_ai.client.token.usage');
    const attributes = usage!.histogram!.dataPoints.map((point) => pairs(point.attributes));
    expect(attributes).toContainEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vllm',
      'gen_ai.request.model': 'qwen2.5-7b',
      'gen_ai.token.type': 'input',
    });
  });

  test('exemplars are those of the text, with their time', () => {
    const seen = push.metrics.flatMap((metric) =>
      pointsOf(metric).flatMap((point) => (point.exemplars ?? []).map((exemplar) => ({ ...exemplar, point }))),
    );
    const scraped = families.flatMap(({ samples }) => samples.flatMap((s: Sample) => (s.exemplar ? [s.exemplar.value] : [])));
    expect(seen.map(({ asDouble }) => asDouble).sort()).toEqual(scraped.sort());
    expect(seen.length).toBeGreaterThan(3);
    for (const { spanId, traceId, timeUnixNano, point } of seen) {
      expect({ spanId, traceId }).toEqual({ spanId: span, traceId: trace });
      expect(BigInt(timeUnixNano)).toBeGreaterThan(BigInt(point.startTimeUnixNano));
      expect(BigInt(timeUnixNano)).toBeLessThan(BigInt(point.timeUnixNano));
    }
  });

  test('all points are of one look, and since the process began', () => {
    const points = push.metrics.flatMap(pointsOf);
    const began = families.find(({ name }) => name === 'process_start_time_seconds')!.samples[0]!.value;
    expect(new Set(points.map(({ timeUnixNano }) => timeUnixNano)).size).toBe(1);
    expect(new Set(points.map(({ startTimeUnixNano }) => startTimeUnixNano)).size).toBe(1);
    expect(Math.abs(Number(points[0]!.startTimeUnixNano) / 1e9 - began)).toBeLessThan(5);
  });

  test('the resource says who it is', () => {
    expect(push.resource).toMatchObject({ 'deployment.environment.name': 'test bed', 'telemetry.sdk.language': 'c' });
    expect(push.resource['service.instance.id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(push.scope).toEqual({ name: 'weir', version: push.resource['service.version'] });
  });
});

// --- when ---------------------------------------------------------------------

test('a push is made at each interval, and not before', async () => {
  const service = 'intervals';
  const weir = await Weir.between(sim, {
    ...toCollector(service, 'grpc'),
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_METRIC_EXPORT_INTERVAL: '300',
  });
  await eventually('four pushes', () => pushesOf(collector, service).length >= 4);
  // the last one, at the end, does not wait for its time
  const pushes = pushesOf(collector, service);
  await weir.stop();
  const times = pushes.map((push) => Number(timeOf(push) / 1_000_000n));
  const began = Number(pointsOf(pushes[0]!.metrics[0]!)[0]!.startTimeUnixNano) / 1e6;
  // some way off for a busy machine, which may stop between two looks at a clock
  times.forEach((time, i) => expect(time - began).toBeGreaterThan((i + 1) * 300 - 100));
  expect(new Set(pushes.map(({ resource }) => resource['service.instance.id'])).size).toBe(1);
});

test.each(['SIGTERM', 'SIGINT'] as const)('the last push is at the end, by %s', async (signal) => {
  const service = `ends by ${signal}`;
  const weir = await Weir.between(sim, { ...toCollector(service, 'http/json'), OTEL_METRICS_EXPORTER: 'otlp' });
  await ask(weir, 'local');
  await eventually('both are counted', async () => (await weir.metric('weir_requests_total')) === 2);
  expect(pushesOf(collector, service)).toEqual([]); // a minute is not over
  weir.signal(signal);
  await weir.ended();
  const [push, ...more] = await eventually('a push', () => {
    const pushes = pushesOf(collector, service);
    return pushes.length > 0 && pushes;
  });
  expect(more).toEqual([]);
  const requests = push!.metrics.find(({ name }) => name === 'weir_requests')!.sum!.dataPoints;
  expect(requests.reduce((sum, { asInt }) => sum + Number(asInt), 0)).toBe(2);
});

test('the backends are told of while the configuration changes', async () => {
  const service = 'reloads';
  const folder = mkdtempSync(join(tmpdir(), 'weir-otlp-'));
  const file = join(folder, 'weir.yaml');
  const write = (name: string) =>
    writeFileSync(
      file,
      `backends:\n  - { name: ${name}, tier: local, url: '${sim.vllm}', models: [{ name: m, upstream: qwen2.5-7b }] }\n`,
    );
  write('first');
  const weir = await Weir.start(
    { ...toCollector(service, 'grpc'), OTEL_METRICS_EXPORTER: 'otlp', OTEL_METRIC_EXPORT_INTERVAL: '1' },
    '--config',
    file,
  );
  for (let i = 0; i < 10; i++) {
    write(`b${i}`);
    await weir.reload();
  }
  await weir.stop();
  const backends = pushesOf(collector, service).map(({ metrics }) =>
    metrics.find(({ name }) => name === 'weir_backend_in_flight')!.gauge!.dataPoints.map((p) => pairs(p.attributes).backend),
  );
  expect(backends[0]).toEqual(['first']);
  expect(backends.at(-1)).toEqual(['b9']);
  rmSync(folder, { recursive: true });
});

// --- whether ------------------------------------------------------------------

describe('nothing is pushed', () => {
  test.each([
    ['where nobody asks for it', {}],
    ['where it is switched off', { OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'set' }],
    ['where telemetry is', { OTEL_METRICS_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'true' }],
  ])('%s', async (what, env: Record<string, string>) => {
    if (env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT) env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT = `${collector.http}/v1/metrics`;
    const weir = await Weir.between(sim, { ...toCollector(what, 'http/protobuf'), OTEL_METRIC_EXPORT_INTERVAL: '20', ...env });
    await ask(weir, 'local');
    await sleep(300);
    expect(await weir.metric('weir_export_sends_total{exporter="otlp_metrics"}')).toBe(0);
    await weir.stop();
    expect(pushesOf(collector, what)).toEqual([]);
  });
});

test('an endpoint for metrics is enough, and traces are of the same instance', async () => {
  const service = 'with traces';
  const weir = await Weir.between(sim, {
    ...toCollector(service, 'http/protobuf'),
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.http}/v1/metrics`,
    OTEL_METRIC_EXPORT_INTERVAL: '200',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  });
  await ask(weir, 'local');
  await eventually('spans have left', async () =>
    (await weir.metric('weir_export_items_total{exporter="otlp",result="delivered"}')) > 0);
  await weir.stop();
  const spans = collector
    .received()
    .flatMap(({ resourceSpans = [] }: any) => resourceSpans)
    .map(({ resource }: any) => pairs(resource.attributes))
    .filter((resource) => resource['service.name'] === service);
  const ids = [...spans, ...pushesOf(collector, service).map(({ resource }) => resource)].map(
    (resource) => resource['service.instance.id'],
  );
  expect(spans.length).toBeGreaterThan(0);
  expect(ids.length).toBeGreaterThan(spans.length);
  expect(new Set(ids).size).toBe(1);
});

test('a receiver that is away delays nobody, and gets all in order when it is back', async () => {
  const got: Push[] = [];
  const receiver = createServer(async (request, answer) => {
    const { resourceMetrics } = JSON.parse(await text(request));
    const { resource, scopeMetrics } = resourceMetrics[0];
    got.push({ resource: pairs(resource.attributes), ...scopeMetrics[0] });
    answer.setHeader('content-type', 'application/json').end('{}');
  });
  const listen = async (port: number) => {
    await once(receiver.listen(port, '127.0.0.1'), 'listening');
    return (receiver.address() as AddressInfo).port;
  };
  const port = await listen(0);
  receiver.close();
  const weir = await Weir.between(sim, {
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://127.0.0.1:${port}/v1/metrics`,
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
  });
  const figure = (name: string, labels = '') => weir.metric(`${name}{exporter="otlp_metrics"${labels}}`);
  await eventually('a push fails', async () => (await figure('weir_export_sends_total', ',result="failed"')) > 0);
  await ask(weir, 'local');
  const waiting = await eventually('some wait', async () => (await figure('weir_export_queue_items')) || undefined);
  await listen(port);
  await eventually('what waited has arrived', async () => (await figure('weir_export_items_total', ',result="delivered"')) >= waiting);
  await weir.stop();
  receiver.close();
  receiver.closeAllConnections();
  const times = got.map(timeOf);
  expect(times).toEqual([...new Set(times)].sort());
  expect(pushedSeries(got.at(-1)!.metrics).get('weir_local_wanted_total[["backend","vllm"],["served","local"]]')).toBe(2);
});
