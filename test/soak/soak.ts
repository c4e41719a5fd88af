// `make soak`: the router at half its peak, for SOAK_SECONDS (600), between two
// local replicas and the cloud, which fall ill at random (SOAK_SEED).  What
// must hold:
//
//   - no request fails that had a healthy backend all the while
//   - no answer is wrong or empty
//   - memory and descriptors do not grow
//   - the counters add up to what was sent and seen
//
// SOAK_RATE (requests a second) instead of half the peak; SOAK_OUT is where
// the summary is written.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { dirname, join } from 'node:path';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { eventually, Sim, sleep, Weir } from '../integration/harness.ts';
import { type Place, randomFrom, Troubles } from './faults.ts';
import { type BackendName, bodyOf, judge, kinds, type RequestKind, type Verdict } from './kinds.ts';

const seconds = Number(process.env.SOAK_SECONDS ?? 600);
const seed = Number(process.env.SOAK_SEED ?? 1);
const out = process.env.SOAK_OUT ?? 'build/soak.txt';
const MOST_OPEN = 2000;
const HANG_MS = 15_000;

// --- one request ---------------------------------------------------------------

const agent = new Agent({ keepAlive: true, timeout: 30_000, maxSockets: Infinity });

interface Done {
  kind: RequestKind;
  verdict: Verdict | 'hangs' | 'reset';
  status: number;
  from: number;
  to: number;
  body: string;
}

function send(url: string, kind: RequestKind): Promise<Done> {
  const text = bodyOf(kind);
  const from = Date.now();
  return new Promise((resolve) => {
    let body = '';
    let status = 0;
    let hasLeft = false;
    const done = (verdict: Done['verdict']) => {
      clearTimeout(hangs);
      resolve({ kind, verdict, status, from, to: Date.now(), body });
    };
    const leave = () => {
      hasLeft = true;
      sent.destroy();
      done('left');
    };
    const sent = request(
      `${url}/v1/chat/completions`,
      {
        agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': text.length,
          ...(kind.policy === undefined ? {} : { 'x-router-policy': kind.policy }),
        },
      },
      (answer) => {
        status = answer.statusCode!;
        answer.setEncoding('utf8');
        answer.on('data', (bytes: string) => {
          body += bytes;
          if (kind.stream && kind.leaves !== undefined && body.split('\n\n').length > kind.leaves) leave();
        });
        answer.on('error', () => hasLeft || done('reset'));
        answer.on('end', () => hasLeft || done(judge(kind, status, body)));
      },
    );
    const hangs = setTimeout(() => {
      hasLeft = true;
      sent.destroy();
      done('hangs');
    }, HANG_MS);
    sent.on('error', () => hasLeft || done('reset'));
    sent.end(text);
    if (!kind.stream && kind.leaves !== undefined) setTimeout(leave, kind.leaves);
  });
}

// --- what happened ----------------------------------------------------------------

class Tally {
  readonly rows = new Map<string, Record<string, number>>();
  readonly offences: string[] = [];
  sent = 0;
  wanted = 0;
  seenBad = 0; // error statuses and broken streams that callers saw
  left = 0;

  constructor(private readonly troubles: Troubles) {}

  take(done: Done): void {
    const { kind, verdict, from, to } = done;
    const name = verdict.startsWith('wrong') ? 'wrong' : verdict;
    const row = this.rows.get(kind.name) ?? {};
    row[name] = (row[name] ?? 0) + 1;
    this.rows.set(kind.name, row);
    this.sent++;
    this.wanted += kind.wantsLocal ? 1 : 0;
    this.left += verdict === 'left' ? 1 : 0;
    this.seenBad += verdict === 'failed' || verdict === 'broken' ? 1 : 0;
    if (verdict === 'right' || verdict === 'left') return;
    // a stream that has begun has one backend, and breaks with it
    const isExcused =
      verdict === 'broken'
        ? kind.allowed.some((backend) => this.troubles.hadTrouble(backend, from, to))
        : verdict === 'failed' && this.troubles.hadNoneHealthy(kind.allowed, from, to);
    if (!isExcused && this.offences.length < 20)
      this.offences.push(`${kind.name}: ${verdict}, status ${done.status}, ${to - from} ms: ${done.body.slice(-300)}`);
  }
}

interface Sample {
  at: number;
  rssKb: number;
  descriptors: number;
}

