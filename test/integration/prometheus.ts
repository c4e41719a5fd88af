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

export class Prometheus {
  private said = '';
  private port = 0;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    adopt(child);
    child.stderr!.on('data', (bytes) => {
      this.said += bytes;
      this.port ||= Number(/"Listening on" address=127\.0\.0\.1:(\d+)/.exec(this.said)?.[1] ?? 0);
    });
  }

  /** Ready when all of its `targets` are up. */
  static async start(config: string, targets: number): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
    writeFileSync(join(folder, 'prometheus.yml'), config);
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        '--web.listen-address=127.0.0.1:0',
        '--enable-feature=exemplar-storage',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const prometheus = new Prometheus(child, folder);
    await eventually(
      'Prometheus scrapes',
      async () => {
        if (child.exitCode !== null) throw new Error(`prometheus ended:\n${prometheus.said}`);
        if (prometheus.port === 0) return false;
        const up = await prometheus.query('count(up == 1)').catch(() => []);
        return Number(up[0]?.value[1]) === targets;
      },
      30_000,
    );
    return prometheus;
  }

  async api(path: string, params: Record<string, string> = {}): Promise<any> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1/${path}?${new URLSearchParams(params)}`);
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

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const gone = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.folder, { recursive: true });
  }
}
