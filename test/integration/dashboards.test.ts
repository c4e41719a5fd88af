// The dashboards and rules of platform/observability, on a real Prometheus that
// scrapes a real router under mixed traffic, and what the rest of the cluster
// says: every query of every panel and every rule finds something.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, hello, localState, long, Raw, chatRequest, Sim, Weir } from './harness.ts';
import { exposition, type Job, jobs } from './platform-samples.ts';
import { type Job as Scraped, Prometheus, scraping, type Series } from './prometheus.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const home = join(root, 'platform/observability');
const rulesFolder = join(home, 'rules');
const ruleFiles = readdirSync(rulesFolder).map((name) => join(rulesFolder, name));

// --- what a dashboard asks -----------------------------------------------------

interface Query {
  board: string;
  panel: string;
  expr: string;
  isNow: boolean;
  legend: string;
}

const boards = readdirSync(join(home, 'dashboards')).map((name) => JSON.parse(readFileSync(join(home, 'dashboards', name), 'utf8')));
const queries: Query[] = boards.flatMap((board) =>
  board.panels.flatMap((panel: any) =>
    (panel.targets ?? []).map((target: any) => ({
      board: board.uid,
      panel: panel.title,
      expr: target.expr,
      isNow: target.instant,
      legend: target.legendFormat,
    })),
  ),
);

/** As Grafana puts the values in, with everything chosen. */
const given: Record<string, string> = {
  __rate_interval: '1m',
  __range: '1h',
  namespace: 'router',
  job: 'weir',
  pod: '.*',
  inference: 'inference',
  server: '.*',
  gpu_price: '1.006',
};
const fill = (text: string) => text.replace(/\$\{?(\w+)\}?/g, (whole, name) => given[name] ?? whole);

/** The selectors of an expression: what must be there, even where the whole
 * would say "or 0". */
function selectorsOf(expr: string): string[] {
  const bare = expr.replace(/\b(by|on|without|ignoring|group_left|group_right) \([^)]*\)/g, ' ');
  const names = /(?<![\w:"])(?:weir|gen_ai|vllm|inference|DCGM|kube|keda|karpenter|process|up(?=[{ ]))[\w:]*(?:\{[^}]*\})?|\{__name__[^}]*\}/g;
  return bare.match(names) ?? [];
}

// --- the cluster ---------------------------------------------------------------

const spool = mkdtempSync(join(tmpdir(), 'weir-spool-'));
const scratch = mkdtempSync(join(tmpdir(), 'weir-ledger-'));
const ledger = join(scratch, 'ledger.db');
let sim: Sim;
let weir: Weir;
let cluster: Server;
let prometheus: Prometheus;

const configuration = (sim: Sim) => `
backends:
  - name: vllm
    tier: local
    url: ${sim.vllm}
    in_flight: 2
    price_per_hour: 1.006
    models:
      - { name: qwen2.5-7b, context_window: 32768 }
  # nobody knows what it costs
  - name: coder
    tier: local
    url: ${sim.vllm}
    in_flight: 1
    models:
      - { name: coder, upstream: qwen2.5-7b, context_window: 32768 }
  - name: anthropic
    tier: cloud
    url: ${sim.anthropic}
    api_key: sk-test
    default_model: claude-sonnet-4-6
`;

/** All of the cluster, on two ports. */
function targets(clusterPort: number): Scraped[] {
  const others = (Object.keys(jobs) as Job[]).map((name): Scraped => {
    const { labels, honorsLabels } = jobs[name];
    return { name, path: `/${name}`, honorsLabels, targets: [{ port: clusterPort, labels }] };
  });
  return [{ name: 'weir', targets: [{ port: weir.port, labels: { namespace: 'router', pod: 'weir-0' } }] }, ...others];
}

const chat = async (body: object, headers: Record<string, string> = {}): Promise<number> => {
  const answer = await weir.post({ max_tokens: 40, messages: hello, ...body }, headers);
  await answer.text();
  return answer.status;
};
const local = { 'x-router-policy': 'local-only' };

/** All that a router sees in a bad week. */
async function liveThroughAll(): Promise<void> {
  const count = [{ role: 'user', content: 'Count from 1 to 20' }];
  await Promise.all([
    ...Array.from({ length: 12 }, () => chat({ model: 'auto' })),
    ...Array.from({ length: 6 }, (_, i) => chat({ model: i % 2 ? 'cloud' : 'local', messages: count, stream: true })),
    ...Array.from({ length: 4 }, () => chat({ model: 'auto', messages: long, seed: 7 })),
    chat({ model: 'coder' }),
    chat({ model: 'nobody' }),
  ]);
  // one backend after the other answers badly
  await sim.fault('vllm', { fault: 'status', status: 500 });
  expect(await chat({ model: 'auto' })).toBe(200);
  await sim.fault('anthropic', { fault: 'status', status: 529 });
  for (let i = 0; i < 8; i++) expect(await chat({ model: 'auto' })).toBeGreaterThanOrEqual(500);
  await sim.fault('anthropic', null);
  // the local one goes away; who may not leave the house waits in vain
  await sim.fault('vllm', { fault: 'refuse', seconds: 600 });
  await localState(weir, 'cold');
  expect(await chat({ model: 'auto' })).toBe(200);
  expect(await chat({ model: 'local' }, local)).toBe(503);
  // a caller who leaves
  await sim.fault('anthropic', { fault: 'never' });
  const raw = await Raw.open(weir.port);
  raw.send(chatRequest({ model: 'cloud', messages: hello }));
  await eventually('it is under way', async () => (await weir.metric('weir_backend_in_flight{backend="anthropic"}')) > 0);
  raw.close();
  await sim.fault('anthropic', null);
  // and back
  await sim.fault('vllm', null);
  await localState(weir, 'warm');
  // full: two are at work, the others go on to the cloud
  await sim.fault('vllm', { fault: 'late', ms: 1500 });
  await Promise.all(Array.from({ length: 5 }, () => chat({ model: 'auto' })));
  await sim.fault('vllm', null);
}

async function scraped(): Promise<void> {
  const requests = await weir.metric('weir_requests_total');
  await eventually('all is scraped', async () => (await prometheus.query('sum(weir_requests_total)'))[0]?.value[1] === String(requests), 60_000);
}

/** Rules that stand on other rules need a second round. */
async function evaluated(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const now = new Date();
    await eventually(
      'all rules are evaluated',
      async () => (await prometheus.api('rules')).groups.every((group: any) => new Date(group.lastEvaluation) > now),
      60_000,
    );
  }
}

