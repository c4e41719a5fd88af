// The n-th call of one kind fails, for each n of an exchange: memory, reads,
// writes, connections, look-ups, descriptors.  test/faults/shim.c makes it so.
//
// Calls of the system: every n.  Allocations: every 7th; FAULT_EVERY=1 takes
// all, FAULT_SHOW=1 shows what became of them.
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Sim, Weir } from './harness.ts';

const binary =
  process.env.WEIR_BIN ?? fileURLToPath(new URL('../../build/dev/weir', import.meta.url));
const shim = join(dirname(binary), 'test/faults/faults-shim.so');
const isSanitized = /asan|tsan/.test(binary);
const stride = process.env.FAULT_EVERY === undefined ? 7 : Number(process.env.FAULT_EVERY);

const kinds = { alloc: 1, read: 2, write: 3, connect: 4, accept: 5, lookup: 6, socket: 7, large: 8 } as const;
type Kind = keyof typeof kinds;
const { errno } = constants;
/** The other end has gone, for good. */
const goneErrors = { ECONNRESET: errno.ECONNRESET, ETIMEDOUT: errno.ETIMEDOUT, EPIPE: errno.EPIPE };
const lookupErrors = { EAI_NONAME: -2, EAI_AGAIN: -3, EAI_MEMORY: -10 };

// --- the shim's orders --------------------------------------------------------------

class Shim {
  readonly dir = mkdtempSync(join(tmpdir(), 'weir-shim-'));
  readonly path = join(this.dir, 'orders');
  private readonly fd: number;

  constructor() {
    writeFileSync(this.path, Buffer.alloc(64));
    this.fd = openSync(this.path, 'r+');
  }

  private set(words: number[]): void {
    writeSync(this.fd, new Int32Array(words), 0, words.length * 4, 0);
  }

  /** The kind comes last: with it the counting begins. */
  arm(kind: Kind, nth: number, error: number): void {
    this.set([0, nth, error, 0, 0, 0, Object.values(goneErrors).includes(error) ? 1 : 0]);
    this.set([kinds[kind]]);
  }

  drip(): void {
    this.set([0, 0, 0, 0, 0, 1]);
  }

  /** Has it come to the n-th call? */
  disarm(): boolean {
    this.set([0]); // what is broken stays broken
    const words = new Int32Array(6);
    readSync(this.fd, words, 0, 24, 0);
    return words[4]! > 0;
  }

