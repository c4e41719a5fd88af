// A real Prometheus scrapes a router of two workers under load: what it counts
// is what was sent, to the request and the token.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readText } from './exposition.ts';
import { eventually, hello, Sim, Weir } from './harness.ts';
import { Prometheus, scraping } from './prometheus.ts';

// --- the load ----------------------------------------------------------------

const agent = new Agent({ keepAlive: true, maxSockets: 24 });

interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

function send(port: number, path: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece) => (text += piece));
        answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers as any, text }));
        answer.on('error', reject);
      },
    );
    request.on('error', reject).end(body);
  });
}

/** What the router must have counted. */
class Tally {
  readonly counts: Record<string, Record<string, number>> = {};
  /** The callers' spans by their traces. */
  readonly spans = new Map<string, string>();
  /** In nano-dollars, of Claude Sonnet 4.6. */
  cost = 0;

  add(family: string, key: string, n = 1): void {
    const counts = (this.counts[family] ??= {});
    if (n > 0) counts[key] = (counts[key] ?? 0) + n;
  }
}

interface Kind {
  name: string;
  path: string;
  body: object | string;
  headers?: Record<string, string>;
  usage?: (text: string) => any;
}

const jsonUsage = (text: string) => JSON.parse(text).usage;
const streamUsage = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)).usage)
    .findLast((usage) => usage);

const chat = '/v1/chat/completions';
const count = [{ role: 'user', content: 'Count from 1 to 12' }];
const kinds: Kind[] = [
  { name: 'local', path: chat, body: { model: 'local', messages: hello }, usage: jsonUsage },
  { name: 'cloud', path: chat, body: { model: 'cloud', messages: hello }, usage: jsonUsage },
  { name: 'auto', path: chat, body: { model: 'auto', messages: hello }, usage: jsonUsage },
  {
    name: 'local stream',
    path: chat,
    body: { model: 'local', messages: count, stream: true, stream_options: { include_usage: true } },
    usage: streamUsage,
  },
  {
    name: 'cloud stream',
    path: chat,
    body: { model: 'cloud', messages: count, stream: true, stream_options: { include_usage: true } },
    usage: streamUsage,
  },
  {
    name: 'messages',
    path: '/v1/messages',
    body: { model: 'cloud', max_tokens: 20, messages: hello },
    headers: { 'anthropic-version': '2023-06-01' },
    usage: (text) => {
      const { input_tokens, output_tokens } = JSON.parse(text).usage;
      return { prompt_tokens: input_tokens, completion_tokens: output_tokens };
    },
  },
  { name: 'nobody', path: chat, body: { model: 'nobody', messages: hello } },
  { name: 'garbage', path: chat, body: '{"model": ' },
  { name: 'pinned away', path: chat, body: { model: 'local', messages: hello }, headers: { 'x-router-policy': 'cloud-only' } },
];

async function ask(port: number, kind: Kind, tally: Tally): Promise<void> {
  const body = typeof kind.body === 'string' ? kind.body : JSON.stringify(kind.body);
  const [trace, span] = [16, 8].map((bytes) => randomBytes(bytes).toString('hex'));
  const traceparent = `00-${trace}-${span}-01`;
  const { status, headers, text } = await send(port, kind.path, body, { ...kind.headers, traceparent });
  const tier = kind.usage === undefined ? 'none' : headers['x-router-backend']!;
  expect(headers.traceparent).toMatch(`00-${trace}-`);
  tally.spans.set(trace!, span!);
  tally.add('requests', `${tier} ${status} ${status === 200 ? 'ok' : 'client_error'}`);
  tally.add('durations', `${tier} ${text.startsWith('data:')}`);
  if (kind.usage === undefined) return;
  expect(status, text).toBe(200);
  const usage = kind.usage(text);
  tally.add('reasons', `${headers['x-router-target']} ${headers['x-router-reason']}`);
  tally.add('tries', `${tier} ok`);
  tally.add('tokens', `${tier} input`, usage.prompt_tokens);
  tally.add('tokens', `${tier} output`, usage.completion_tokens);
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  tally.add('tokens', `${tier} cache_read`, cached);
  if (tier === 'cloud')
    tally.cost += (usage.prompt_tokens - cached) * 3000 + cached * 300 + usage.completion_tokens * 15_000;
  if (text.startsWith('data:')) tally.add('first tokens', tier);
}

/** `count` requests of all kinds, 24 at a time. */
async function load(port: number, count: number, tally: Tally): Promise<void> {
  let next = 0;
  const one = async () => {
    for (;;) {
      const i = next++;
      if (i >= count) return;
      await ask(port, kinds[i % kinds.length]!, tally);
    }
  };
  await Promise.all(Array.from({ length: 24 }, one));
}

// --- what it counts ------------------------------------------------------------

const tally = new Tally();
const total = 2700;
const folder = mkdtempSync(join(tmpdir(), 'weir-ledger-'));
let sim: Sim;
let weir: Weir;
let prometheus: Prometheus;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '1000');
  weir = await Weir.between(sim, { WEIR_WORKERS: '2', LEDGER_PATH: join(folder, 'ledger.db') });
  prometheus = await Prometheus.start(scraping([{ name: 'weir', targets: [{ port: weir.port }] }]));
  await load(weir.port, total, tally);
}, 120_000);
afterAll(async () => {
  agent.destroy();
  await prometheus?.stop();
  await weir?.stop();
  await sim?.stop();
  rmSync(folder, { recursive: true });
});

