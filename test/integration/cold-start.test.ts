// The cold start: what callers see while the local tier is away, and when it is
// back.  By default it plays on the stand-ins, which go cold by a fault.  On a
// real cluster scripts/cold-start sets COLD_START_PHASE (cold or warm) and
// takes care of what is cold; then this is what it takes from the environment:
//
//   ROUTER_URL, ROUTER_API_KEY
//   PROMETHEUS_URL             where the demand of all replicas is added up
//   COLD_START_WARM_SECONDS    for how long it may take to come back (60)
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readText, sumOf } from './exposition.ts';
import { eventually, hello, localState, Sim, sleep, Weir } from './harness.ts';

const phase = process.env.COLD_START_PHASE;
const isReal = phase !== undefined;
if (isReal && !['cold', 'warm'].includes(phase)) throw new Error(`COLD_START_PHASE: read "${phase}", expected cold or warm`);
if (isReal && !process.env.ROUTER_URL) throw new Error('ROUTER_URL says where the router is');

const REQUESTS = 24;
const AT_ONCE = 4;
const WARM_MS = Number(process.env.COLD_START_WARM_SECONDS ?? 60) * 1000;
const PAUSE_MS = isReal ? 2000 : 50;
/** Prometheus scrapes twice a minute. */
const DEMAND_MS = isReal ? 120_000 : 10_000;
const DEMAND = 'weir_local_wanted_total';

let url = (process.env.ROUTER_URL ?? '').replace(/\/+$/, '').replace(/\/v1$/, '');
let sim: Sim | undefined;
let weir: Weir | undefined;

beforeAll(async () => {
  if (isReal) return;
  sim = await Sim.start();
  weir = await Weir.between(sim, { PROBE_COLD_INTERVAL: '100ms', HOLD_TIMEOUT: '300ms', RETRY_AFTER: '7s', RAMP_TIME: '500ms' });
  url = weir.url;
  await localState(weir, 'warm');
  // as at its real counterpart: no address answers
  await sim.fault('vllm', { fault: 'refuse', seconds: 600 });
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

// --- asking ------------------------------------------------------------------------

interface Answer {
  status: number;
  backend: string | null;
  reason: string | null;
  retryAfter: string | null;
  body: string;
}

async function ask(path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  const key = process.env.ROUTER_API_KEY;
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(isReal && key ? { authorization: `Bearer ${key}` } : {}),
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const { status } = answer;
  const [backend, reason] = ['backend', 'reason'].map((name) => answer.headers.get(`x-router-${name}`)) as [string, string];
  return { status, backend, reason, retryAfter: answer.headers.get('retry-after'), body: await answer.text() };
}

const short = { model: 'auto', max_tokens: 16 };
/** The same short prompt in the formats that callers speak, whole and streamed. */
const ways: (() => Promise<Answer>)[] = [
  () => ask('/v1/chat/completions', { ...short, messages: hello }),
  () => ask('/v1/chat/completions', { ...short, messages: hello, stream: true }),
  () => ask('/v1/messages', { ...short, messages: hello }, { 'anthropic-version': '2023-06-01' }),
  () => ask('/v1/responses', { model: 'auto', max_output_tokens: 16, input: 'Say hello', stream: true }),
];
const localOnly = () => ask('/v1/chat/completions', { ...short, messages: hello }, { 'x-router-policy': 'local-only' });

/** Some at a time, in all the ways. */
async function askMany(count: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < count)
    answers.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ways[i % ways.length]!()))));
  return answers;
}

/** How many requests wanted the local tier so far, by all replicas. */
async function demand(): Promise<number> {
  const prometheus = process.env.PROMETHEUS_URL;
  if (!isReal || !prometheus) return sumOf(readText(await (await fetch(`${url}/metrics`)).text()), DEMAND);
  const answer = await fetch(`${prometheus.replace(/\/+$/, '')}/api/v1/query?query=${encodeURIComponent(`sum(${DEMAND})`)}`);
  const { data } = (await answer.json()) as any;
  return Number(data.result[0]?.value[1] ?? 0);
}

// --- cold --------------------------------------------------------------------------

describe.runIf(phase !== 'warm')('while the local tier is cold', () => {
  test('the cloud answers, no request fails, and the demand is counted', async () => {
    const before = await demand();
    const answers = await askMany(REQUESTS);
    for (const { status, backend, reason, body } of answers) {
      expect(status, body).toBe(200);
      expect([backend, reason]).toEqual(['cloud', expect.stringMatching(/^fallback:/)]);
      expect(body.length).toBeGreaterThan(0);
    }
    // this is what wakes the GPU nodes
    await eventually(`the demand has risen by ${REQUESTS} from ${before}`, async () => (await demand()) >= before + REQUESTS, DEMAND_MS);
  }, DEMAND_MS + 60_000);

  test('what is pinned to the local tier never goes to the cloud: it is told when to come again', async () => {
    for (let i = 0; i < 3; i++) {
      const { status, backend, retryAfter, body } = await localOnly();
      expect(status, body).toBe(503);
      expect(JSON.parse(body).error.code).toBe('backend_not_ready');
      expect(retryAfter).toMatch(/^[1-9]\d*$/);
      expect(backend).not.toBe('cloud');
    }
  }, 60_000);
});

// --- and back ------------------------------------------------------------------------

describe.runIf(phase !== 'cold')('when it comes back', () => {
  beforeAll(async () => {
    await sim?.fault('vllm', null);
  });

  test('it serves again, and no request fails on the way', async () => {
    // each of these wants it, and is what wakes it
    await eventually(
      'the local tier serves whatever wants it',
      async () => {
        const answers = await askMany(AT_ONCE * 2);
        for (const { status, body } of answers) expect(status, body).toBe(200);
        if (answers.every(({ backend }) => backend === 'local')) return true;
        await sleep(PAUSE_MS);
        return undefined;
      },
      WARM_MS,
    );
    const pinned = await localOnly();
    expect([pinned.status, pinned.backend], pinned.body).toEqual([200, 'local']);
  }, WARM_MS + 60_000);
});
