// The real router, run as a pod of the chart would run it.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type KubeObject, type Ran, run } from './apiserver.ts';
import { only } from './charts.ts';

export const weir = process.env.WEIR_BIN ?? fileURLToPath(new URL('../../build/dev/weir', import.meta.url));

export interface Pod {
  /** weir.yaml, as the ConfigMap has it. */
  config: string;
  env: Record<string, string>;
  container: any;
  spec: any;
}

export const workloadOf = (objects: KubeObject[]): KubeObject =>
  objects.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')!;

/** What Kubernetes would put into a container's environment: each secret is
 * "secret-" and its key. */
export function environment(container: any): Record<string, string> {
  const known: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom?.secretKeyRef) known[name] = `secret-${valueFrom.secretKeyRef.key}`;
    else if (valueFrom?.fieldRef) known[name] = valueFrom.fieldRef.fieldPath;
    else known[name] = String(value).replace(/\$\((\w+)\)/g, (_, other) => known[other]!);
  }
  return known;
}

export function podOf(objects: KubeObject[]): Pod {
  const { spec } = workloadOf(objects).spec.template;
  const container = spec.containers[0];
  return { config: only(objects, 'ConfigMap').data['weir.yaml'], env: environment(container), container, spec };
}

/** `weir check` on a pod's configuration, in its environment. */
export async function checkConfig({ config, env }: Pod): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-config-'));
  writeFileSync(join(folder, 'weir.yaml'), config);
  const ran = await run(weir, ['check', '--config', join(folder, 'weir.yaml')], '', env);
  rmSync(folder, { recursive: true });
  return ran;
}

/** A program of ours that says on which addresses it listens. */
export class Program {
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];

  private constructor(args: string[], env: Record<string, string>) {
    this.child = spawn(weir, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
  }

  static start(args: string[], env: Record<string, string> = {}): Program {
    return new Program(args, env);
  }

  /** The first group of the first line that matches. */
  async says(pattern: RegExp): Promise<string> {
    for (const end = Date.now() + 30_000; Date.now() < end; ) {
      for (const line of this.lines) {
        const found = pattern.exec(line);
        if (found) return found[1]!;
      }
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`it never said ${pattern}:\n${this.lines.join('\n')}`);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await gone;
  }
}