function sample(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    at: Date.now(),
    rssKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Least squares, in KB a minute. */
function slope(samples: Sample[]): number {
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const at = mean(samples.map((s) => s.at));
  const rss = mean(samples.map((s) => s.rssKb));
  const top = samples.reduce((sum, s) => sum + (s.at - at) * (s.rssKb - rss), 0);
  const bottom = samples.reduce((sum, s) => sum + (s.at - at) ** 2, 0);
  return bottom === 0 ? 0 : (top / bottom) * 60_000;
}

async function counters(weir: Weir): Promise<Record<string, number>> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('weir_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

function sum(all: Record<string, number>, family: string, label = ''): number {
  return Object.entries(all)
    .filter(([name]) => name.startsWith(`${family}{`) && name.includes(label))
    .reduce((total, [, value]) => total + value, 0);
}

// --- the run -------------------------------------------------------------------------

async function open(dir: string): Promise<{ weir: Weir; sims: Sim[]; places: Record<BackendName, Place> }> {
  const pace = ['--tokens-per-second', '1000', '--slots', '4096'];
  const sims = await Promise.all([Sim.start(...pace), Sim.start(...pace), Sim.start(...pace)]);
  const path = join(dir, 'weir.yaml');
  writeFileSync(
    path,
    `backends:
  - name: near
    tier: local
    url: [${sims[0]!.vllm}, ${sims[1]!.vllm}]
    models: [{ name: qwen2.5-7b }]
  - name: far
    tier: cloud
    url: ${sims[2]!.anthropic}
    api_key: k
    default_model: claude-sonnet-4-6
`,
  );
  const weir = await Weir.start(
    {
      // a sanitizer that holds back what was freed would look like a leak
      ASAN_OPTIONS: 'detect_leaks=1:exitcode=66:quarantine_size_mb=8',
      CONNECT_TIMEOUT: '1s',
      FIRST_BYTE_TIMEOUT: '1s',
      FIRST_TOKEN_TIMEOUT: '1s',
      IDLE_TIMEOUT: '1s',
      HOLD_TIMEOUT: '1s',
      TOTAL_TIMEOUT: '10s',
      PROBE_INTERVAL: '500ms',
      PROBE_COLD_INTERVAL: '100ms',
      PROBE_TIMEOUT: '500ms',
      REST_TIME: '200ms',
      KEEP_ALIVE_TIMEOUT: '2s',
      POOL_IDLE_TIMEOUT: '2s',
    },
    '--config',
    path,
  ).catch(async (error) => {
    await Promise.all(sims.map((sim) => sim.stop()));
    throw error;
  });
  return {
    weir,
    sims,
    places: {
      'near-0': { sim: sims[0]!, target: 'vllm' },
      'near-1': { sim: sims[1]!, target: 'vllm' },
      far: { sim: sims[2]!, target: 'anthropic' },
    },
  };
}

/** As fast as 32 callers can, for three seconds. */
async function findPeak(weir: Weir, tally: Tally): Promise<number> {
  const until = Date.now() + 3000;
  let n = 0;
  const call = async () => {
    for (let i = 0; Date.now() < until; i++, n++) tally.take(await send(weir.url, kinds[i % 2]!));
  };
  await Promise.all(Array.from({ length: 32 }, call));
  return n / 3;
}

function pick(random: () => number): RequestKind {
  let at = random() * kinds.reduce((total, kind) => total + kind.share, 0);
  return kinds.find((kind) => (at -= kind.share) < 0) ?? kinds[0]!;
}

async function load(weir: Weir, tally: Tally, rate: number, samples: Sample[]): Promise<void> {
  const random = randomFrom(seed);
  const began = Date.now();
  const open = new Set<Promise<void>>();
  let due = 0;
  for (let now = began; now < began + seconds * 1000; now = Date.now()) {
    if (weir.exit !== undefined) throw new Error(`the router has ended: ${weir.exit}\n${weir.log.join('\n')}`);
    for (; due < ((now - began) / 1000) * rate; due++) {
      if (open.size > MOST_OPEN) throw new Error(`${MOST_OPEN} requests are under way`);
      const one: Promise<void> = send(weir.url, pick(random)).then((done) => {
        open.delete(one);
        tally.take(done);
      });
      open.add(one);
    }
    if (samples.length === 0 || now - samples.at(-1)!.at >= 1000) samples.push(sample(weir.pid));
    weir.log.splice(0, weir.log.length - 100);
    await sleep(10);
  }
  await Promise.all(open);
}

// --- what must hold ---------------------------------------------------------------------

function checkCounters(all: Record<string, number>, tally: Tally, must: (what: string, ok: boolean) => void): void {
  const requests = (outcome: string) => sum(all, 'weir_requests_total', `outcome="${outcome}"`);
  const bad = requests('error') + requests('client_error');
  const total = sum(all, 'weir_requests_total');
  const ok = requests('ok');
  const triesOk = sum(all, 'weir_tries_total', 'result="ok"');
  must(`every request is counted once: sent ${tally.sent}, counted ${total}`, total === tally.sent);
  must(
    `every request wanted local is counted: ${tally.wanted}, counted ${sum(all, 'weir_local_wanted_total')}`,
    sum(all, 'weir_local_wanted_total') === tally.wanted,
  );
  must(`each answer is of one try: ${ok} answers, ${triesOk} tries`, ok === triesOk);
  // who leaves may do so just before or behind the end
  must(
    `failures are counted as callers saw them: seen ${tally.seenBad}, counted ${bad}, left ${tally.left}`,
    bad >= tally.seenBad && bad <= tally.seenBad + tally.left,
  );
  must(
    `who left is counted: left ${tally.left}, counted ${requests('cancelled')}`,
    requests('cancelled') <= tally.left,
  );
}

function checkMemory(samples: Sample[], must: (what: string, ok: boolean) => void): string {
  // the first third is for warming up
  const warm = samples.slice(Math.floor(samples.length / 3));
  const third = Math.max(1, Math.floor(warm.length / 3));
  const early = median(warm.slice(0, third).map((s) => s.rssKb));
  const late = median(warm.slice(-third).map((s) => s.rssKb));
  must(`memory is flat: ${early} KB, then ${late} KB`, late - early <= Math.max(1024, early / 10));
  return `resident: ${early} KB after warming up, ${late} KB at the end, slope ${slope(warm).toFixed(1)} KB/min, most ${Math.max(...samples.map((s) => s.rssKb))} KB`;
}

function table(tally: Tally): string[] {
  const columns = ['right', 'failed', 'broken', 'left', 'wrong', 'reset', 'hangs'];
  const cell = (text: string | number) => String(text).padStart(8);
  return [
    'kind'.padEnd(24) + columns.map(cell).join(''),
    ...kinds.map(
      ({ name }) => name.padEnd(24) + columns.map((c) => cell(tally.rows.get(name)?.[c] ?? 0)).join(''),
    ),
  ];
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-soak-'));
  const { weir, sims, places } = await open(dir);
  const troubles = new Troubles(places, randomFrom(seed + 1));
  const tally = new Tally(troubles);
  const broken: string[] = [];
  const lines: string[] = [];
  const must = (what: string, ok: boolean) => {
    lines.push(`${ok ? 'ok    ' : 'BROKEN'} ${what}`);
    if (!ok) broken.push(what);
  };
  try {
    await eventually('it serves', async () => (await counters(weir)) !== undefined);
    const idle = sample(weir.pid);
    const rate = process.env.SOAK_RATE === undefined ? (await findPeak(weir, tally)) / 2 : Number(process.env.SOAK_RATE);
    const samples: Sample[] = [];
    const running = (['near-0', 'near-1', 'far'] as const).map((name) => troubles.run(name));
    await load(weir, tally, rate, samples).finally(() => troubles.stop());
    await Promise.all(running);
    await eventually('nothing is under way', async () => sum(await counters(weir), 'weir_backend_in_flight') === 0);
    lines.push(
      `${seconds} s, ${rate.toFixed(0)} requests/s, seed ${seed}: ${tally.sent} requests, ` +
        `${Object.values(troubles.counts).reduce((a, b) => a + b, 0)} faults of ${Object.keys(troubles.counts).length} kinds`,
      '',
      ...table(tally),
      '',
    );
    must('no request failed that had a healthy backend; no answer was wrong, empty or late', tally.offences.length === 0);
    lines.push(...tally.offences.map((offence) => `       ${offence}`));
    checkCounters(await counters(weir), tally, must);
    lines.push(checkMemory(samples, must));
    agent.destroy();
    const descriptors = await eventually(
      `descriptors are back at ${idle.descriptors}`,
      () => {
        const now = sample(weir.pid).descriptors;
        // the pages' connection, and one of each probe
        return now <= idle.descriptors + 4 && now;
      },
      20_000,
    ).catch(() => sample(weir.pid).descriptors);
    must(
      `no descriptor is left open: ${idle.descriptors} idle, most ${Math.max(...samples.map((s) => s.descriptors))}, ${descriptors} at the end`,
      descriptors <= idle.descriptors + 4,
    );
  } finally {
    troubles.stop();
    agent.destroy();
    await weir.stop();
    await Promise.all(sims.map((sim) => sim.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, lines.join('\n') + '\n');
  console.log(lines.join('\n'));
  process.exitCode = broken.length === 0 ? 0 : 1;
}

await main();
