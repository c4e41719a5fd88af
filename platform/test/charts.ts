// The charts of this repository, rendered by the real helm.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { helm, type KubeObject, parseObjects, run } from './apiserver.ts';

const platform = fileURLToPath(new URL('..', import.meta.url));

export interface Chart {
  name: string;
  folder: string;
  /** The release and the namespace that everything else knows it by. */
  release: string;
  namespace: string;
}

const homes: Record<string, { release: string; namespace: string }> = {
  weir: { release: 'weir', namespace: 'router' },
  vllm: { release: 'vllm', namespace: 'inference' },
  observability: { release: 'observability', namespace: 'monitoring' },
};

/** platform/helm/* and platform/observability, as far as they are there. */
export function allCharts(): Chart[] {
  const beside = (folder: string) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'Chart.yaml')))
      .map((entry) => join(folder, entry.name));
  return [...beside(join(platform, 'helm')), ...beside(platform)].map((folder) => {
    const name = basename(folder);
    return { name, folder, ...(homes[name] ?? { release: name, namespace: name }) };
  });
}

export function chartNamed(name: string): Chart {
  const found = allCharts().find((chart) => chart.name === name);
  if (!found) throw new Error(`no chart ${name}`);
  return found;
}

/** The files of values that a chart is tried with. */
export function valuesOf({ folder, name }: Chart): string[] {
  const files = readdirSync(join(folder, 'ci')).filter((file) => file.endsWith('.yaml'));
  if (files.length === 0) throw new Error(`chart ${name} has no values to be tried with`);
  return files.sort().map((file) => join(folder, 'ci', file));
}

export interface Rendered {
  text: string;
  objects: KubeObject[];
}

/** `helm template` fails with what helm says. `sets` are as in --set-json. */
export async function render(chart: Chart, values?: string, sets: string[] = []): Promise<Rendered> {
  const { code, out, err } = await run(helm, [
    ...['template', chart.release, chart.folder, '--namespace', chart.namespace],
    ...['--kube-version', '1.36.0', '--include-crds'],
    ...(values ? ['--values', values] : []),
    ...sets.flatMap((set) => ['--set-json', set]),
  ]);
  if (code !== 0) throw new Error(err.trim());
  return { text: out, objects: parseObjects(out) };
}

export async function lint(chart: Chart, values?: string): Promise<string> {
  const { code, out, err } = await run(helm, [
    ...['lint', '--strict', chart.folder, '--namespace', chart.namespace],
    ...['--kube-version', '1.36.0'],
    ...(values ? ['--values', values] : []),
  ]);
  return code === 0 ? '' : out + err;
}

/** The one object of a kind. */
export function only(objects: KubeObject[], kind: string, name?: string): KubeObject {
  const found = objects.filter((object) => object.kind === kind && (!name || object.metadata.name === name));
  if (found.length !== 1) throw new Error(`${found.length} objects are ${kind} ${name ?? ''}`);
  return found[0]!;
}