/** A moment before which nobody missed a scrape: a busy machine does now and
 * then, and what was not scraped is gone until it is again. */
const calm = (targets: number): Promise<string> =>
  eventually(
    'all are up for a while',
    async () => {
      const now = String(Date.now() / 1000);
      const { result } = await prometheus.api('query', { query: 'count(min_over_time(up[5s]) == 1)', time: now });
      return Number(result[0]?.value[1]) === targets && now;
    },
    120_000,
  );
let moment: string;
/** What was found at that moment. */
const find = async (query: string): Promise<Series[]> => (await prometheus.api('query', { query, time: moment })).result;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '500');
  weir = await Weir.configured(configuration(sim), {
    WEIR_WORKERS: '2',
    HOLD_TIMEOUT: '500ms',
    QUEUE_TIMEOUT: '200ms',
    LEDGER_PATH: ledger,
    // nobody listens there: sends fail, the spool fills
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    TELEMETRY_SPOOL_DIR: spool,
  });
  const started = Date.now();
  cluster = createServer(({ url }, answer) => answer.end(exposition(url!.slice(1) as Job, (Date.now() - started) / 1000)));
  cluster.listen(0, '127.0.0.1');
  await once(cluster, 'listening');
  const all = targets((cluster.address() as AddressInfo).port);
  prometheus = await Prometheus.start(scraping(all, '1s', ruleFiles), all.length);
  // a series whose first sample is not 0 shows what comes after it alone
  await liveThroughAll();
  await scraped();
  await liveThroughAll();
  await scraped();
  await evaluated();
  moment = await calm(all.length);
}, 300_000);
afterAll(async () => {
  await prometheus?.stop();
  cluster?.closeAllConnections();
  cluster?.close();
  await weir?.stop();
  await sim?.stop();
  for (const folder of [spool, scratch]) rmSync(folder, { recursive: true });
});

const isData = ([, value]: [number, string]) => value !== 'NaN';

