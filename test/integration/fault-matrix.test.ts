// Every row of fault-table.ts, in every situation.  Each lane has stand-ins
// and a router of its own, in which cells follow one another; lanes run side
// by side, so that what waits for a deadline keeps nobody waiting.
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Backend,
  brokenInMessages,
  type Door,
  expected,
  type Expected,
  inMessages,
  type Mode,
  notReadyError,
  type Row,
  rows,
  type Situation,
} from './fault-table.ts';
import { eventually, Sim, sleep, Weir } from './harness.ts';
import { framesOf, messageOf } from './speak.ts';
import { readText } from './exposition.ts';

const deadlines: Record<string, number> = {
  first_byte_timeout: 700,
  first_token_timeout: 1000,
  upstream_timeout: 1300, // between two pieces
};
const holdMs = 500;
/** For everything besides the deadline, on a loaded machine and sanitized. */
const slackMs = 4000;

const quick = {
  WEIR_WORKERS: '1', // one pool: descriptors can be counted
  FIRST_BYTE_TIMEOUT: `${deadlines.first_byte_timeout}ms`,
  FIRST_TOKEN_TIMEOUT: `${deadlines.first_token_timeout}ms`,
  IDLE_TIMEOUT: `${deadlines.upstream_timeout}ms`,
  HOLD_TIMEOUT: `${holdMs}ms`,
  RETRY_AFTER: `${notReadyError.retryAfter}s`,
  TOTAL_TIMEOUT: '20s',
  // requests, not probes, are to meet the faults
  PROBE_INTERVAL: '1h',
  PROBE_COLD_INTERVAL: '50ms',
  REST_TIME: '1ms',
  CLOUD_FALLS_BACK: 'always',
};

// --- a caller --------------------------------------------------------------------

