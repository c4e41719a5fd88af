import { gunzipSync } from 'node:zlib';
import { createServer, get, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Family, readOpenMetrics, readText, sumOf } from './exposition.ts';
import { eventually, hello, Sim, Weir } from './harness.ts';

const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';
const traceparent = `00-${trace}-${span}-01`;
const openmetrics = { accept: 'application/openmetrics-text;version=1.0.0' };

const textOf = async (weir: Weir, headers: Record<string, string> = {}) =>
  (await fetch(`${weir.url}/metrics`, { headers })).text();

const seriesOf = (families: Family[]) => families.reduce((n, { samples }) => n + samples.length, 0);

describe('exemplars', () => {
  let sim: Sim;
  beforeAll(async () => {
    sim = await Sim.start();
  });
  afterAll(() => sim?.stop());

  const exemplarsAfter = async (env: Record<string, string>, headers: Record<string, string>) => {
    const weir = await Weir.between(sim, env);
    const answer = await weir.post({ model: 'local', messages: hello }, headers);
    await answer.text();
    await eventually('it is counted', async () => (await weir.metric('weir_requests_total')) === 1);
    const families = readOpenMetrics(await textOf(weir, openmetrics));
    await weir.stop();
    const [, id, own] = answer.headers.get('traceparent')!.split('-');
    const found = families.flatMap(({ samples }) => samples.map(({ exemplar }) => exemplar?.labels)).filter((l) => l);
    return { found, own: { trace_id: id, span_id: own } };
  };
  // nobody listens there; that spans are lost is not for an exemplar to know
  const exports = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };

  test('name our span where it is exported', async () => {
    const { found, own } = await exemplarsAfter(exports, {});
    expect(found).toEqual([own]);
    const child = await exemplarsAfter(exports, { traceparent });
    expect(child.found).toEqual([{ ...child.own, trace_id: trace }]);
  });

  test('name nothing where no span of the trace is recorded', async () => {
    expect((await exemplarsAfter({}, {})).found).toEqual([]);
    expect((await exemplarsAfter({}, { traceparent: traceparent.replace(/1$/, '0') })).found).toEqual([]);
    const metricsAlone = { OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://127.0.0.1:1' };
    expect((await exemplarsAfter(metricsAlone, {})).found).toEqual([]);
  });
});