  remove(): void {
    closeSync(this.fd);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// --- a caller -----------------------------------------------------------------------

const full = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');

/** right: the whole answer.  error: a status and an error object.  broken: a
 * stream that ends with an error event.  cut: the connection was closed or
 * reset before the answer was complete, and the caller can tell. */
type Outcome = 'right' | 'error' | 'broken' | 'cut';

function outcomeOf(status: number, body: string, stream: boolean): Outcome {
  if (status !== 200) {
    expect(JSON.parse(body).error.message).toEqual(expect.any(String));
    // nothing is wrong with the request
    expect(status, body).toBeGreaterThanOrEqual(429);
    return 'error';
  }
  if (!stream) {
    const { message, finish_reason } = JSON.parse(body).choices[0];
    expect([message.content, finish_reason]).toEqual([full, 'stop']);
    return 'right';
  }
  const events = [...body.matchAll(/^data: (.*)$/gm)].map((found) => found[1]!);
  expect(events.at(-1)).toBe('[DONE]');
  const parsed = events.slice(0, -1).map((data) => JSON.parse(data));
  const said = parsed.map((event) => event.choices?.[0]?.delta?.content ?? '').join('');
  if (parsed.at(-1).error !== undefined) {
    expect(full.startsWith(said)).toBe(true);
    expect(body).not.toMatch(/"finish_reason":"/);
    return 'broken';
  }
  expect(said).toBe(full);
  expect(body).toMatch(/"finish_reason":"stop"/);
  return 'right';
}

function ask(weir: Weir, model: string, stream: boolean, filler = 0): Promise<Outcome> {
  const text = JSON.stringify({
    model,
    stream,
    messages: [
      { role: 'system', content: 'It is all the same. '.repeat(filler / 20) + 'Answer briefly.' },
      { role: 'user', content: 'Count from 1 to 30' },
    ],
  });
  const headers = { 'content-type': 'application/json', 'content-length': text.length };
  return new Promise((resolve, reject) => {
    const hangs = setTimeout(() => {
      reject(new Error('it hangs'));
      sent.destroy();
    }, 8000);
    const done = (outcome: Outcome) => {
      clearTimeout(hangs);
      resolve(outcome);
    };
    const sent = request(
      `${weir.url}/v1/chat/completions`,
      { agent: false, method: 'POST', headers },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (bytes) => (body += bytes));
        answer.on('error', () => done('cut'));
        answer.on('end', () => {
          try {
            done(outcomeOf(answer.statusCode!, body, stream));
          } catch (error) {
            clearTimeout(hangs);
            reject(error);
          }
        });
      },
    );
    sent.on('error', () => done('cut'));
    sent.end(text);
  });
}

// --- the router, and what is behind it ------------------------------------------------

let sim: Sim;
let tls: ReturnType<typeof createServer>;
const shims = new Set<Shim>();
const dir = mkdtempSync(join(tmpdir(), 'weir-nth-'));

/** TLS in front of a stand-in. */
async function openTls(): Promise<void> {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', 'key.pem', '-out', 'cert.pem'],
    ],
    { cwd: dir, stdio: 'pipe' },
  );
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(dir, name)));
  tls = createServer({ key: key!, cert: cert! }, (socket) => {
    const behind: Socket = connect(Number(new URL(sim.anthropic).port), '127.0.0.1');
    socket.on('error', () => behind.destroy()).on('close', () => behind.destroy());
    behind.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((done) => tls.listen(0, '127.0.0.1', done));
}

beforeAll(async () => {
  // a stream is several reads and writes
  sim = await Sim.start('--tokens-per-second', '4000');
  await openTls();
});
afterAll(async () => {
  tls?.close();
  await sim?.stop();
  for (const one of shims) one.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** Names, so that there is a look-up; and nothing is kept, so that each
 * exchange has all of it. */
function configuration(): string {
  const port = (url: string) => new URL(url).port;
  return `
backends:
  - name: near
    tier: local
    url: http://localhost:${port(sim.vllm)}
    models: [{ name: qwen2.5-7b, context_window: 32768 }]
  - name: far
    tier: cloud
    url: http://localhost:${port(sim.anthropic)}
    api_key: k
    default_model: claude-sonnet-4-6
    models: [{ name: claude-sonnet-4-6 }]
  - name: sealed
    tier: cloud
    url: https://localhost:${(tls.address() as AddressInfo).port}
    ca_file: ${join(dir, 'cert.pem')}
    api_key: k
    default_model: claude-haiku-4-5
    models: [{ name: claude-haiku-4-5 }]
`;
}

const shortDeadlines = {
  WEIR_WORKERS: '1',
  POOL_SIZE: '0',
  FIRST_BYTE_TIMEOUT: '1s',
  FIRST_TOKEN_TIMEOUT: '1s',
  IDLE_TIMEOUT: '1s',
  HOLD_TIMEOUT: '500ms',
  TOTAL_TIMEOUT: '6s',
  PROBE_INTERVAL: '1h',
  PROBE_COLD_INTERVAL: '20ms',
  REST_TIME: '1ms',
  CLOUD_FALLS_BACK: 'always',
};

/** A page of the router's; empty when it has none to give. */
async function page(weir: Weir, path: string): Promise<string> {
  const answer = await fetch(weir.url + path).catch(() => undefined);
  return (await answer?.text().catch(() => undefined)) ?? '';
}

/** Has it ended?  Then in the one way that is documented. */
async function hasEnded(weir: Weir): Promise<boolean> {
  await eventually('it goes on, or has ended', async () => {
    return weir.exit !== undefined || (await page(weir, '/health')) !== '';
  });
  if (weir.exit === undefined) return false;
  expect(weir.exit).toBe('SIGABRT');
  await eventually(`it says why: ${weir.log.slice(-5).join('\n')}`, () =>
    weir.log.includes('weir: out of memory'),
  );
  return true;
}

/** A router with a shim in it; made anew when it has ended. */
class Patient {
  readonly shim = new Shim();
  private weir: Weir | undefined;

  constructor() {
    shims.add(this.shim);
  }

  async get(): Promise<Weir> {
    if (this.weir === undefined || this.weir.exit !== undefined) {
      const path = join(this.shim.dir, 'weir.yaml');
      writeFileSync(path, configuration());
      this.weir = await Weir.start(
        {
          ...shortDeadlines,
          LD_PRELOAD: shim,
          WEIR_SHIM: this.shim.path,
          MALLOC_PERTURB_: '165', // what was freed shows
          ASAN_OPTIONS: 'verify_asan_link_order=0:detect_leaks=1:exitcode=66',
        },
        '--config',
        path,
      );
    }
    const weir = this.weir;
    await eventually('it is ready, and idle', async () => {
      const text = await page(weir, '/metrics');
      return (
        /^weir_backend_state\{backend="near",replica="0",state="warm"\} 1$/m.test(text) &&
        !/^weir_backend_in_flight.* [1-9]/m.test(text)
      );
    });
    return weir;
  }

  async stop(): Promise<void> {
    if (this.weir !== undefined && this.weir.exit === undefined) await this.weir.stop();
  }
}

// --- the scenarios ----------------------------------------------------------------------

type Scenario = [what: string, model: string, stream: boolean, filler?: number];

const scenarios: Scenario[] = [
  ['passed through, whole', 'qwen2.5-7b', false],
  ['passed through, streamed', 'qwen2.5-7b', true],
  ['translated, whole', 'claude-sonnet-4-6', false],
  ['translated, streamed', 'claude-sonnet-4-6', true],
  ['translated, through TLS, whole', 'claude-haiku-4-5', false],
  ['translated, through TLS, streamed', 'claude-haiku-4-5', true],
];

/** Nothing has happened but a delay. */
const nothingErrors = { EINTR: errno.EINTR, EAGAIN: errno.EAGAIN };

/** What may become of it: nothing but the right answer where another backend,
 * or another attempt, can give it. */
const variants: [kind: Kind, errors: Record<string, number>, allowed: Outcome[]][] = [
  ['read', goneErrors, ['right', 'broken', 'cut']],
  ['read', nothingErrors, ['right']],
  ['write', { ...goneErrors, ENOBUFS: errno.ENOBUFS }, ['right', 'broken', 'cut']],
  ['write', nothingErrors, ['right']],
  [
    'connect',
    {
      ECONNREFUSED: errno.ECONNREFUSED,
      ENETUNREACH: errno.ENETUNREACH,
      EADDRNOTAVAIL: errno.EADDRNOTAVAIL,
      EINTR: errno.EINTR,
      EACCES: errno.EACCES,
    },
    ['right'],
  ],
  ['socket', { EMFILE: errno.EMFILE, ENFILE: errno.ENFILE, ENOBUFS: errno.ENOBUFS }, ['right']],
  ['lookup', lookupErrors, ['right']],
  [
    'accept',
    {
      EMFILE: errno.EMFILE,
      ENFILE: errno.ENFILE,
      ENOBUFS: errno.ENOBUFS,
      EINTR: errno.EINTR,
      ECONNABORTED: errno.ECONNABORTED,
    },
    ['right'],
  ],
];

/** One exchange in which the n-th call fails; undefined when there is none. */
async function fail(
  patient: Patient,
  [, model, stream, filler]: Scenario,
  kind: Kind,
  nth: number,
  error: number,
): Promise<Outcome | 'aborted' | undefined> {
  const weir = await patient.get();
  patient.shim.arm(kind, nth, error);
  const outcome = await ask(weir, model, stream, filler);
  const hasFailed = patient.shim.disarm();
  if (!hasFailed) {
    expect(outcome).toBe('right');
    return undefined;
  }
  return (await hasEnded(weir)) ? 'aborted' : outcome;
}

async function failEach(
  scenario: Scenario,
  kind: Kind,
  [name, error]: [string, number],
  every: number,
  allowed: string[],
): Promise<void> {
  const patient = new Patient();
  const seen: Record<string, number> = {};
  let nth = 1;
  try {
    for (;; nth += every) {
      const what = `${kind} ${nth} fails with ${name}`;
      const outcome = await fail(patient, scenario, kind, nth, error).catch((trouble) => {
        throw new Error(`${what}: ${trouble.message}`, { cause: trouble });
      });
      if (outcome === undefined) break;
      seen[outcome] = (seen[outcome] ?? 0) + 1;
      expect(allowed, what).toContain(outcome);
      if (process.env.FAULT_SHOW === 'all') console.log(what, outcome);
    }
    expect(nth).toBeGreaterThan(1);
    if (process.env.FAULT_SHOW !== undefined) console.log(scenario[0], kind, name, nth - 1, seen);
  } finally {
    await patient.stop();
  }
}

describe.each(scenarios)('%s', (...scenario) => {
  // the sanitizers bring an allocator of their own
  test.skipIf(isSanitized)('the n-th allocation fails', async () => {
    await failEach(scenario, 'alloc', ['ENOMEM', errno.ENOMEM], stride, ['right', 'error', 'broken', 'cut', 'aborted']);
  }, 600_000);

  test.each(variants.flatMap(([kind, errors, allowed]) =>
    Object.entries(errors).map(([name, error]) => ({ kind, name, error, allowed })),
  ))('the n-th $kind fails with $name', async ({ kind, name, error, allowed }) => {
    await failEach(scenario, kind, [name, error], 1, allowed);
  }, 120_000);

  test('all reads and writes are of one byte', async () => {
    const patient = new Patient();
    try {
      const weir = await patient.get();
      patient.shim.drip();
      const outcome = await ask(weir, scenario[1], scenario[2]);
      patient.shim.disarm();
      expect(outcome, weir.log.join('\n')).toBe('right');
    } finally {
      await patient.stop();
    }
  });
});

/* What a caller can make large costs him an answer, and nobody else. */
test.skipIf(isSanitized)('the n-th large piece of memory is not to be had', async () => {
  const scenario: Scenario = ['a large request', 'claude-sonnet-4-6', false, 480_000];
  await failEach(scenario, 'large', ['ENOMEM', errno.ENOMEM], 1, ['right', 'error']);
});