interface Seen {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** One request on a connection of its own, which is gone afterwards. */
function send(
  url: string,
  body?: object,
  headers: Record<string, string> = {},
  onBytes: (so_far: string) => void = () => {},
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = request(
      url,
      {
        agent: false,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', 'content-length': text.length, ...headers },
      },
      (answer) => {
        let received = '';
        answer.setEncoding('utf8');
        answer.on('data', (bytes) => onBytes((received += bytes)));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode!, headers: answer.headers, body: received }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/** The data of a stream's events. */
const eventsOf = (body: string) => [...body.matchAll(/^data: (.*)$/gm)].map((found) => found[1]!);

/** The text in them, whatever the format is. */
const saidIn = (events: string[]) =>
  events
    .filter((data) => data.startsWith('{'))
    .map((data) => JSON.parse(data))
    .map(({ choices, delta }) => choices?.[0]?.delta?.content ?? (typeof delta === 'string' ? delta : (delta?.text ?? '')))
    .join('');

const paths: Record<Door, string> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
};

// --- a lane ------------------------------------------------------------------------

const prompt = [{ role: 'user', content: 'Count from 1 to 30' }];
const full = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');

class Lane {
  private last: Promise<unknown> = Promise.resolve();
  sim!: Sim;
  weir!: Weir;
  /** bytes of the backend's answer when nothing goes wrong */
  bytes: Record<Mode, number> = { whole: 0, stream: 0 };
  /** descriptors of the router when it has nothing to do */
  descriptors = 0;
  /** connections of the test's own to the other backend */
  visits = 0;

  constructor(
    readonly door: Door,
    readonly backend: Backend,
    readonly situation: Situation,
  ) {}

  /** One after the other, whatever became of the one before. */
  run<T>(what: () => Promise<T>): Promise<T> {
    const next = this.last.then(what, what);
    this.last = next.catch(() => {});
    return next;
  }

  get other(): Backend {
    return this.backend === 'vllm' ? 'anthropic' : 'vllm';
  }

  async open(): Promise<void> {
    // slow enough for a caller to have begun when the middle is reached
    this.sim = await Sim.start('--tokens-per-second', '400');
    const env: Record<string, string> = { ...Weir.env(this.sim), ...quick };
    if (this.situation === 'alone' && this.backend === 'vllm') delete env.ANTHROPIC_API_KEY;
    if (this.situation === 'alone' && this.backend === 'anthropic') delete env.VLLM_BASE_URL;
    this.weir = await Weir.start(env);
    await this.settled();
    for (const mode of ['whole', 'stream'] as const) {
      await this.ask(mode);
      this.bytes[mode] = await this.lengthOfAnswer();
    }
    if (this.situation === 'another') {
      // the connections that fallbacks will keep
      await this.control(this.backend, 'fault', { fault: 'status=429', count: 1 });
      await this.ask('whole');
    }
    await this.settled();
    this.descriptors = this.openDescriptors();
  }

  async close(): Promise<void> {
    await this.weir?.stop();
    await this.sim?.stop();
  }

  /** What the backend said last, asked for once more without the router. */
  private async lengthOfAnswer(): Promise<number> {
    const { last } = await this.control(this.backend, 'state');
    const headers: Record<string, string> = { 'x-api-key': 'k' };
    for (const name of ['anthropic-version', 'x-request-id'])
      if (last.headers[name] !== undefined) headers[name] = last.headers[name];
    const answer = await send(this.sim[this.backend] + last.path, JSON.parse(last.body), headers);
    return Buffer.byteLength(answer.body);
  }

  /** The control endpoint, through the port of the backend that is asked
   * first, or, while that refuses connections, through the other one's. */
  async control(target: Backend, path: string, body?: object): Promise<any> {
    const [own, other] = [this.backend, this.other].map(
      (backend) => `${this.sim[backend]}/sim/${path}?target=${target}`,
    );
    const answer = await send(own!, body).catch(() => {
      this.visits++;
      return send(other!, body);
    });
    expect(answer.status, answer.body).toBe(200);
    return JSON.parse(answer.body);
  }

  ask(mode: Mode, onBytes?: (so_far: string) => void): Promise<Seen> {
    const policy = this.backend === 'vllm' ? 'local-only' : 'cloud-only';
    const body = {
      chat: { messages: prompt },
      messages: { messages: prompt, max_tokens: 4096 },
      responses: { input: prompt },
    }[this.door];
    return send(
      this.weir.url + paths[this.door],
      { model: this.backend === 'vllm' ? 'local' : 'cloud', stream: mode === 'stream', ...body },
      this.situation === 'pinned' ? { 'x-router-policy': policy } : {},
      onBytes,
    );
  }

  async counters(): Promise<Record<string, number>> {
    const { body } = await send(`${this.weir.url}/metrics`);
    const counters: Record<string, number> = {};
    for (const { name, labels, value } of readText(body).flatMap((family) => family.samples)) {
      // of a request: who answered and how it ended; to whom and why is not asked here
      const { target, reason, status, ...others } = labels;
      const shown = Object.entries(others).map(([label, of]) => `${label}="${of}"`);
      const key = `${name}{${shown.join(',')}}`;
      counters[key] = (counters[key] ?? 0) + value;
    }
    return counters;
  }

  openDescriptors(): number {
    return readdirSync(`/proc/${this.weir.pid}/fd`).length;
  }

  /** Nothing is under way, and the local backend, if there is one, is ready. */
  async settled(): Promise<Record<string, number>> {
    return eventually('the router has nothing to do', async () => {
      const counters = await this.counters();
      const idle = Object.entries(counters).every(
        ([name, value]) =>
          (!name.startsWith('weir_backend_in_flight') || value === 0) &&
          (!/^weir_backend_state.*backend="vllm".*state="warm"/.test(name) || value === 1),
      );
      return idle && counters;
    });
  }
}

const backends = ['vllm', 'anthropic'] as const;
const lanes: Lane[] = [
  ...backends.flatMap((backend) =>
    (['another', 'alone', 'pinned'] as const).map((situation) => new Lane('chat', backend, situation)),
  ),
  // where nobody else answers the caller sees most of it
  ...backends.flatMap((backend) =>
    (['messages', 'responses'] as const).map((door) => new Lane(door, backend, 'alone')),
  ),
];

beforeAll(() => Promise.all(lanes.map((lane) => lane.open())).then(() => {}), 120_000);
afterAll(() => Promise.all(lanes.map((lane) => lane.close())).then(() => {}), 120_000);

// --- one cell ---------------------------------------------------------------------

/** As the control endpoint takes it; what lasts has its seconds in itself. */
function faultOf(fault: string, bytes: number): object {
  const text = fault
    .replace('half', String(Math.floor(bytes / 2)))
    .replace('last', String(bytes - 10));
  return /^(refuse|crash|cold)/.test(fault) ? { fault: text } : { fault: text, count: 1 };
}

/** The longest that the row's own deadline lets the caller wait. */
function mostMs(row: Row): number {
  const { outcome } = row;
  const cause =
    outcome.kind === 'moves' ? outcome.cause : outcome.kind === 'breaks' ? (outcome.code ?? '') : '';
  const held = outcome.kind === 'held' || outcome.kind === 'not-ready' ? holdMs : 0;
  return slackMs + held + (deadlines[cause] ?? 0);
}

/** What callers of Messages see in place of that. */
function checkMessages(row: Row, mode: Mode, want: Expected, seen: Seen): void {
  const summary = [seen.status, seen.headers['x-router-backend'], seen.headers['x-router-reason']];
  const error = want.error && inMessages({ status: want.status, ...want.error }, row.fault.startsWith('error=') && mode === 'stream');
  expect(summary, seen.body.slice(0, 300)).toEqual([
    want.answer === 'error' ? error!.status : want.status,
    want.tier,
    want.reason,
  ]);
  if (want.answer === 'error') {
    expect(JSON.parse(seen.body)).toEqual({
      type: 'error',
      error: { type: error!.type, message: expect.any(String) },
      request_id: seen.headers['request-id'],
    });
    expect(seen.headers['retry-after']).toBe(error!.retryAfter === undefined ? undefined : String(error!.retryAfter));
    return;
  }
  if (want.answer === 'broken') {
    const last = framesOf(seen.body).at(-1)!;
    expect([last.name, last.data.type, last.data.error.type]).toEqual([
      'error',
      'error',
      brokenInMessages(want.error!.code),
    ]);
    expect(seen.body).not.toMatch(/message_stop|"stop_reason":"/);
    checkBroken(eventsOf(seen.body));
    return;
  }
  const message = mode === 'stream' ? messageOf(framesOf(seen.body)) : JSON.parse(seen.body);
  const said = message.content.map((block: any) => block.text).join('');
  expect([said, message.stop_reason]).toEqual([want.answer === 'right' ? full : '', 'end_turn']);
}

/** The beginning of what would have been said. */
function checkBroken(events: string[]): void {
  const said = saidIn(events);
  expect(said.length).toBeGreaterThan(0);
  expect(said.length).toBeLessThan(full.length);
  expect(full.startsWith(said)).toBe(true);
}

/** What callers of Responses see; errors in place of an answer are those of
 * Chat. */
function checkResponse(mode: Mode, want: Expected, seen: Seen): void {
  const events = framesOf(seen.body);
  const summary = [seen.status, seen.headers['x-router-backend'], seen.headers['x-router-reason']];
  expect(summary, seen.body.slice(0, 300)).toEqual([want.status, want.tier, want.reason]);
  if (want.answer === 'broken') {
    const { type, response } = events.at(-1)!.data;
    expect([type, response.status, response.error.message]).toEqual(['response.failed', 'failed', expect.any(String)]);
    expect(seen.body).not.toMatch(/response\.completed|output_text\.done/);
    checkBroken(eventsOf(seen.body).filter((data) => data.includes('output_text.delta')));
    return;
  }
  expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, i) => i));
  const response = mode === 'stream' ? events.at(-1)!.data.response : JSON.parse(seen.body);
  const said = response.output
    .flatMap((item: any) => item.content ?? [])
    .map((part: any) => part.text)
    .join('');
  expect([said, response.status]).toEqual([want.answer === 'right' ? full : '', 'completed']);
}

