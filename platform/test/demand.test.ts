// The demand's query as it is shipped, over its whole window, on series of
// hours that promtool makes up: scrapes of 15 and of 30 seconds.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from './apiserver.ts';
import { chartNamed, only, render } from './charts.ts';

let query: string;

beforeAll(async () => {
  const { objects } = await render(chartNamed('vllm'), undefined, ['weights.bucket="example-models"']);
  query = only(objects, 'ScaledObject').spec.triggers[0].metadata.query;
});

type Series = Record<string, string>;

/** What a router counts, as promtool spells values: all of them from the start. */
function router(pod: string, counts: Series, backend = 'vllm'): object[] {
  const quiet = { local: '0x40', cloud: '0x40', held: '0x40', refused: '0x40' };
  return Object.entries({ ...quiet, ...counts }).map(([served, values]) => ({
    series: `weir_local_wanted_total{namespace="router",pod="${pod}",backend="${backend}",served="${served}"}`,
    values,
  }));
}

/** Are these true of QUERY, at that time? `promtool test rules` says so. */
async function holds(interval: string, at: string, series: object[], ...facts: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'promtool-'));
  const file = join(folder, 'test.yaml');
  const promql_expr_test = facts.map((fact) => ({
    expr: fact.replaceAll('QUERY', `(${query})`),
    eval_time: at,
    exp_samples: [{ labels: '{}', value: 1 }],
  }));
  writeFileSync(file, JSON.stringify({ evaluation_interval: interval, tests: [{ interval, input_series: series, promql_expr_test }] }));
  const { code, out, err } = await run('promtool', ['test', 'rules', file]);
  rmSync(folder, { recursive: true });
  expect(code, out + err).toBe(0);
}

describe.each(['15s', '30s'])('scraped every %s', (interval) => {
  // six scrapes of nothing, then what is told; it is looked at one scrape later
  const soon = interval === '15s' ? '1m45s' : '3m30s';

  test.each(['cloud', 'refused', 'held'])('the very first request, %s, is above 0 at the next scrape', (served) =>
    holds(interval, soon, router('weir-0', { [served]: '0x5 1x34' }), 'QUERY > bool 0', 'QUERY < bool 0.1'),
  );

  test('it counts at whichever router it was', () =>
    holds(interval, soon, [...router('weir-0', {}), ...router('weir-1', { cloud: '7x5 8x34' })], 'QUERY > bool 0'),
  );

  test('nobody asks: 0, and not nothing', () =>
    holds(interval, soon, [...router('weir-0', { local: '40x40', cloud: '3x40' }), ...router('weir-1', {})], 'QUERY == bool 0'),
  );

  test('it is forgotten after the window', () =>
    holds(interval, '10m', router('weir-0', { cloud: '0x5 1x34' }), 'QUERY == bool 0'),
  );

  test('a router that begins anew with 0 is no demand', () =>
    holds(interval, soon, [...router('weir-0', { cloud: '500x5 0x34', local: '900x5 0x34' })], 'QUERY == bool 0'),
  );

  test('what is served well is a sign of life, however much it is', () =>
    holds(interval, '4m', router('weir-0', { local: '0+300x40' }), 'abs(QUERY - 0.1) < bool 0.001'),
  );

  test('what is not served counts in full, over all routers', () => {
    const per = interval === '15s' ? 15 : 30; // one in a second at each
    const counts = { cloud: `0+${per}x40`, local: `0+${per}x40` };
    return holds(interval, '4m', [...router('weir-0', counts), ...router('weir-1', counts)], 'abs(QUERY - 2.1) < bool 0.05');
  });

  test('another model’s demand is not this one’s', () =>
    holds(interval, '4m', [...router('weir-0', {}), ...router('weir-0', { cloud: '0+50x40' }, 'code')], 'QUERY == bool 0'),
  );

  test('an activation of 0.023 hears three in two minutes, not two', async () => {
    await holds(interval, soon, router('weir-0', { cloud: '0x3 1x1 2x34' }), 'QUERY < bool 0.023');
    await holds(interval, soon, router('weir-0', { cloud: '0x3 1x1 3x34' }), 'QUERY > bool 0.023');
    await holds(interval, soon, router('weir-0', { local: '100x3 101x1 102x34' }), 'QUERY < bool 0.023');
  });
});

test('no router is nothing: KEDA is told that it is blind', () =>
  holds('15s', '2m', [{ series: 'up{job="weir"}', values: '0x20' }], 'absent(QUERY)'),
);
