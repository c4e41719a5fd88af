// `make outage`: a real collector goes away for OUTAGE_SECONDS (60) under a
// steady load of OUTAGE_RATE (200) requests a second, and comes back.  What
// must hold:
//
//   - each span of each request arrives, once
//   - requests go on as before
//   - the router's own figures say the same
//
// OUTAGE_PROTOCOL (grpc, http/protobuf, http/json); OUTAGE_OUT is where the
// summary is written.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Collector } from '../integration/collector.ts';
import { endAll, eventually, hello, Sim, sleep, Weir } from '../integration/harness.ts';

const seconds = Number(process.env.OUTAGE_SECONDS ?? 60);
const rate = Number(process.env.OUTAGE_RATE ?? 200);
const protocol = process.env.OUTAGE_PROTOCOL ?? 'grpc';
const out = process.env.OUTAGE_OUT ?? 'build/outage.txt';
const AROUND_SECONDS = Math.max(5, seconds / 4);
const MOST_OPEN = 2000;
const SPANS = 2; // of the request, and of its one try

const phases = ['before', 'during', 'after'] as const;
type Phase = (typeof phases)[number];

// --- the load -------------------------------------------------------------------

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
const body = JSON.stringify({ model: 'local', messages: hello });

interface Done {
  ms: number;
  trace: string;
  why?: string;
}

function send(url: string): Promise<Done> {
  const from = performance.now();
  return new Promise((resolve) => {
    const done = (trace: string, why?: string) => resolve({ ms: performance.now() - from, trace, why });
    const sent = request(
      `${url}/v1/chat/completions`,
      { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length } },
      (answer) => {
        const trace = String(answer.headers.traceparent).slice(3, 35);
        answer.resume();
        answer.on('error', (error) => done(trace, error.message));
        answer.on('end', () => done(trace, answer.statusCode === 200 ? undefined : `status ${answer.statusCode}`));
      },
    );
    sent.setTimeout(30_000, () => sent.destroy(new Error('no answer in 30 s')));
    sent.on('error', (error) => done('', error.message));
    sent.end(body);
  });
}

class Load {
  readonly times: Record<Phase, number[]> = { before: [], during: [], after: [] };
  readonly traces = new Set<string>();
  readonly failures: string[] = [];
  phase: Phase = 'before';
  private goesOn = true;
  private readonly open = new Set<Promise<void>>();

  constructor(private readonly weir: Weir) {}

  async run(): Promise<void> {
    const began = Date.now();
    for (let due = 0; this.goesOn; await sleep(5)) {
      this.weir.log.length = 0; // a line of each request
      for (; due < ((Date.now() - began) / 1000) * rate; due++) {
        if (this.open.size > MOST_OPEN) throw new Error(`${MOST_OPEN} requests are under way`);
        const phase = this.phase;
        const one: Promise<void> = send(this.weir.url).then(({ ms, trace, why }) => {
          this.open.delete(one);
          if (why === undefined) this.traces.add(trace);
          else this.failures.push(why);
          this.times[phase].push(ms);
        });
        this.open.add(one);
      }
    }
    await Promise.all(this.open);
  }

  stop(): void {
    this.goesOn = false;
  }
}

// --- what came of it ---------------------------------------------------------------

interface Found {
  spans: number;
  ids: Set<string>;
  perTrace: Map<string, number>;
}