function checkAnswer(mode: Mode, want: Expected, seen: Seen): void {
  const summary = [seen.status, seen.headers['x-router-backend'], seen.headers['x-router-reason']];
  expect(summary, seen.body.slice(0, 300)).toEqual([want.status, want.tier, want.reason]);
  if (want.answer === 'error') {
    const { retryAfter, ...shape } = want.error!;
    expect(JSON.parse(seen.body)).toMatchObject({ error: { ...shape, message: expect.any(String) } });
    expect(seen.headers['retry-after']).toBe(retryAfter === undefined ? undefined : String(retryAfter));
    return;
  }
  if (mode === 'whole') {
    const { message, finish_reason } = JSON.parse(seen.body).choices[0];
    expect([message.content ?? '', finish_reason]).toEqual([want.answer === 'right' ? full : '', 'stop']);
    return;
  }
  const events = eventsOf(seen.body);
  const said = saidIn(events);
  expect(events.at(-1)).toBe('[DONE]');
  if (want.answer === 'broken') {
    expect(JSON.parse(events.at(-2)!)).toMatchObject({ error: want.error });
    expect(seen.body).not.toMatch(/"finish_reason":"/);
    checkBroken(events);
  } else {
    expect(said).toBe(want.answer === 'right' ? full : '');
    expect(seen.body).toMatch(/"finish_reason":"stop"/);
    expect(seen.body).not.toMatch(/"error"/);
  }
}

/** What has reached the other backend so far, without the test's own visits. */
async function touched(lane: Lane): Promise<object> {
  const { requests, accepted } = await lane.control(lane.other, 'state');
  return { requests, accepted: accepted - lane.visits };
}

function differences(before: Record<string, number>, after: Record<string, number>) {
  const watched = /^weir_(tries|requests|local_wanted)_total/;
  return Object.fromEntries(
    Object.keys(after)
      .filter((name) => watched.test(name) && after[name] !== (before[name] ?? 0))
      .map((name) => [name, after[name]! - (before[name] ?? 0)]),
  );
}

async function ask(lane: Lane, row: Row, mode: Mode): Promise<Seen> {
  let then: Promise<unknown> | undefined;
  const seen = await lane.ask(mode, (soFar) => {
    if (row.then !== undefined && then === undefined && saidIn(eventsOf(soFar)).length > 0)
      then = lane.control(lane.backend, 'fault', { fault: row.then });
  });
  await then;
  return seen;
}

async function cell(lane: Lane, row: Row, mode: Mode): Promise<void> {
  const want = expected(row, lane.backend, lane.situation);
  const before = await lane.settled();
  const others = await touched(lane);
  await lane.control(lane.backend, 'fault', faultOf(row.fault, lane.bytes[mode]));
  try {
    const start = Date.now();
    const seen = await ask(lane, row, mode);
    expect(Date.now() - start).toBeLessThan(mostMs(row));
    if (lane.door === 'messages') checkMessages(row, mode, want, seen);
    else if (lane.door === 'responses' && want.answer !== 'error') checkResponse(mode, want, seen);
    else checkAnswer(mode, want, seen);
    expect(differences(before, await lane.counters())).toEqual(want.counts);
  } finally {
    await lane.control(lane.backend, 'fault', { fault: null });
    // it gets the rest that it has asked for
    if (row.fault.includes('retry-after')) await sleep(1050);
    await lane.settled();
  }
  if (lane.situation !== 'another') expect(await touched(lane)).toEqual(others);
  await eventually('no descriptor is left open', () => lane.openDescriptors() <= lane.descriptors);
}

for (const row of rows) {
  for (const mode of row.modes) {
    for (const lane of lanes) {
      if (!row.backends.includes(lane.backend)) continue;
      const fault = row.then === undefined ? row.fault : `${row.fault}, then ${row.then}`;
      test.concurrent(
        `${fault} ${row.when}: ${lane.door} ${lane.backend} ${mode} ${lane.situation}`,
        () => lane.run(() => cell(lane, row, mode)),
        120_000,
      );
    }
  }
}
