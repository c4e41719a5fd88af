// scaler.ts does what KEDA and the HPA do: a ScaledObject, what Prometheus
// says to it, and a clock that the test moves.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ScaledObject, Trigger } from './scaled-object.ts';
import { isWithin, Scaler } from './scaler.ts';

/** What Prometheus answers to each query: values, or that it is ill. */
let says: Record<string, number[] | 'ill'> = {};
let server: Server;
let serverAddress: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://localhost');
    const said = says[searchParams.get('query')!] ?? [];
    if (said === 'ill' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(searchParams.get('time')!)) {
      response.writeHead(503).end();
      return;
    }
    const result = said.map((value) => ({ metric: {}, value: [0, String(value)] }));
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  serverAddress = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

const prometheus = (name: string, more: Record<string, string> = {}): Trigger => ({
  type: 'prometheus',
  name,
  metadata: { serverAddress, query: name, threshold: '4', ...more },
});

const cron = (start: string, end: string, desiredReplicas = '1'): Trigger => ({
  type: 'cron',
  name: 'warm',
  metadata: { timezone: 'Europe/Berlin', start, end, desiredReplicas },
});

const office = cron('0 8 * * 1-5', '0 20 * * 1-5');

class Bench {
  now = 0;
  date = new Date('2026-11-22T02:00:00Z');
  replicas = 0;
  readonly scaler: Scaler;

  constructor(triggers: Trigger[], spec: Partial<ScaledObject['spec']> = {}) {
    const policies = (value: number) => [{ type: 'Pods' as const, value, periodSeconds: 60 }];
    const object: ScaledObject = {
      metadata: { name: 'vllm', namespace: 'inference', labels: {} },
      spec: {
        pollingInterval: 15,
        cooldownPeriod: 600,
        initialCooldownPeriod: 0,
        minReplicaCount: 0,
        maxReplicaCount: 8,
        fallback: { failureThreshold: 2, replicas: 1, behavior: 'currentReplicasIfHigher' },
        advanced: {
          horizontalPodAutoscalerConfig: {
            behavior: {
              scaleUp: { stabilizationWindowSeconds: 0, policies: policies(8) },
              scaleDown: { stabilizationWindowSeconds: 0, policies: policies(8) },
            },
          },
        },
        triggers,
        ...spec,
      },
    };
    this.scaler = new Scaler(object, {
      seconds: () => this.now,
      date: () => this.date,
      replicas: () => this.replicas,
      scale: (to) => (this.replicas = to),
    });
  }

  /** Polls, or HPA syncs, 15 s apart; how many replicas there are after each. */
  async polls(times: number): Promise<number[]> {
    return this.times(times, () => this.scaler.poll());
  }

  async syncs(times: number): Promise<number[]> {
    return this.times(times, () => this.scaler.sync());
  }

  private async times(times: number, look: () => Promise<void>): Promise<number[]> {
    const seen: number[] = [];
    for (let i = 0; i < times; i++, this.now += 15) {
      await look();
      seen.push(this.replicas);
    }
    return seen;
  }
}

beforeEach(() => {
  says = {};
});

describe('from 0 to 1 and back', () => {
  test('a trigger must be above its activation value, not at it', async () => {
    const bench = new Bench([prometheus('demand', { activationThreshold: '0.5' })]);
    says.demand = [0.5];
    expect(await bench.polls(2)).toEqual([0, 0]);
    says.demand = [0.51];
    expect(await bench.polls(1)).toEqual([1]);
  });

  test('it sleeps when nothing was active for longer than the cooldown', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = [1];
    await bench.polls(1);
    says.demand = [0];
    expect(await bench.polls(42)).toEqual([...Array(40).fill(1), 0, 0]);
  });

  test('a tier that KEDA never woke goes to sleep at once', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = [0];
    bench.replicas = 1;
    bench.now = 1;
    expect(await bench.polls(1)).toEqual([0]);
  });

  test('the HPA does nothing at zero', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = [100];
    expect(await bench.syncs(2)).toEqual([0, 0]);
  });
});

describe('what Prometheus says', () => {
  test('nothing is 0, unless it must not be', async () => {
    const bench = new Bench([prometheus('queue'), prometheus('demand', { ignoreNullValues: 'false' })]);
    says.demand = [0];
    await bench.polls(1);
    expect(bench.scaler.words.map(({ error }) => error)).toEqual([undefined, undefined]);
    says.demand = [];
    await bench.polls(1);
    expect(bench.scaler.words.map(({ error }) => error)).toEqual([undefined, 'the query gives nothing']);
    says.demand = [NaN];
    await bench.polls(1);
    expect(bench.scaler.words[1]!.error).toBe('the query gives nothing');
  });

  test('several values are an error', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = [1, 2];
    expect(await bench.polls(1)).toEqual([0]);
    expect(bench.scaler.words[0]!.error).toBe('the query gives several values');
  });
});

