// A real Prometheus on a free loopback port.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adopt, eventually } from './harness.ts';

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Series {
  metric: Record<string, string>;
  value: [number, string];
}

/** What is scraped: ports of this machine, each with the labels that a
 * ServiceMonitor or a PodMonitor would give it. */
export interface Job {
  name: string;
  path?: string;
  /** Its samples bring the labels of what they tell of. */
  honorsLabels?: boolean;
  targets: { port: number; labels?: Record<string, string> }[];
}

export class Prometheus {
  private readonly folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  private child: ChildProcess | undefined;
  private said = '';

  private constructor(
    private readonly port: number,
    jobs: Job[],
    interval: string,
    rules: string[],
  ) {
    const config = {
      global: { scrape_interval: interval, evaluation_interval: '1s' },
      rule_files: rules,
      scrape_configs: jobs.map(({ name, path, honorsLabels, targets }) => ({
        job_name: name,
        metrics_path: path ?? '/metrics',
        honor_labels: honorsLabels ?? false,
        static_configs: targets.map(({ port, labels }) => ({ targets: [`127.0.0.1:${port}`], labels })),
      })),
    };
    writeFileSync(this.config, JSON.stringify(config)); // which is YAML, too
  }

  /** `rules` are files of rules. */
  static async start(jobs: Job[], interval = '500ms', port?: number, rules: string[] = []): Promise<Prometheus> {
    const prometheus = new Prometheus(port ?? (await freePort()), jobs, interval, rules);
    await prometheus.resume();
    return prometheus;
  }

  private get config(): string {
    return join(this.folder, 'prometheus.yml');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async api(path: string, params: Record<string, string> = {}): Promise<any> {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(params)}`);
    const { status, data, error } = (await answer.json()) as any;
    if (status !== 'success') throw new Error(`${error}: ${JSON.stringify(params)}`);
    return data;
  }

  async query(query: string): Promise<Series[]> {
    return (await this.api('query', { query })).result;
  }

  /** The sums by these labels, as {"local 200": 17}. */
  async sums(metric: string, ...by: string[]): Promise<Record<string, number>> {
    const found = await this.query(`sum by (${by.join(',')}) (${metric})`);
    return Object.fromEntries(
      found
        .filter(({ value }) => Number(value[1]) !== 0)
        .map(({ metric: labels, value }) => [by.map((label) => labels[label] ?? '').join(' '), Number(value[1])]),
    );
  }

  /** Starts it, with what it knows from before; until something is scraped. */
  async resume(): Promise<void> {
    const child = spawn(
      'prometheus',
      [
        `--config.file=${this.config}`,
        `--storage.tsdb.path=${join(this.folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${this.port}`,
        '--enable-feature=exemplar-storage',
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.child = child;
    adopt(child);
    child.stderr!.on('data', (bytes) => (this.said += bytes));
    await eventually('Prometheus scrapes', async () => {
      if (child.exitCode !== null) throw new Error(`prometheus ended:\n${this.said}`);
      const up = await this.query('up == 1').catch(() => []);
      return up.length > 0;
    }, 30_000);
  }

  /** Ends it; what it knows stays. */
  async halt(): Promise<void> {
    if (this.child?.exitCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await gone;
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.folder, { recursive: true });
  }
}
