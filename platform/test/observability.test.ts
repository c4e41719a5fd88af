// The chart of the dashboards and rules: what it makes is what the files say,
// with what the values change.
import { describe, expect, test } from 'vitest';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { run, tools } from './apiserver.ts';
import { chartNamed, lint, only, render, valuesOf } from './charts.ts';

const chart = chartNamed('observability');
const all = valuesOf(chart).find((file) => file?.endsWith('all-values.yaml'));
const alone = valuesOf(chart).find((file) => file?.endsWith('dashboards-alone-values.yaml'));
const files = (folder: string) => readdirSync(join(chart.folder, folder)).map((name) => ({ name, text: readFileSync(join(chart.folder, folder, name), 'utf8') }));
const groupsOf = (objects: any[]): any[] => objects.filter(({ kind }) => kind === 'PrometheusRule').flatMap(({ spec }) => spec.groups);
const alertsOf = (objects: any[]): any[] => groupsOf(objects).flatMap(({ rules }) => rules).filter(({ alert }) => alert);
const oneLine = (rule: any) => JSON.parse(JSON.stringify(rule).replace(/\\n/g, ' '));

test.each(valuesOf(chart))('helm lint has nothing to say: %s', async (values) => {
  expect(await lint(chart, values)).toBe('');
});

describe('as it is', async () => {
  const { objects } = await render(chart);

  test.each(files('dashboards'))('$name is in a ConfigMap, byte for byte', ({ name, text }) => {
    const map = only(objects, 'ConfigMap', `observability-${name.replace('.json', '')}`);
    expect(map.metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    expect(map.metadata.annotations).toEqual({ grafana_folder: 'Weir' });
    expect(map.data).toEqual({ [name]: text });
    expect(Buffer.byteLength(text)).toBeLessThan(900 * 1024); // a ConfigMap has 1 MiB
  });

  test('rules are those of the files, the limits too', () => {
    const plain = files('rules').flatMap(({ text }) => parse(text).groups);
    const sorted = (groups: any[]) => [...groups].sort((a, b) => (a.name < b.name ? -1 : 1)).map(oneLine);
    expect(sorted(groupsOf(objects))).toEqual(sorted(plain));
  });

  test('Prometheus of kube-prometheus-stack selects them', () => {
    for (const { kind, metadata } of objects) if (kind === 'PrometheusRule') expect(metadata.labels).toMatchObject({ release: 'kube-prometheus-stack' });
  });

  test('each alert leads to a runbook that is there', () => {
    const alerts = alertsOf(objects);
    expect(alerts.length).toBeGreaterThan(30);
    for (const { annotations } of alerts) expect(existsSync(join(chart.folder, '../..', annotations.runbook_url)), annotations.runbook_url).toBe(true);
  });
});

describe('with values', async () => {
  const { objects } = await render(chart, all);

  test('the sidecar, the folder and the fields are as they say', () => {
    const map = only(objects, 'ConfigMap', 'obs-weir-cost');
    expect(map.metadata.labels).toMatchObject({ dash: 'yes', team: 'llm' });
    expect(map.metadata.annotations).toEqual({ folder: 'LLM: routers', note: 'ours' });
    const { list } = JSON.parse(map.data['weir-cost.json']).templating;
    const fields = Object.fromEntries(list.map(({ name, query, current }: any) => [name, [query, current?.value]]));
    expect(fields.gpu_price).toEqual(['0.45', '0.45']);
    expect(fields.langfuse).toEqual(['https://langfuse.example.com', 'https://langfuse.example.com']);
  });

  test('files and alerts are left out, the others get their labels and runbooks', () => {
    const names = objects.filter(({ kind }) => kind === 'PrometheusRule').map(({ metadata }) => metadata.name);
    expect(names.sort()).toEqual(['obs-cost', 'obs-limits', 'obs-objectives', 'obs-recording', 'obs-router', 'obs-telemetry']);
    const alerts = alertsOf(objects);
    expect(alerts.map(({ alert }) => alert)).not.toContain('WeirLocalCostsMoreThanItSaves');
    for (const { alert, labels, annotations } of alerts) {
      expect(labels).toMatchObject({ team: 'llm', severity: expect.stringMatching(/^(critical|warning|info)$/) });
      expect(annotations.runbook_url).toBe(`https://wiki.example.com/weir/runbooks/${alert}.md`);
    }
    expect(only(objects, 'PrometheusRule', 'obs-limits').spec.groups[0].rules).toEqual([{ record: 'weir:daily_budget_dollars', expr: 'vector(12.5)' }]);
  });
});

test('without the operator there are dashboards alone, in no folder', async () => {
  const { objects } = await render(chart, alone);
  expect(new Set(objects.map(({ kind }) => kind))).toEqual(new Set(['ConfigMap']));
  for (const { metadata } of objects) expect(metadata.annotations).toBeUndefined();
});

test.each([
  ['budget.dailyDollars=0', /dailyDollars/],
  ['budget.dailyDolars=5', /dailyDolars/],
  ['rules.exclude=["recording"]', /exclude/],
  ['dashboards.langfuseUrl="langfuse"', /langfuseUrl/],
  ['rules.runbookBaseUrl="docs"', /runbookBaseUrl/],
])('a wrong value is refused: %s', async (set, words) => {
  await expect(render(chart, undefined, [set])).rejects.toThrow(words);
});

// --- Grafana's own schema ------------------------------------------------------

const reader = (...boards: string[]) => run(join(tools, 'dashboard-check/dashboard-check'), boards);

test("Grafana's schema has nothing to say about the dashboards", async () => {
  const boards = files('dashboards').map(({ name }) => join(chart.folder, 'dashboards', name));
  expect(boards).toHaveLength(4);
  expect(await reader(...boards)).toMatchObject({ code: 0, err: '' });
});

test.each([
  ['"timezone": "browser"', '"timezon": "browser"', /unexpected field 'timezon'/],
  ['"exemplar": true', '"exemplars": true', /targets\[0\].*unexpected field 'exemplars'/],
  ['"drawStyle": "line"', '"drawStyl": "line"', /custom.*unexpected field 'drawStyl'/],
  ['"h": 8', '"h": "8"', /gridPos\.h/],
])('and it would speak: %s as %s', async (right, wrong, words) => {
  const folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
  const { text } = files('dashboards').find(({ name }) => name === 'weir-router.json')!;
  expect(text).toContain(right);
  writeFileSync(join(folder, 'wrong.json'), text.replace(right, wrong));
  const { code, err } = await reader(join(folder, 'wrong.json'));
  rmSync(folder, { recursive: true });
  expect(code).toBe(1);
  expect(err).toMatch(words);
});