function readSpans(collector: Collector): Found {
  const found: Found = { spans: 0, ids: new Set(), perTrace: new Map() };
  for (const { resourceSpans = [] } of collector.received())
    for (const { scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { traceId, spanId } of spans) {
          found.spans++;
          if (found.ids.has(spanId)) continue;
          found.ids.add(spanId);
          found.perTrace.set(traceId, (found.perTrace.get(traceId) ?? 0) + 1);
        }
  return found;
}

function quantile(values: number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? NaN;
}

interface Figures {
  taken: number;
  delivered: number;
  dropped: number;
  waiting: number;
  spooledBytes: number;
}

async function figuresOf(weir: Weir): Promise<Figures> {
  const metric = (name: string, labels = '') => weir.metric(`${name}{exporter="otlp"${labels}}`);
  return {
    taken: await metric('weir_export_items_total', ',result="taken"'),
    delivered: await metric('weir_export_items_total', ',result="delivered"'),
    dropped: await metric('weir_export_dropped_total'),
    waiting: (await metric('weir_export_queue_items')) + (await metric('weir_spool_items')),
    spooledBytes: await metric('weir_spool_bytes'),
  };
}

// --- the run -------------------------------------------------------------------------

async function play(weir: Weir, collector: Collector, load: Load): Promise<{ spooled: number; caughtUpMs: number; figures: Figures }> {
  await sleep(AROUND_SECONDS * 1000);
  load.phase = 'during';
  await collector.down();
  await sleep(seconds * 1000);
  const spooled = (await figuresOf(weir)).spooledBytes;
  await collector.up();
  load.phase = 'after';
  const back = Date.now();
  await eventually('the spool is empty', async () => (await figuresOf(weir)).spooledBytes === 0, 90_000);
  const caughtUpMs = Date.now() - back;
  await sleep(Math.max(0, AROUND_SECONDS * 1000 - caughtUpMs));
  load.stop();
  const figures = await eventually(
    'all is delivered or dropped',
    async () => {
      const now = await figuresOf(weir);
      return now.taken >= SPANS * load.traces.size && now.delivered + now.dropped >= now.taken && now;
    },
    60_000,
  );
  return { spooled, caughtUpMs, figures };
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-outage-'));
  const sim = await Sim.start('--slots', '4096');
  const collector = await Collector.start();
  const weir = await Weir.between(sim, {
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpc : collector.http,
    TELEMETRY_SPOOL_DIR: join(dir, 'spool'),
  });
  const load = new Load(weir);
  const running = load.run();
  running.catch(() => load.stop()); // it is awaited below
  const { spooled, caughtUpMs, figures } = await play(weir, collector, load).finally(() => load.stop());
  await running;
  agent.destroy();
  await weir.stop();
  // what it has taken it has written once it has ended
  await collector.down();
  const found = readSpans(collector);

  const due = SPANS * load.traces.size;
  const [lost, doubled] = [due - found.ids.size, found.spans - found.ids.size];
  const isWhole = [...load.traces].every((trace) => found.perTrace.get(trace) === SPANS);
  const p50 = (phase: Phase) => quantile(load.times[phase], 0.5);
  const lines = [
    `${protocol}, ${rate} requests/s, the collector is away for ${seconds} s`,
    '',
    'phase   requests  p50 ms  p99 ms  most ms',
    ...phases.map((phase) => {
      const times = load.times[phase];
      const cells = [0.5, 0.99, 1].map((at) => quantile(times, at).toFixed(2).padStart(8)).join('');
      return phase.padEnd(8) + String(times.length).padStart(8) + cells;
    }),
    '',
    `most in the spool: ${spooled} bytes; empty ${(caughtUpMs / 1000).toFixed(1)} s after the collector was back`,
    '',
  ];
  let isBroken = false;
  const must = (what: string, ok: boolean) => {
    lines.push(`${ok ? 'ok    ' : 'BROKEN'} ${what}`);
    isBroken ||= !ok;
  };
  must(`no request fails: ${load.failures.length} do ${load.failures.slice(0, 3).join('; ')}`, load.failures.length === 0);
  must(
    `each span arrives once: due ${due}, received ${found.spans}, lost ${lost}, doubled ${doubled}`,
    lost === 0 && doubled === 0 && isWhole,
  );
  must(
    `/metrics says the same: taken ${figures.taken}, delivered ${figures.delivered}, dropped ${figures.dropped}`,
    figures.taken === due && figures.delivered === due && figures.dropped === 0,
  );
  // a busy machine is allowed for
  must('requests are no slower', p50('during') <= 1.5 * Math.max(p50('before'), p50('after')) + 1);
  must('what was taken in the outage was spooled', spooled > 0);

  await collector.stop();
  await sim.stop();
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, lines.join('\n') + '\n');
  console.log(lines.join('\n'));
  process.exitCode = isBroken ? 1 : 0;
}

await main().finally(endAll);
