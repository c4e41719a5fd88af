// Renders every chart that the synthesised stacks install, with their values,
// and checks what comes out.  Charts of others are fetched by helm, or taken
// from a folder that has each under its name:
//
//   npm run synth && npm run render -- [--charts FOLDER] [--to FOLDER]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { own } from '../lib/charts.ts';
import { manifestsOf } from '../lib/manifests.ts';
import { chartFolder, type PodSecurity } from '../lib/releases.ts';
import { demand, faults, missingServices, releasesOf, type Installed } from '../lib/rendering.ts';
import { stackNames } from '../lib/stacks.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    assembly: { type: 'string', default: here('../cdk.out') },
    charts: { type: 'string' },
    to: { type: 'string' },
    helm: { type: 'string', default: process.env['HELM'] ?? here('../../../.tools/kubernetes/helm') },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'weir-render-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const helm = (...args: string[]): string =>
  execFileSync(options.helm, args, {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HELM_CACHE_HOME: join(scratch, 'cache'), HELM_CONFIG_HOME: join(scratch, 'config') },
  });

function folderOf({ release, repository, chart = '', version = '' }: Installed): string {
  if (!repository) {
    const ours = Object.values(own).find((each) => each.release === release);
    if (!ours) throw new Error(`${release} is none of our charts`);
    return chartFolder(ours.folder);
  }
  if (options.charts) {
    const folder = join(options.charts, chart);
    if (!existsSync(folder)) throw new Error(`no ${folder}`);
    return folder;
  }
  const from = repository.startsWith('oci://') ? [repository] : [chart, '--repo', repository];
  helm('pull', ...from, '--version', version, '--untar', '--untardir', scratch);
  return join(scratch, chart);
}

// Kinds that exist by the time a chart is installed, and that charts ask for.
const known = [
  'monitoring.coreos.com/v1',
  'clickhouse.com/v1alpha1/ClickHouseCluster',
  'clickhouse.com/v1alpha1/KeeperCluster',
];

function render(installed: Installed): Record<string, any>[] {
  const file = join(scratch, 'values.json');
  writeFileSync(file, JSON.stringify(installed.values));
  const out = helm(
    ...['template', installed.release, folderOf(installed), '--namespace', installed.namespace, '--values', file],
    ...known.flatMap((each) => ['--api-versions', each]),
  );
  if (options.to) {
    mkdirSync(options.to, { recursive: true });
    writeFileSync(join(options.to, `${installed.release}.yaml`), out);
  }
  return parseAllDocuments(out)
    .map((document) => document.toJS() as Record<string, any>)
    .filter((object) => object !== null);
}

const templates = stackNames.map((name) =>
  JSON.parse(readFileSync(join(options.assembly, `${name}.template.json`), 'utf8')),
);
const levels = new Map<string, PodSecurity>();
for (const { object } of templates.flatMap(manifestsOf))
  if (object.kind === 'Namespace')
    levels.set(object.metadata.name, (object.metadata['labels'] as any)['pod-security.kubernetes.io/enforce']);

const all: Record<string, any>[] = [];
let wrong = 0;
const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => {
  wrong += 1;
  say(`    ${text}`);
};

say('release                        objects    CPU   memory');
for (const installed of templates.flatMap(releasesOf))
  try {
    const objects = render(installed);
    const { cpu, memoryGiB } = demand(objects);
    say(
      `${installed.release.padEnd(30)} ${String(objects.length).padStart(7)} ${cpu.toFixed(2).padStart(6)} ${memoryGiB.toFixed(2).padStart(7)}G`,
    );
    for (const fault of faults(installed, objects, levels.get(installed.namespace))) complain(fault);
    all.push(...objects);
  } catch (error) {
    say(installed.release);
    complain(String((error as { stderr?: string }).stderr || (error as Error).message).trim());
  }
for (const fault of missingServices(all)) complain(fault);
say(wrong === 0 ? 'all as expected' : `${wrong} faults`);
process.exitCode = wrong === 0 ? 0 : 1;
