// A real OpenTelemetry Collector on free loopback ports: it takes traces and
// metrics by OTLP and writes what it takes into a file, line by line as JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adopt, eventually, freePort } from './harness.ts';

const program =
  process.env.WEIR_COLLECTOR ?? fileURLToPath(new URL('../../.tools/collector/collector', import.meta.url));

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });

export class Collector {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly ports: [grpc: number, http: number],
  ) {}

  get grpc(): string {
    return `http://127.0.0.1:${this.ports[0]}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.ports[1]}`;
  }

  /** With a configuration for these ports, or one that writes what comes. */
  static async start(config?: (grpc: number, http: number) => string): Promise<Collector> {
    const folder = mkdtempSync(join(tmpdir(), 'collector-'));
    const [grpc, http] = [await freePort(), await freePort()];
    writeFileSync(
      join(folder, 'collector.yaml'),
      config?.(grpc, http) ?? `receivers:
  otlp: { protocols: { grpc: { endpoint: '127.0.0.1:${grpc}' }, http: { endpoint: '127.0.0.1:${http}' } } }
exporters:
  file: { path: '${join(folder, 'received.jsonl')}', flush_interval: 50ms, append: true }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [file] }
    metrics: { receivers: [otlp], exporters: [file] }
`,
    );
    const collector = new Collector(folder, [grpc, http]);
    await collector.up();
    return collector;
  }

  /** Begins to listen, on the ports and with the file that it had before. */
  async up(): Promise<void> {
    const child = spawn(program, ['--config', join(this.folder, 'collector.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    adopt(child);
    let said = '';
    child.stderr!.on('data', (bytes) => (said += bytes));
    child.on('error', (error) => (said += error.message));
    await eventually('the collector listens', async () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`collector ended:\n${said}`);
      return (await answers(this.ports[0])) && (await answers(this.ports[1]));
    }, 30_000);
    this.child = child;
  }

  /** Ends it, as if its machine were gone: what it has taken is in the file. */
  async down(): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  /** All requests that it took so far, of both signals. */
  received(): any[] {
    const file = join(this.folder, 'received.jsonl');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    // the last line may be half written
    return text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true });
  }
}
