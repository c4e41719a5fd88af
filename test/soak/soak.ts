// `make soak`: the router at half of what it is found to do, for SOAK_SECONDS
// (1800), between two local replicas and the cloud, which fall ill at random
// (SOAK_SEED), asked in all formats by callers who may leave, and told to read
// its configuration anew all the time.  What must hold:
//
//   - no request fails that had a healthy backend all the while; none hangs
//   - no answer is wrong or empty
//   - memory and descriptors do not grow
//   - the counters add up to what was sent and seen
//   - each request has its row in the ledger, its spans and its generation,
//     once, although those who take them are away now and then
//
// SOAK_RATE (requests a second) instead of half the peak; SOAK_OUT is where
// the summary is written.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { endAll, eventually, sleep, type Weir } from '../integration/harness.ts';
import { agent, races, send, Tally } from './callers.ts';
import { randomFrom, Troubles } from './faults.ts';
import { kinds, pick, type RequestKind } from './kinds.ts';
import { checkMemory, type Counters, counters, most, sample, type Sample, sum } from './measure.ts';
import { Records } from './records.ts';
import { open, type Stage } from './stage.ts';

const seconds = Number(process.env.SOAK_SECONDS ?? 1800);
const seed = Number(process.env.SOAK_SEED ?? 1);
const out = process.env.SOAK_OUT ?? 'build/soak.txt';
/** On a machine that others keep busy, callers wait for each other from here on:
 * what is under way must not pile up. */
const MOST_OPEN = 300;
const LOOK_MS = 1000;
const TELL_MS = 30_000;

class Soak {
  readonly tally: Tally;
  readonly troubles: Troubles;
  readonly samples: Sample[] = [];
  readonly reloads = { asked: 0, done: 0, refused: 0 };
  awayTimes = 0;
  private sent = 0;
  private goesOn = true;

  constructor(
    private readonly stage: Stage,
    private readonly records: Records,
  ) {
    this.troubles = new Troubles(stage.places, randomFrom(seed + 1));
    this.tally = new Tally(this.troubles);
  }

  private get weir(): Weir {
    return this.stage.weir;
  }

  private async one(kind: RequestKind): Promise<void> {
    const done = await send(this.weir.url, kind, ++this.sent);
    this.tally.take(done);
    this.records.take(done);
  }

  /** Requests a second of 32 callers who do not wait, in three seconds. */
  async findPeak(): Promise<number> {
    const until = Date.now() + 3000;
    const before = this.sent;
    const call = async () => {
      for (let i = 0; Date.now() < until; i++) await this.one(kinds[i % 2]!);
    };
    await Promise.all(Array.from({ length: 32 }, call));
    return (this.sent - before) / 3;
  }

  async run(rate: number): Promise<void> {
    const beside = Promise.all([
      this.troubles.watchMachine(),
      ...(['near-0', 'near-1', 'far'] as const).map((name) => this.troubles.run(name)),
      this.reloadNowAndThen(randomFrom(seed + 2)),
      this.sendReceiversAway(randomFrom(seed + 3)),
      this.look(),
    ]);
    beside.catch(() => this.stop()); // it is awaited below
    await this.load(rate).finally(() => this.stop());
    await beside;
  }

  stop(): void {
    this.goesOn = false;
    this.troubles.stop();
  }

  private async load(rate: number): Promise<void> {
    const random = randomFrom(seed);
    const began = Date.now();
    const open = new Set<Promise<void>>();
    let due = 0;
    for (let now = began; this.goesOn && now < began + seconds * 1000; now = Date.now()) {
      if (this.weir.exit !== undefined) throw new Error(`the router has ended: ${this.weir.exit}\n${this.weir.log.join('\n')}`);
      const arrears = ((now - began) / 1000) * rate;
      // what could not be sent in time is not made up for
      due = Math.max(due, arrears - rate / 10);
      for (; due < arrears && open.size < MOST_OPEN; due++) {
        const one: Promise<void> = this.one(pick(random)).then(() => void open.delete(one));
        open.add(one);
      }
      await sleep(10);
    }
    await Promise.all(open);
  }

  /** Once a second: memory, the log, what Langfuse has; and what to tell. */
  private async look(): Promise<void> {
    const began = Date.now();
    let told = began;
    for (; this.goesOn; await sleep(LOOK_MS)) {
      this.samples.push(sample(this.weir.pid));
      this.readLog();
      this.records.collect();
      if (Date.now() - told < TELL_MS) continue;
      told = Date.now();
      const after = Math.round((told - began) / 1000);
      console.error(
        `soak: ${after} of ${seconds} s, ${this.sent} requests, ${this.samples.at(-1)!.rssKb} KB, ${this.tally.offences.length} offences`,
      );
    }
  }

  readLog(): void {
    const lines = this.weir.log;
    // the last ones stay, for whoever has to find out why it ended
    for (const line of lines.splice(0, Math.max(0, lines.length - 50))) this.readLine(line);
  }

  readRestOfLog(): void {
    for (const line of this.weir.log.splice(0)) this.readLine(line);
  }

  private readLine(line: string): void {
    if (line.includes('"configuration reloaded"')) this.reloads.done++;
    if (line.includes('"configuration refused"')) this.reloads.refused++;
  }

  private async reloadNowAndThen(random: () => number): Promise<void> {
    while (await this.rests(2000 + 6000 * random())) {
      this.stage.reload();
      this.reloads.asked++;
    }
  }