/** As Grafana asks: for a range, or for now. */
async function ask({ expr, isNow }: Query): Promise<any[]> {
  const query = fill(expr);
  if (isNow) return (await find(query)).filter(({ value }) => isData(value));
  const { result } = await prometheus.api('query_range', { query, start: String(Number(moment) - 30), end: moment, step: '1' });
  return result.filter(({ values }: any) => values.some(isData));
}

// --- the dashboards ------------------------------------------------------------

describe.each(boards.map((board) => [board.title, board]))('%s', (_, board) => {
  test('every panel finds something', async () => {
    const empty: string[] = [];
    for (const query of queries.filter((query) => query.board === board.uid)) {
      const found = await ask(query).catch((error) => String(error));
      if (typeof found === 'string' || found.length === 0) empty.push(`${query.panel}: ${query.expr}\n  ${found}`);
    }
    expect(empty.join('\n')).toBe('');
  });

  test('every series that it asks for is there', async () => {
    const missing: string[] = [];
    for (const query of queries.filter((query) => query.board === board.uid))
      for (const selector of selectorsOf(fill(query.expr)))
        if ((await find(selector)).length === 0) missing.push(`${query.panel}: ${selector}`);
    expect(missing).toEqual([]);
  });

  test('lines bear labels that are there', async () => {
    const unnamed: string[] = [];
    for (const query of queries.filter((query) => query.board === board.uid)) {
      const wanted = [...query.legend.matchAll(/{{(\w+)}}/g)].map(([, label]) => label!);
      for (const { metric } of await ask(query))
        for (const label of wanted) if (!(label in metric)) unnamed.push(`${query.panel}: ${label} of ${JSON.stringify(metric)}`);
    }
    expect(unnamed).toEqual([]);
  });

  test('its variables have values', async () => {
    for (const variable of board.templating.list.filter(({ type }: any) => type === 'query')) {
      const [, series = '', label] = /^label_values\((.*), (\w+)\)$/.exec(fill(variable.query.query))!;
      const values = await prometheus.api(`label/${label}/values`, { 'match[]': series });
      expect(values, variable.name).not.toEqual([]);
    }
  });

  test('it is as it should be', () => {
    const used = new Set([...JSON.stringify({ ...board, templating: undefined }).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!));
    const own = board.templating.list.map(({ name }: any) => name);
    const ofVariables = JSON.stringify(board.templating);
    for (const name of own) expect(used.has(name) || ofVariables.includes(`$${name}`), `${name} is used`).toBe(true);
    for (const name of used) if (!name.startsWith('__')) expect(own, name).toContain(name);
    expect(new Set(board.panels.map(({ id }: any) => id)).size).toBe(board.panels.length);
    for (const { type, title, description, gridPos, targets, fieldConfig } of board.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      if (type === 'row') continue;
      expect(description, title).toMatch(/\.$/);
      expect(fieldConfig.defaults.unit, title).toBeTruthy();
      for (const { datasource, expr } of targets) {
        expect(datasource, title).toEqual({ type: 'prometheus', uid: '${datasource}' });
        // a rate over a fixed time that is shorter than a scrape interval allows finds nothing
        for (const [, range] of expr.matchAll(/\[([^\]:]+)[\]:]/g)) expect(range, title).toMatch(/^(\$__rate_interval|\$__range|1m|5m|1h|1d)$/);
      }
    }
    for (const a of board.panels)
      for (const b of board.panels) {
        const [p, q] = [a.gridPos, b.gridPos];
        const isApart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
        expect(a === b || isApart, `${a.title} and ${b.title}`).toBe(true);
      }
  });
});

