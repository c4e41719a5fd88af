// Starts the real programs on free loopback ports, and stops them: `weir sim`
// (the stand-ins) and `weir serve` (the router).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { readText, sumOf } from './exposition.ts';

export const weir =
  process.env.WEIR_BIN ??
  fileURLToPath(new URL('../../build/dev/weir', import.meta.url));

/** The environment of a test: nothing of the caller's leaks in. */
function cleanEnv(extra: Record<string, string>): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=66',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=66',
    TSAN_OPTIONS: `halt_on_error=0:exitcode=66:suppressions=${fileURLToPath(new URL('../tsan.supp', import.meta.url))}`,
    ...extra,
  };
}

const children = new Set<ChildProcess>();

/** Something else that a test started, and stops unless it fails. */
export function adopt(child: ChildProcess): void {
  children.add(child);
}

/** A test that fails does not stop what it started: see setup.ts. */
export function endAll(): void {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  children.clear();
}

/** Waits until `check` gives something, or fails with what it gave last. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 10_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const got = await check();
    if (got !== undefined && got !== false) return got;
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await sleep(20);
  }
}

/** A port that nobody has, a moment ago at least. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Ends a child and insists on a clean exit: sanitizers speak through it. */
async function end(child: ChildProcess, output: string[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
  if (child.exitCode !== 0)
    throw new Error(
      `exit code ${child.exitCode} signal ${child.signalCode}\n${output
        .slice(-60)
        .join('\n')}`,
    );
}

// --- the stand-ins ----------------------------------------------------------

export type Target = 'vllm' | 'anthropic';

/** What a stand-in tells about itself. */
export interface SimState {
  requests: number;
  running: number;
  waiting: number;
  cancelled: number;
  connections: number;
  last: { path: string; headers: Record<string, string>; body: string } | null;
}

export class Sim {
  private constructor(
    private readonly child: ChildProcess,
    private readonly output: string[],
    readonly vllm: string,
    readonly anthropic: string,
  ) {}

  static async start(...args: string[]): Promise<Sim> {
    const child = spawn(
      weir,
      [
        ...['sim', '--vllm-port', '0', '--anthropic-port', '0'],
        ...['--model', 'qwen2.5-7b', '--tokens-per-second', '0', '--first-token-ms', '0'],
        ...args, // what is given again wins
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnv({}) },
    );
    children.add(child);
    const output: string[] = [];
    const urls: Record<string, string> = {};
    createInterface({ input: child.stderr! }).on('line', (l) => output.push(l));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const found = /^(\w+)[ =]+(http:\/\/\S+)/.exec(line);
      if (found) urls[found[1]!] = found[2]!;
      output.push(line);
    });
    await eventually('the stand-ins listen', () => {
      if (child.exitCode !== null)
        throw new Error(`weir sim ended:\n${output.join('\n')}`);
      return urls.vllm && urls.anthropic ? true : undefined;
    });
    return new Sim(child, output, urls.vllm!, urls.anthropic!);
  }

  stop(): Promise<void> {
    return end(this.child, this.output);
  }

  /** The control endpoint: through the stand-in's own port, or, while that
   * refuses connections, through the other one's. */
  private async control(target: Target, path: string, init: RequestInit = {}): Promise<Response> {
    const ports = target === 'vllm' ? [this.vllm, this.anthropic] : [this.anthropic, this.vllm];
    const [own, other] = ports.map((base) => `${base}/sim/${path}?target=${target}`);
    return fetch(own!, init).catch(() => fetch(other!, init));
  }

  async fault(target: Target, fault: object | null): Promise<void> {
    const answer = await this.control(target, 'fault', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(fault ?? { fault: null }),
    });
    if (answer.status !== 200) throw new Error(await answer.text());
  }

  async state(target: Target): Promise<SimState> {
    const answer = await this.control(target, 'state');
    return (await answer.json()) as SimState;
  }

  /** The body that the stand-in was sent last, parsed. */
  async lastBody(target: Target): Promise<any> {
    const { last } = await this.state(target);
    return JSON.parse(last!.body);
  }
}

// --- the router ---------------------------------------------------------------

export class Weir {
  private constructor(
    private readonly child: ChildProcess,
    readonly log: string[],
    readonly port: number,
  ) {}

  static start(env: Record<string, string>, ...args: string[]): Promise<Weir> {
    return Weir.run(spawn(weir, ['serve', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Weir.environment(env),
    }));
  }