describe('the two texts', () => {
  let sim: Sim;
  let weir: Weir;

  beforeAll(async () => {
    sim = await Sim.start('--tokens-per-second', '500');
    weir = await Weir.between(sim, { WEIR_WORKERS: '2' });
    for (const model of ['local', 'cloud', 'nobody'])
      for (const stream of [true, false])
        await (await weir.post({ model, stream, messages: [{ role: 'user', content: 'Count from 1 to 12' }] }, { traceparent })).text();
    await eventually('all are counted', async () => (await weir.metric('weir_requests_total')) === 6);
  });
  afterAll(async () => {
    await weir?.stop();
    await sim?.stop();
  });

  test('text 0.0.4 keeps its rules', async () => {
    const answer = await fetch(`${weir.url}/metrics`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = readText(await answer.text());
    expect(sumOf(families, 'weir_requests_total{tier="local",reason="explicit",status="200"}')).toBe(2);
    expect(sumOf(families, 'weir_requests_total{tier="none",status="404",outcome="client_error"}')).toBe(2);
    expect(sumOf(families, 'weir_build_info')).toBe(1);
  });

  test('OpenMetrics keeps its rules, and has exemplars that name the caller\'s span', async () => {
    const answer = await fetch(`${weir.url}/metrics`, { headers: openmetrics });
    expect(answer.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    const families = readOpenMetrics(await answer.text());
    const bearers = families.filter(({ samples }) => samples.some(({ exemplar }) => exemplar !== undefined));
    expect(bearers.map(({ name }) => name)).toEqual([
      'weir_request_duration_seconds',
      'weir_first_token_seconds',
      'weir_inter_token_seconds',
    ]);
    for (const { exemplar } of bearers.flatMap(({ samples }) => samples))
      if (exemplar !== undefined) expect(exemplar.labels).toEqual({ trace_id: trace, span_id: span });
    const duration = families.find(({ name }) => name === 'weir_request_duration_seconds');
    expect(duration).toMatchObject({ type: 'histogram', unit: 'seconds' });
  });

  test('both say the same', async () => {
    const families = readText(await textOf(weir));
    const others = readOpenMetrics(await textOf(weir, openmetrics));
    const shape = (all: Family[]) =>
      all.flatMap(({ samples }) => samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
    expect(shape(families)).toEqual(shape(others));
    expect(sumOf(families, 'weir_tokens_total')).toBe(sumOf(others, 'weir_tokens_total'));
  });

  test('who can unpack gets it packed', async () => {
    const packed = await new Promise<{ encoding?: string; body: Buffer }>((resolve) => {
      get(`${weir.url}/metrics`, { headers: { ...openmetrics, 'accept-encoding': 'gzip' } }, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('end', () => resolve({ encoding: answer.headers['content-encoding'], body: Buffer.concat(pieces) }));
      });
    });
    expect(packed.encoding).toBe('gzip');
    const text = gunzipSync(packed.body).toString();
    expect(packed.body.length * 4).toBeLessThan(text.length);
    expect(readOpenMetrics(text).length).toBeGreaterThan(30);
  });

  test('figures of the process are those of the process', async () => {
    const families = readText(await textOf(weir));
    expect(sumOf(families, 'process_resident_memory_bytes')).toBeGreaterThan(1 << 20);
    expect(sumOf(families, 'process_open_fds')).toBeGreaterThan(5);
    expect(sumOf(families, 'process_max_fds')).toBeGreaterThan(5);
    expect(sumOf(families, 'process_threads')).toBeGreaterThanOrEqual(4);
    expect(sumOf(families, 'process_cpu_seconds_total')).toBeGreaterThan(0);
    const age = Date.now() / 1000 - sumOf(families, 'process_start_time_seconds');
    expect(age).toBeGreaterThan(0);
    expect(age).toBeLessThan(120);
  });
});

/** Answers each request with another status, as fast as it can. */
async function hostileBackend(): Promise<Server> {
  let n = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      let status = request.url === '/health' ? 200 : 400 + (n++ % 199);
      if (status === 407 || status === 421) status = 418; // after which fetch() asks again
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { type: `t${n}`, code: `c${n}`, message: 'no' } }));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('whatever strangers say', () => {
  test('the number of series has a bound, and sums stay exact', async () => {
    const server = await hostileBackend();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const weir = await Weir.start({
      VLLM_BASE_URL: url,
      LOCAL_MODEL: 'qwen',
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'sk',
      WEIR_WORKERS: '2',
    });
    try {
      const total = 3000;
      let next = 0;
      const one = async () => {
        for (let i = next++; i < total; i = next++) {
          const word = `w${i}-${Math.imul(i, 2654435761).toString(36)}"\\\n{}`;
          const model = [`claude-${word}`, word, 'local', 'cloud', 'auto'][i % 5]!;
          const headers: Record<string, string> = {
            authorization: `Bearer ${encodeURIComponent(word)}`,
            'x-router-policy': i % 7 === 0 ? `p${i}` : '',
            'x-request-id': `id-${i}`,
            'user-agent': `agent-${i}`,
          };
          if (headers['x-router-policy'] === '') delete headers['x-router-policy'];
          const path = i % 11 === 0 ? `/v1/messages?x=${i}` : '/v1/chat/completions';
          await (await weir.post({ model, [`f${i}`]: i, max_tokens: 5, messages: hello }, headers, path)).text();
          if (i % 50 === 0) await (await fetch(`${weir.url}/v1/${encodeURIComponent(word)}`)).text();
        }
      };
      await Promise.all(Array.from({ length: 16 }, one));
      const families = readText(await textOf(weir));
      readOpenMetrics(await textOf(weir, openmetrics));
      expect(sumOf(families, 'weir_requests_total')).toBe(total);
      expect(seriesOf(families)).toBeLessThan(2000);
      const requests = families.find(({ name }) => name === 'weir_requests_total')!;
      expect(requests.samples.length).toBeLessThan(400);
      expect(JSON.stringify(families)).not.toMatch(/w\d+-|agent-|id-\d|Bearer|"p\d/);
      const models = new Set(families.flatMap(({ samples }) => samples.flatMap(({ labels }) => labels.gen_ai_request_model ?? labels.model ?? [])));
      expect([...models].sort()).toEqual(['claude-sonnet-4-6', 'other', 'qwen']);
    } finally {
      await weir.stop();
      server.closeAllConnections();
      server.close();
    }
  }, 120_000);

  test('names of a catalog that is gone keep their counts', async () => {
    const sim = await Sim.start();
    const weir = await Weir.between(sim, { WEIR_WORKERS: '2' });
    try {
      await (await weir.post({ model: 'local', messages: hello })).text();
      await weir.reload();
      await (await weir.post({ model: 'local', messages: hello })).text();
      await eventually('both are counted', async () =>
        (await weir.metric('weir_requests_total{tier="local",target="vllm",status="200"}')) === 2,
      );
    } finally {
      await weir.stop();
      await sim.stop();
    }
  });
});