test('dashboards are made of their tables as they stand', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--no-warnings', join(home, 'build/main.ts'), '--check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('no two dashboards share an uid, and all lead to each other', () => {
  expect(new Set(boards.map(({ uid }) => uid)).size).toBe(boards.length);
  for (const { tags, links } of boards) {
    expect(tags).toContain('weir');
    expect(links[0]).toMatchObject({ type: 'dashboards', tags: ['weir'] });
  }
});

test('latencies lead to traces: by exemplars, and by links that Tempo understands', async () => {
  const withExemplars = boards.flatMap(({ panels }) => panels).flatMap(({ targets }: any) => targets ?? []).filter(({ exemplar }: any) => exemplar);
  expect(withExemplars.length).toBeGreaterThanOrEqual(4);
  const now = Date.now() / 1000;
  for (const { expr } of withExemplars) {
    const found = await prometheus.api('query_exemplars', { query: fill(expr), start: String(now - 600), end: String(now + 60) });
    const exemplars = found.flatMap(({ exemplars }: any) => exemplars);
    expect(exemplars.length, expr).toBeGreaterThan(0);
    for (const { labels } of exemplars) expect(labels.trace_id).toMatch(/^[0-9a-f]{32}$/);
  }
  const links = boards.flatMap(({ panels }) => panels).flatMap(({ fieldConfig }: any) => fieldConfig?.defaults.links ?? []);
  expect(links.length).toBeGreaterThan(5);
  for (const { url } of links) {
    const panes = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('panes')!;
    expect(JSON.parse(panes).a).toMatchObject({ datasource: '${tempo}', queries: [{ queryType: 'traceql', query: expect.stringMatching(/^\{ .* \}$/) }] });
  }
});

// --- sums that can be checked --------------------------------------------------

async function one(board: string, panel: string): Promise<number> {
  const { expr } = queries.find((query) => query.board === board && query.panel === panel)!;
  const [found] = await find(fill(expr));
  return Number(found!.value[1]);
}

test('what the cost dashboard says was saved is what the ledger says', async () => {
  const program = process.env.WEIR_BIN ?? join(root, 'build/dev/weir');
  const report = () => JSON.parse(spawnSync(program, ['report', '--ledger', ledger, '--format', 'json'], { encoding: 'utf8' }).stdout);
  const { all_in_the_cloud_usd: cloud, cloud_bill_usd: bill } = await eventually('the rows are written', () => (report().all.requests >= 30 ? report() : undefined));
  const raw = async (query: string) => Number((await find(query))[0]!.value[1]);
  expect(await raw('sum(weir_cloud_equivalent_dollars_total)')).toBeCloseTo(cloud, 9);
  expect(await raw('sum(weir_cost_dollars_total{basis="token"})')).toBeCloseTo(bill, 9);
  const gpus = await raw('sum(weir_gpu_dollars_total)');
  // increase() guesses what was before the first and after the last sample
  const saved = await one('weir-cost', 'Saved in the time shown');
  expect(Math.abs(saved - (cloud - bill - gpus))).toBeLessThan(0.3 * (cloud + bill + gpus));
  expect(await one('weir-cost', 'Unpriced answers')).toBeGreaterThan(0.5);
});

test('the error budget counts what failed', async () => {
  const [failed] = await find('sum(weir_requests_total{outcome="error"}) / sum(weir_requests_total{outcome=~"ok|error"})');
  const left = await one('weir-router', 'Error budget left');
  expect(left).toBeLessThan(0);
  // what a series began with is in no increase
  const ratio = Number(failed!.value[1]);
  expect(ratio).toBeGreaterThan(0.1);
  expect(Math.abs((1 - left) * 0.01 - ratio)).toBeLessThan(0.5 * ratio);
});

// --- the rules -----------------------------------------------------------------

interface Rule {
  name: string;
  type: 'alerting' | 'recording';
  query: string;
  health: string;
  lastError?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  alerts?: { annotations: Record<string, string> }[];
}

const rulesOf = async (): Promise<Rule[]> => (await prometheus.api('rules')).groups.flatMap((group: any) => group.rules);

test('every rule is evaluated without an error', async () => {
  for (const { name, health, lastError } of await rulesOf()) expect([name, health, lastError]).toEqual([name, 'ok', undefined]);
});

test('every recording rule records something', async () => {
  const empty: string[] = [];
  for (const { name } of (await rulesOf()).filter(({ type }) => type === 'recording')) {
    const found = (await find(name)).filter(({ value }) => isData(value));
    if (found.length === 0) empty.push(name);
  }
  expect(empty).toEqual([]);
});

test('every series that an alert asks for is there', async () => {
  const missing: string[] = [];
  for (const { name, query, type } of await rulesOf()) {
    const selectors = selectorsOf(query);
    if (type === 'alerting') expect(selectors, name).not.toEqual([]);
    for (const selector of selectors) if ((await find(selector)).length === 0) missing.push(`${name}: ${selector}`);
  }
  expect(missing).toEqual([]);
});

test('alerts speak in whole sentences', async () => {
  const said = (await rulesOf()).flatMap(({ alerts }) => alerts ?? []).flatMap(({ annotations }) => Object.values(annotations));
  expect(said.length).toBeGreaterThan(8); // there was trouble
  for (const text of said) expect(text).not.toMatch(/<error|<no value>|\{\{|%!|\/ | {2}/);
});

test('alerts that must come have come', async () => {
  const coming = new Set((await find('ALERTS')).map(({ metric }) => metric.alertname));
  for (const name of ['WeirErrorBudgetBurnFast', 'WeirFallbackRateHigh', 'WeirLocalOnlyRefused', 'WeirUnpricedAnswers', 'WeirExportFailing']) expect(coming).toContain(name);
  for (const name of ['WeirDown', 'WeirPodDown', 'WeirTelemetryLost', 'WeirCloudBudgetSpent', 'GpuHot', 'GpuNodeWithoutWork']) expect(coming).not.toContain(name);
});

test('every alert has a severity, a summary, a description and a runbook; every runbook an alert', async () => {
  const alerts = (await rulesOf()).filter(({ type }) => type === 'alerting');
  for (const { name, labels, annotations } of alerts) {
    expect(['critical', 'warning', 'info'], name).toContain(labels.severity);
    expect(annotations.summary, name).toMatch(/^[A-Z]/);
    expect(annotations.description, name).toMatch(/\.$/);
    expect(annotations.runbook_url).toBe(`docs/runbooks/${name}.md`);
    const page = readFileSync(join(root, annotations.runbook_url!), 'utf8');
    expect(page.startsWith(`# ${name}\n`), name).toBe(true);
    for (const part of ['## What it means', '## What it does to callers', '## Look first', '## Likely causes', '## What to do']) expect(page, name).toContain(`\n${part}\n`);
  }
  const pages = readdirSync(join(root, 'docs/runbooks')).filter((name) => name !== 'README.md');
  expect(pages.sort()).toEqual(alerts.map(({ name }) => `${name}.md`).sort());
  const tables = readFileSync(join(home, 'README.md'), 'utf8') + readFileSync(join(root, 'docs/runbooks/README.md'), 'utf8');
  for (const { name } of alerts) expect(tables.split(`[${name}](`).length, name).toBe(3);
});

test('the queries of the runbooks find something, or nothing is wrong', async () => {
  let count = 0;
  for (const page of readdirSync(join(root, 'docs/runbooks')))
    for (const [, query] of readFileSync(join(root, 'docs/runbooks', page), 'utf8').matchAll(/```promql\n([^`]*)\n```/g)) {
      count++;
      await find(query!); // it is valid
      const missing: string[] = [];
      for (const selector of selectorsOf(query!)) if ((await find(selector)).length === 0) missing.push(selector);
      expect(missing, page).toEqual([]);
    }
  expect(count).toBeGreaterThan(30);
});

// --- promtool ------------------------------------------------------------------

const promtool = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, said: stdout + stderr };
};
const ruleTests = readdirSync(join(home, 'tests')).map((name) => join(home, 'tests', name));

test('promtool finds nothing wrong with the rules', () => {
  const { status, said } = promtool('check', 'rules', '--lint-fatal', ...ruleFiles);
  expect(said).not.toMatch(/FAILED|duplicate/);
  expect(status).toBe(0);
});

test.each(ruleTests.map((file) => [basename(file), file]))('each alert fires when it should: %s', { timeout: 120_000 }, (_, file) => {
  const { status, said } = promtool('test', 'rules', file);
  expect(status, said).toBe(0);
});

test('for each alert there is a case in which it fires, and one in which it does not', async () => {
  const text = ruleTests.map((file) => readFileSync(file, 'utf8')).join('');
  const cases = [...text.matchAll(/expr: 'ALERTS\{alertname="(\w+)", alertstate="firing"\}'\n\s+eval_time: \S+\n\s+exp_samples:( \[\])?/g)];
  const fires = new Set(cases.filter(([, , none]) => none === undefined).map(([, name]) => name));
  const rests = new Set(cases.filter(([, , none]) => none !== undefined).map(([, name]) => name));
  const alerts = (await rulesOf()).filter(({ type }) => type === 'alerting').map(({ name }) => name);
  expect([...fires].sort()).toEqual([...alerts].sort());
  expect([...rests].sort()).toEqual([...alerts].sort());
});