  private async sendReceiversAway(random: () => number): Promise<void> {
    const { spans, langfuse } = this.records;
    while (await this.rests(2000 + 8000 * random())) {
      const isCut = random() < 0.5;
      this.awayTimes++;
      spans.goAway(isCut ? 'cut' : 503);
      langfuse.faults.push(isCut ? { cuts: true } : { status: 503 });
      await this.rests(200 + 2000 * random());
      spans.goAway(undefined);
    }
  }

  /** False when the run is over. */
  private async rests(ms: number): Promise<boolean> {
    const end = Date.now() + ms;
    while (this.goesOn && Date.now() < end) await sleep(100);
    return this.goesOn;
  }
}

// --- what must hold ---------------------------------------------------------------

type Must = (what: string, ok: boolean) => void;

function checkCounters(all: Counters, tally: Tally, must: Must): void {
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
  must(`who left is counted: left ${tally.left}, counted ${requests('cancelled')}`, requests('cancelled') <= tally.left);
}

/** Nothing waits, and nothing was dropped. */
async function checkExports(weir: Weir, must: Must): Promise<void> {
  const exporters = ['otlp', 'langfuse', 'ledger'];
  const figures = await eventually(
    'all that was taken is delivered or dropped',
    async () => {
      const all = await counters(weir);
      const of = (exporter: string) => {
        const items = (result: string) => sum(all, 'weir_export_items_total', `exporter="${exporter}",result="${result}"`);
        return { taken: items('taken'), delivered: items('delivered'), dropped: sum(all, 'weir_export_dropped_total', `exporter="${exporter}"`) };
      };
      const now = exporters.map((exporter) => ({ exporter, ...of(exporter) }));
      const isQuiet = now.every(({ taken, delivered, dropped }) => delivered + dropped >= taken) && all.weir_clerk_queue === 0;
      return isQuiet && now;
    },
    60_000,
  );
  for (const { exporter, taken, delivered, dropped } of figures)
    must(`${exporter}: taken ${taken}, delivered ${delivered}, dropped ${dropped}`, taken > 0 && delivered === taken && dropped === 0);
}

async function checkDescriptors(weir: Weir, idle: number, samples: Sample[], must: Must): Promise<void> {
  agent.destroy();
  // the pages' connection, one of each probe, the receivers', the ledger's files
  const allowed = idle + 8;
  const now = () => sample(weir.pid).descriptors;
  const descriptors = await eventually(`descriptors are back at ${idle}`, () => now() <= allowed && now(), 20_000).catch(now);
  must(
    `no descriptor is left open: ${idle} idle, most ${most(samples.map((s) => s.descriptors))}, ${descriptors} at the end`,
    descriptors <= allowed,
  );
}

// --- the run -------------------------------------------------------------------------

class Summary {
  readonly lines: string[] = [];
  isBroken = false;
  readonly must: Must = (what, ok) => {
    this.lines.push(`${ok ? 'ok    ' : 'BROKEN'} ${what}`);
    this.isBroken ||= !ok;
  };
}

async function play(stage: Stage, records: Records, summary: Summary): Promise<void> {
  const { weir } = stage;
  const { lines, must } = summary;
  await eventually('it serves', async () => (await counters(weir)) !== undefined);
  const idle = sample(weir.pid).descriptors;
  const soak = new Soak(stage, records);
  const { tally, troubles, samples, reloads } = soak;
  const rate = process.env.SOAK_RATE === undefined ? (await soak.findPeak()) / 2 : Number(process.env.SOAK_RATE);
  await soak.run(rate).finally(() => soak.stop());
  await eventually('nothing is under way', async () => sum(await counters(weir), 'weir_backend_in_flight') === 0);
  const faults = Object.values(troubles.counts).reduce((a, b) => a + b, 0);
  lines.push(
    `${seconds} s, ${rate.toFixed(0)} requests/s, seed ${seed}: ${tally.sent} requests, ${faults} faults of ` +
      `${Object.keys(troubles.counts).length} kinds, ${reloads.asked} reloads, receivers away ${soak.awayTimes} times, ` +
      `${races.count} sent again on a new connection; the machine was too busy ${troubles.starved.times} times, ` +
      `for ${(troubles.starved.ms / 1000).toFixed(0)} s`,
    '',
    ...tally.table(),
    '',
  );
  must('no request failed that had a healthy backend; no answer was wrong, empty or late', tally.offences.length === 0);
  lines.push(...tally.offences.map((offence) => `       ${offence}`));
  checkCounters(await counters(weir), tally, must);
  lines.push(checkMemory(samples, tally.sent, must));
  await checkExports(weir, must);
  await checkDescriptors(weir, idle, samples, must);
  await weir.stop();
  soak.readRestOfLog();
  must(
    `the configuration was read anew each time: asked ${reloads.asked}, done ${reloads.done}, refused ${reloads.refused}`,
    reloads.done === reloads.asked && reloads.refused === 0,
  );
  records.check(must);
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-soak-'));
  const records = await Records.open(join(dir, 'ledger.db'));
  const stage = await open(dir, records.env());
  const summary = new Summary();
  try {
    await play(stage, records, summary);
  } finally {
    agent.destroy();
    if (stage.weir.exit === undefined) await stage.weir.stop();
    await stage.close();
    await records.close();
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, `${summary.lines.join('\n')}\n`);
    console.log(summary.lines.join('\n'));
  }
  process.exitCode = summary.isBroken ? 1 : 0;
}

process.on('exit', endAll); // also when this has a bug
await main();
