// A real Prometheus on a loopback port that it chooses, with a configuration of
// the test's own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adopt, eventually } from './harness.ts';

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

/** A configuration that scrapes them, and evaluates the rules of these files. */
export function scraping(jobs: Job[], interval = '500ms', rules: string[] = []): string {
  // JSON is YAML, too
  return JSON.stringify({
    global: { scrape_interval: interval, evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: jobs.map(({ name, path, honorsLabels, targets }) => ({
      job_name: name,
      metrics_path: path ?? '/metrics',
      honor_labels: honorsLabels ?? false,
      static_configs: targets.map(({ port, labels }) => ({ targets: [`127.0.0.1:${port}`], labels })),
    })),
  });
}

export class Prometheus {
  private child: ChildProcess | undefined;
  private said = '';

  private constructor(
    private readonly folder: string,
    private port: number, // 0 until it has chosen one
  ) {}

  /** Ready when so many of its targets are up. */
  static async start(config: string, targets = 1, port = 0): Promise<Prometheus> {
    const prometheus = new Prometheus(mkdtempSync(join(tmpdir(), 'prometheus-')), port);
    writeFileSync(join(prometheus.folder, 'prometheus.yml'), config);
    await prometheus.resume(targets);
    return prometheus;
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

  /** Starts it, again on its port and with what it knows from before. */
  async resume(targets = 1): Promise<void> {
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(this.folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(this.folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${this.port}`,
        '--enable-feature=exemplar-storage',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.child = child;
    adopt(child);
    child.stderr!.on('data', (bytes) => {
      this.said += bytes;
      this.port ||= Number(/"Listening on" address=127\.0\.0\.1:(\d+)/.exec(this.said)?.[1] ?? 0);
    });
    await eventually(
      'Prometheus scrapes',
      async () => {
        if (child.exitCode !== null) throw new Error(`prometheus ended:\n${this.said}`);
        if (this.port === 0) return false;
        const up = await this.query('count(up == 1)').catch(() => []);
        return Number(up[0]?.value[1]) >= targets;
      },
      30_000,
    );
  }

  /** Ends it; what it knows stays. */
  async halt(): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.folder, { recursive: true });
  }
}