describe('what Prometheus has counted is what was sent', () => {
  test('requests', async () => {
    await eventually('all of them', async () => {
      const [sum] = await prometheus.query('sum(weir_requests_total)');
      return sum?.value[1] === String(total);
    });
    expect(await prometheus.sums('weir_requests_total', 'tier', 'status', 'outcome')).toEqual(tally.counts.requests);
    expect(await prometheus.sums('weir_requests_total{tier!="none"}', 'target', 'reason')).toEqual(tally.counts.reasons);
    expect(await prometheus.sums('weir_tries_total', 'tier', 'result')).toEqual(tally.counts.tries);
  });

  test('tokens', async () => {
    expect(await prometheus.sums('weir_tokens_total{type!~"cache_write|reasoning"}', 'tier', 'type')).toEqual(tally.counts.tokens);
    const [usage] = await prometheus.query('sum(gen_ai_client_token_usage_sum{gen_ai_token_type="output"})');
    expect(Number(usage!.value[1])).toBe(tally.counts.tokens!['local output']! + tally.counts.tokens!['cloud output']!);
  });

  test('money, to the nano-dollar', async () => {
    const families = readText(await (await fetch(`${weir.url}/metrics`)).text());
    const spelled = families
      .flatMap(({ samples }) => samples)
      .filter(({ name, labels }) => name === 'weir_cost_dollars_total' && labels.tier === 'cloud')
      .map((sample) => sample.spelled);
    const digits = String(tally.cost).padStart(10, '0');
    expect(spelled).toEqual([`${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')]);
    const [sum] = await prometheus.query('sum(weir_cost_dollars_total{tier="cloud"}) * 1e9');
    expect(Number(sum!.value[1])).toBeCloseTo(tally.cost, 3);
  });

  test('rows of the ledger', async () => {
    for (const result of ['taken', 'delivered'])
      await eventually(result, async () => {
        const [rows] = await prometheus.query(`weir_export_items_total{exporter="ledger",result="${result}"}`);
        return Number(rows?.value[1]) === total;
      });
    expect(await prometheus.sums('weir_export_dropped_total', 'exporter')).toEqual({});
  });

  test('times', async () => {
    expect(await prometheus.sums('weir_request_duration_seconds_count', 'tier', 'stream')).toEqual(tally.counts.durations);
    expect(await prometheus.sums('weir_first_token_seconds_count', 'tier')).toEqual(tally.counts['first tokens']);
    const answered = Object.values(tally.counts.tries!).reduce((sum, n) => sum + n, 0);
    const [own] = await prometheus.query('weir_router_overhead_seconds_count');
    expect(Number(own!.value[1])).toBe(answered);
  });
});

test('a fallback is counted from where to where, and why', async () => {
  await sim.fault('vllm', { fault: 'status', status: 500 });
  const answer = await weir.post({ model: 'auto', messages: hello });
  expect(answer.headers.get('x-router-reason')).toBe('fallback:500');
  await answer.text();
  await eventually('it is counted', async () =>
    (await prometheus.query('weir_fallbacks_total{from="vllm",to="anthropic",cause="500"} == 1')).length === 1,
  );
});

test('exemplars bear the traces of requests that were sent', async () => {
  const now = Date.now() / 1000;
  for (const histogram of ['weir_request_duration_seconds', 'weir_first_token_seconds', 'weir_inter_token_seconds']) {
    const found = await prometheus.api('query_exemplars', {
      query: `${histogram}_bucket`,
      start: String(now - 600),
      end: String(now + 600),
    });
    const exemplars = found.flatMap((series: any) => series.exemplars);
    expect(exemplars.length, histogram).toBeGreaterThan(0);
    for (const { labels } of exemplars) {
      expect(tally.spans.get(labels.trace_id)).toBe(labels.span_id);
    }
  }
});

test('the scrape tells of OpenMetrics: its units and types', async () => {
  const about = await prometheus.api('metadata', {});
  expect(about.weir_request_duration_seconds).toEqual([
    expect.objectContaining({ type: 'histogram', unit: 'seconds' }),
  ]);
  expect(about.weir_cost_dollars ?? about.weir_cost_dollars_total).toEqual([
    expect.objectContaining({ type: 'counter', unit: 'dollars' }),
  ]);
});

test('promtool finds nothing to complain of', async () => {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect(stdout + stderr).toBe('');
  expect(status).toBe(0);
});

const manual = readFileSync(fileURLToPath(new URL('../../docs/metrics.md', import.meta.url)), 'utf8');
const queries = [...manual.matchAll(/```promql\n([^`]*)\n```/g)].map(([, query]) => query!);

test('there are queries in the manual', () => {
  expect(queries.length).toBeGreaterThanOrEqual(12);
});

test.each(queries)('the manual asks for something that there is: %s', async (query) => {
  const found = await prometheus.query(query);
  expect(found.length).toBeGreaterThan(0);
  for (const { value } of found) expect(value[1]).not.toBe('NaN');
});
