import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { cheapest, costs, gpuUse, officeHours, table, type Situation } from '../lib/cost.ts';
import prices from '../prices.json' with { type: 'json' };
import shipped from '../weir.config.ts';
import { configWith } from './synth.ts';

const total = (config: typeof shipped, situation: Situation, hours = 160) =>
  costs(config, prices, hours).reduce((sum, { month }) => sum + month[situation], 0);

const lineOf = (config: typeof shipped, text: string, hours = 160) => {
  const found = costs(config, prices, hours).find(({ what }) => what.includes(text));
  expect(found, text).toBeDefined();
  return found!.month;
};

describe('office hours', () => {
  test.each([
    ['0 8 * * 1-5', '0 20 * * 1-5', 60],
    ['30 8 * * 1,3,5', '0 12 * * 1,3,5', 10.5],
    ['0 22 * * *', '0 6 * * *', 56],
    ['0 0 * * 6-7', '0 0 * * 6-7', 48],
  ])('from %s to %s are %d a week', (start, end, week) => {
    expect(officeHours({ timezone: 'UTC', start, end })).toBeCloseTo((week * 730) / 168);
  });

  test('that are none cost none', () => {
    expect(officeHours(undefined)).toBe(0);
  });

  test('that are not understood are no price', () => {
    expect(() => officeHours({ timezone: 'UTC', start: '*/5 * * * *', end: '0 1 * * *' })).toThrow('*/5 * * * *');
  });
});

describe('GPU nodes', () => {
  const none = { ...shipped.models };
  delete (none as { officeHours?: unknown }).officeHours;

  test('are none when idle, warm in office hours, all under load', () => {
    const [use] = gpuUse(shipped, prices, 100);
    expect(use!.hours.idle).toBe(0);
    expect(use!.hours.office).toBeCloseTo(260.7, 1);
    // Four in a hundred hours, and the warm one in the rest of its time.
    expect(use!.hours.load).toBeCloseTo(400 + 160.7, 1);
  });

  test('cost nothing without office hours until they are asked', () => {
    const config = { ...shipped, models: none };
    expect(total(config, 'office')).toBe(total(config, 'idle'));
  });

  test('are the cheapest of the families that fit', () => {
    const pool = { gpus: 1, gpuMemoryMiB: 20000 };
    expect(cheapest(shipped, prices, pool).type).toBe('g6.xlarge');
    expect(cheapest(configWith({ gpuPool: { instanceFamilies: ['g5'] } }), prices, pool).type).toBe('g5.xlarge');
    expect(cheapest(shipped, prices, { gpus: 8, gpuMemoryMiB: 40000 }).type).toBe('g6e.48xlarge');
    expect(() => cheapest(shipped, prices, { gpus: 16, gpuMemoryMiB: 1 })).toThrow('no node with 16 GPUs');
  });

  test('cost Spot where it is allowed, else the full price', () => {
    const onDemand = configWith({ gpuPool: { capacity: ['on-demand'] } });
    const node = prices.gpuNodes.find(({ type }) => type === 'g6.xlarge')!;
    const ratio = lineOf(onDemand, 'on demand').load / lineOf(shipped, 'Spot').load;
    expect(ratio).toBeCloseTo(node.onDemand / node.spot);
  });
});

describe('the configuration decides', () => {
  test.each<[string, Parameters<typeof configWith>[0], number]>([
    ['a gateway in each zone', { network: { natGateways: 3 } }, 2 * (0.052 + 0.005) * 730],
    ['all endpoints, in three zones', { network: { endpoints: 'all' } }, 12 * 3 * 0.012 * 730],
    ['a third system node', { systemPool: { desired: 3 } }, 0.2415 * 730 + 60 * 0.0952],
    ['no access host', { cluster: { accessHost: false } }, -0.0048 * 730],
    ['a balancer on the internet', { router: { scheme: 'internet-facing' } }, 3 * 0.005 * 730],
    ['more room for metrics', { observability: { prometheus: { diskGiB: 150 } } }, 100 * 0.0952],
    [
      'a database in two zones',
      {
        observability: {
          langfuse: { database: 'rds', rds: { instanceType: 't4g.medium', storageGiB: 50, multiAz: true } },
        },
      },
      2 * (0.073 * 730 + 50 * 0.137),
    ],
  ])('%s', (_, over, more) => {
    expect(total(configWith(over), 'idle') - total(shipped, 'idle')).toBeCloseTo(more, 2);
  });

  test('and what has no price is told', () => {
    const config = configWith({ systemPool: { instanceTypes: ['x9.large'] } });
    expect(() => costs(config, prices, 1)).toThrow('prices.json has no price of x9.large');
  });
});

describe('the table', () => {
  test('adds up, and costs more the more is asked', () => {
    const text = table(shipped, prices, 160);
    const rows = text.split('\n').filter((row) => /^\| .*\d\.\d\d/.test(row));
    const cells = rows.map((row) => row.replaceAll('*', '').split('|').slice(2, 5).map(Number));
    const sums = [0, 1, 2].map((column) => cells.slice(0, -1).reduce((sum, row) => sum + row[column]!, 0));
    sums.forEach((sum, column) => expect(Math.abs(sum - cells.at(-1)![column]!)).toBeLessThan(0.15));
    expect(sums[0]).toBeLessThan(sums[1]!);
    expect(sums[1]).toBeLessThan(sums[2]!);
  });

  test('of the README is the one of the shipped configuration', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(table(shipped, prices, 160).trim());
  });

  test('says whose prices, of when, and where they are not of this region', () => {
    expect(table(shipped, prices, 160)).toContain(`Prices of eu-central-1, ${prices.date}.`);
    const elsewhere = configWith({ region: 'us-east-1' });
    expect(table(elsewhere, prices, 160)).toContain('This installation is in us-east-1: change prices.json.');
  });

  test('is what `npm run cost` prints', () => {
    const program = fileURLToPath(new URL('../bin/cost.ts', import.meta.url));
    const args = ['--disable-warning=ExperimentalWarning', program];
    const said = execFileSync(process.execPath, [...args, '--hours', '200'], { encoding: 'utf8' });
    expect(said).toBe(table(shipped, prices, 200));
    expect(spawnSync(process.execPath, [...args, '--hours', '731']).status).toBe(2);
  });
});