  /** With a configuration file of that text. */
  static async configured(text: string, env: Record<string, string> = {}): Promise<Weir> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-'));
    const file = join(folder, 'weir.yaml');
    writeFileSync(file, text);
    try {
      return await Weir.start({ ...env, WEIR_CONFIG: file });
    } finally {
      rmSync(folder, { recursive: true }); // it has been read
    }
  }

  static environment(env: Record<string, string>): Record<string, string> {
    return cleanEnv({
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_FORMAT: 'json',
      // back at once, but where the way back is what is tested
      PROBE_SUCCESSES: '1',
      RAMP_TIME: '0s',
      ...env,
    });
  }

  /** Waits until a process that was started somehow listens. */
  static async run(child: ChildProcess): Promise<Weir> {
    children.add(child);
    const log: string[] = [];
    let isListening = false;
    let port = 0;
    createInterface({ input: child.stdout! }).on('line', (l) => log.push(l));
    createInterface({ input: child.stderr! }).on('line', (line) => {
      log.push(line);
      isListening ||= line.includes('"msg":"listening"');
      const found = /"msg":"listening".*https?:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) port = Number(found[1]);
    });
    await eventually('the router listens', () => {
      if (child.exitCode !== null)
        throw new Error(`weir serve ended:\n${log.join('\n')}`);
      return isListening;
    });
    return new Weir(child, log, port);
  }

  /** In front of both stand-ins, as the environment alone would have it. */
  static between(sim: Sim, env: Record<string, string> = {}): Promise<Weir> {
    return Weir.start({ ...Weir.env(sim), ...env });
  }

  static env(sim: Sim): Record<string, string> {
    return {
      VLLM_BASE_URL: sim.vllm,
      LOCAL_MODEL: 'qwen2.5-7b',
      ANTHROPIC_BASE_URL: sim.anthropic,
      ANTHROPIC_API_KEY: 'sk-test',
    };
  }

  stop(): Promise<void> {
    return end(this.child, this.log);
  }

  /** Waits until it has ended by itself, with status 0. */
  async ended(): Promise<void> {
    await eventually('the router ends', () => this.child.exitCode !== null || this.child.signalCode !== null);
    return end(this.child, this.log);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** SIGHUP; waits until the log says what became of it, and gives that. */
  async reload(): Promise<string[]> {
    const from = this.log.length;
    this.signal('SIGHUP');
    await eventually('the reload is over', () =>
      this.log
        .slice(from)
        .some((l) => /"configuration reloaded"|stays in force/.test(l)),
    );
    return this.log.slice(from);
  }

  /** How it ended, or undefined while it runs. */
  get exit(): string | undefined {
    const { exitCode, signalCode } = this.child;
    return signalCode ?? (exitCode === null ? undefined : `exit code ${exitCode}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The official SDK, pointed here by its base URL alone. */
  openai(options: Record<string, unknown> = {}): OpenAI {
    return new OpenAI({
      baseURL: `${this.url}/v1`,
      apiKey: 'sk-caller',
      maxRetries: 0,
      ...options,
    });
  }

  post(
    body: unknown,
    headers: Record<string, string> = {},
    path = '/v1/chat/completions',
    init: RequestInit = {},
  ): Promise<Response> {
    return fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });
  }

  /** The sum of what has these labels, and perhaps others; 0 when there is
   * nothing. */
  async metric(name: string): Promise<number> {
    return sumOf(readText(await (await fetch(`${this.url}/metrics`)).text()), name);
  }

  /** The log is written beside the requests: waits for a line. */
  says(words: string | RegExp): Promise<string> {
    return eventually(`the log says ${words}`, () =>
      this.log.find((line) => (typeof words === 'string' ? line.includes(words) : words.test(line))),
    );
  }

  /** The access log's entry for a request id, when it has been written. */
  logged(id: string): Promise<any> {
    return eventually(`a log line for ${id}`, () => {
      for (const line of this.log) {
        if (!line.includes(id) || !line.includes('"msg":"request"')) continue;
        return JSON.parse(line);
      }
      return undefined;
    });
  }
}

/** Waits until the router knows that its local backend is in that state. */
export function localState(weir: Weir, state: string): Promise<boolean> {
  return eventually(`the local backend is ${state}`, async () => {
    const value = await weir.metric(
      `weir_backend_state{backend="vllm",replica="0",state="${state}"}`,
    );
    return value === 1;
  });
}

// --- raw bytes -------------------------------------------------------------------

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A connection that sends exactly what it is told. */
export class Raw {
  received = '';
  closed = false;
  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (bytes) => (this.received += bytes));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => (this.closed = true));
  }

  static async open(port: number): Promise<Raw> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Raw(socket);
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next sized answer, cut off what was received. */
  answer(): Promise<RawAnswer> {
    return eventually(`an answer; so far: ${this.received}`, () => {
      const end = this.received.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const [first, ...lines] = this.received.slice(0, end).split('\r\n');
      const headers = Object.fromEntries(
        lines.map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      const length = Number(headers['content-length'] ?? 0);
      if (this.received.length < end + 4 + length) return undefined;
      const body = this.received.slice(end + 4, end + 4 + length);
      this.received = this.received.slice(end + 4 + length);
      return { status: Number(first!.split(' ')[1]), headers, body };
    });
  }

  whenClosed(): Promise<boolean> {
    return eventually('the connection is closed', () => this.closed);
  }

  close(): void {
    this.socket.destroy();
  }
}

export function chatRequest(body: object): string {
  const text = JSON.stringify(body);
  return (
    'POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\n' +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}

// --- prompts ------------------------------------------------------------------------

export const hello = [{ role: 'user' as const, content: 'Say hello' }];

/** 4,300 characters: about 1,075 tokens by the router's estimate. */
export const long = [
  {
    role: 'user' as const,
    content: 'The weir keeps what the basin holds and lets the rest spill over; that is all there is to tell here. '
      .slice(0, 100)
      .repeat(43),
  },
];

/** A 1 x 1 pixel. */
export const pixel =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'Current weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};