describe('when it is blind', () => {
  test('it falls back after so many failures, and wakes', async () => {
    const bench = new Bench([prometheus('demand'), office]);
    says.demand = 'ill';
    expect(await bench.polls(4)).toEqual([0, 0, 1, 1]);
  });

  test('one that works in between begins anew', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = 'ill';
    await bench.polls(2);
    says.demand = [0];
    await bench.polls(1);
    says.demand = 'ill';
    expect(await bench.polls(2)).toEqual([0, 0]);
  });

  test('what runs keeps running, also beyond the fallback', async () => {
    const bench = new Bench([prometheus('demand')]);
    says.demand = [12];
    await bench.polls(1);
    await bench.syncs(1);
    says.demand = 'ill';
    expect([...(await bench.polls(60)), ...(await bench.syncs(3))]).toEqual(Array(63).fill(3));
  });

  test('without a fallback all stays as it is', async () => {
    for (const replicas of [0, 2]) {
      const bench = new Bench([prometheus('demand')], { fallback: undefined });
      bench.replicas = replicas;
      says.demand = 'ill';
      expect(await bench.polls(50)).toEqual(Array(50).fill(replicas));
    }
  });

  test('a trigger that is active wakes, whatever ails another', async () => {
    const bench = new Bench([prometheus('demand'), office]);
    bench.date = new Date('2026-11-23T09:00:00Z');
    says.demand = 'ill';
    expect(await bench.polls(1)).toEqual([1]);
  });
});

describe('from 1 to many', () => {
  test('the most that a trigger wants, rounded up', async () => {
    const bench = new Bench([prometheus('demand'), prometheus('queue', { threshold: '48' })]);
    bench.replicas = 1;
    says = { demand: [9], queue: [49] };
    expect(await bench.syncs(1)).toEqual([3]);
    says = { demand: [0.1], queue: [49] };
    expect(await bench.syncs(1)).toEqual([2]);
  });

  test('a tenth more or less is left alone', async () => {
    const bench = new Bench([prometheus('demand')]);
    bench.replicas = 2;
    says.demand = [8.7];
    expect(await bench.syncs(1)).toEqual([2]);
    says.demand = [8.9];
    expect(await bench.syncs(1)).toEqual([3]);
  });

  test('never more than the most, nor fewer than one', async () => {
    const bench = new Bench([prometheus('demand')]);
    bench.replicas = 1;
    says.demand = [1000];
    expect(await bench.syncs(1)).toEqual([8]);
    says.demand = [0];
    expect(await bench.syncs(1)).toEqual([1]);
  });

  test('a trigger that fails lets them become more, not fewer', async () => {
    const bench = new Bench([prometheus('demand'), prometheus('queue')], { fallback: undefined });
    bench.replicas = 2;
    says = { demand: 'ill', queue: [1] };
    expect(await bench.syncs(1)).toEqual([2]);
    says = { demand: 'ill', queue: [12] };
    expect(await bench.syncs(1)).toEqual([3]);
  });

  test('a wave shorter than the window is none; a lull, too', async () => {
    const policies = [{ type: 'Pods' as const, value: 8, periodSeconds: 15 }];
    const behavior = {
      scaleUp: { stabilizationWindowSeconds: 60, policies },
      scaleDown: { stabilizationWindowSeconds: 60, policies },
    };
    const bench = new Bench([prometheus('demand')], { advanced: { horizontalPodAutoscalerConfig: { behavior } } });
    bench.replicas = 1;
    says.demand = [4];
    await bench.syncs(5);
    says.demand = [12];
    expect(await bench.syncs(6)).toEqual([1, 1, 1, 3, 3, 3]);
    says.demand = [4];
    expect(await bench.syncs(6)).toEqual([3, 3, 3, 1, 1, 1]);
  });

  test('no faster than the policy', async () => {
    const behavior = {
      scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods' as const, value: 2, periodSeconds: 60 }] },
      scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods' as const, value: 1, periodSeconds: 30 }] },
    };
    const bench = new Bench([prometheus('demand')], { advanced: { horizontalPodAutoscalerConfig: { behavior } } });
    bench.replicas = 1;
    says.demand = [28];
    expect(await bench.syncs(9)).toEqual([3, 3, 3, 3, 5, 5, 5, 5, 7]);
    bench.now += 60;
    says.demand = [4];
    expect(await bench.syncs(5)).toEqual([6, 6, 5, 5, 4]);
  });
});

describe('the calendar', () => {
  test.each([
    ['Monday 7:59', '2026-11-23T06:59:59Z', false],
    ['Monday 8:00', '2026-11-23T07:00:01Z', true],
    ['Friday 19:59', '2026-11-27T18:59:59Z', true],
    ['Friday 20:00', '2026-11-27T19:00:01Z', false],
    ['Saturday noon', '2026-11-28T11:00:00Z', false],
    // the clocks go forward on 2026-03-29: 8:00 is an hour earlier in UTC
    ['a Monday in summer, 8:00', '2026-03-30T06:00:01Z', true],
    ['a Monday in summer, 7:59', '2026-03-30T05:59:59Z', false],
  ])('office hours: %s', (_, date, is) => {
    expect(isWithin(office, new Date(date))).toBe(is);
  });

  test('hours that go over midnight', () => {
    const nights = cron('0 22 * * *', '0 6 * * *');
    expect(isWithin(nights, new Date('2026-11-23T23:00:00Z'))).toBe(true);
    expect(isWithin(nights, new Date('2026-11-23T12:00:00Z'))).toBe(false);
  });

  test('it keeps as many as it says, and more when more are wanted', async () => {
    const bench = new Bench([prometheus('demand'), cron('0 8 * * 1-5', '0 20 * * 1-5', '2')]);
    bench.date = new Date('2026-11-23T09:00:00Z');
    says.demand = [0];
    expect([...(await bench.polls(1)), ...(await bench.syncs(1))]).toEqual([1, 2]);
    says.demand = [12];
    expect(await bench.syncs(1)).toEqual([3]);
  });
});
