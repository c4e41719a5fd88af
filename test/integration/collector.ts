// A real OpenTelemetry Collector on free loopback ports: it takes traces and
// metrics by OTLP and writes what it takes into a file, line by line as JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adopt, eventually } from './harness.ts';

const program =
  process.env.WEIR_COLLECTOR ?? fileURLToPath(new URL('../../.tools/collector/collector', import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });

export class Collector {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly grpc: string,
    readonly http: string,
  ) {}

  static async start(): Promise<Collector> {
    const folder = mkdtempSync(join(tmpdir(), 'collector-'));
    const [grpc, http] = [await freePort(), await freePort()];
    const config = join(folder, 'collector.yaml');
    writeFileSync(
      config,
      `receivers:
  otlp: { protocols: { grpc: { endpoint: '127.0.0.1:${grpc}' }, http: { endpoint: '127.0.0.1:${http}' } } }
exporters:
  file: { path: '${join(folder, 'received.jsonl')}', flush_interval: 50ms }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [file] }
    metrics: { receivers: [otlp], exporters: [file] }
`,
    );
    const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    adopt(child);
    let said = '';
    child.stderr!.on('data', (bytes) => (said += bytes));
    child.on('error', (error) => (said += error.message));
    await eventually('the collector listens', async () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`collector ended:\n${said}`);
      return (await answers(grpc)) && (await answers(http));
    }, 30_000);
    return new Collector(child, folder, `http://127.0.0.1:${grpc}`, `http://127.0.0.1:${http}`);
  }

  /** All requests that it took so far, of both signals. */
  received(): any[] {
    const file = join(this.folder, 'received.jsonl');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    // the last line may be half written
    return text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const gone = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.folder, { recursive: true });
  }
}
