// bin/render.ts: what it finds wrong with rendered charts.  The charts of
// others are stand-ins here, which bring the Services of the table.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { charts, services } from '../lib/charts.ts';
import { demand, faults, missingServices } from '../lib/rendering.ts';
import { scratch, stacksOf } from './synth.ts';

const service = (name: string, ...ports: number[]) => ({
  kind: 'Service',
  metadata: { name },
  spec: { ports: ports.map((port) => ({ port })) },
});

const pod = (securityContext: object, more: object = {}) => ({
  kind: 'Deployment',
  metadata: { name: 'it' },
  spec: { template: { spec: { containers: [{ name: 'main', securityContext }], ...more } } },
});

const strict = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

describe('what is wrong with a release', () => {
  const release = { release: 'it', namespace: 'elsewhere', values: {} };

  test('its Services have other ports than the table says', () => {
    const tempo = { ...release, namespace: 'monitoring' };
    expect(faults(tempo, [service('tempo', 3200, 4317)], 'privileged')).toEqual([]);
    expect(faults(tempo, [service('tempo', 3100, 4317)], 'privileged')).toEqual([
      'Service tempo: ports 3100, 4317, not 3200',
    ]);
  });

  test('no release brings a Service of the table', () => {
    const all = Object.values(services).map(({ name, port }) => service(name, port));
    expect(missingServices(all)).toEqual([]);
    expect(missingServices(all.filter(({ metadata }) => metadata.name !== 'langfuse-web'))).toEqual([
      'no Service langfuse/langfuse-web:3000',
    ]);
  });

  test('its pods would not be let into their namespace', () => {
    expect(faults(release, [pod(strict)], 'restricted')).toEqual([]);
    expect(faults(release, [pod({})], 'baseline')).toEqual([]);
    expect(faults(release, [pod({ ...strict, runAsNonRoot: false })], 'restricted')).toEqual([
      'Deployment it: main may run as root, not restricted',
    ]);
    expect(faults(release, [pod({}, { hostNetwork: true })], 'baseline')).toEqual([
      'Deployment it: hostNetwork, not baseline',
    ]);
    expect(faults(release, [pod({ privileged: true })], 'privileged')).toEqual([]);
  });

  test('its chart makes up a password', () => {
    const secret = {
      kind: 'Secret',
      metadata: { name: 'it' },
      data: { 'admin-user': 'YQ==', 'admin-password': 'YQ==', empty: '' },
    };
    expect(faults(release, [secret], undefined)).toEqual(['Secret it: the chart itself fills admin-password']);
  });
});

test('what pods ask for is added up', () => {
  const resources = { requests: { cpu: '250m', memory: '512Mi' } };
  const objects = [
    { kind: 'Deployment', spec: { replicas: 2, template: { spec: { containers: [{ resources }, {}] } } } },
    { kind: 'Prometheus', spec: { resources: { requests: { cpu: 1, memory: '1.5Gi' } } } },
    { kind: 'DaemonSet', spec: { template: { spec: { containers: [{ resources }] } } } },
  ];
  expect(demand(objects)).toEqual({ cpu: 1.5, memoryGiB: 2.5 });
});

describe('the command', { timeout: 600_000 }, () => {
  /** A folder of stand-ins; a Service may have another port. */
  function standIns(ports: Record<string, number> = {}): string {
    const folder = scratch();
    for (const { chart, namespace, release } of Object.values(charts)) {
      const templates = join(folder, chart, 'templates');
      mkdirSync(templates, { recursive: true });
      writeFileSync(join(folder, chart, 'Chart.yaml'), `apiVersion: v2\nname: ${chart}\nversion: 1.0.0\n`);
      const own = Object.values(services).filter(
        (each) => each.namespace === namespace && each.name.startsWith(release),
      );
      const objects = [...new Set(own.map(({ name }) => name))].map((name) => {
        const listening = own.filter((each) => each.name === name).map(({ port }) => ports[name] ?? port);
        return { apiVersion: 'v1', ...service(name, ...listening) };
      });
      writeFileSync(join(templates, 'all.yaml'), objects.map((each) => JSON.stringify(each)).join('\n---\n'));
    }
    return folder;
  }

  function run(folder: string) {
    const assembly = stacksOf().app.synth().directory;
    const program = fileURLToPath(new URL('../bin/render.ts', import.meta.url));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, '--assembly', assembly, '--charts', folder],
      {
        encoding: 'utf8',
      },
    );
    return { status, stdout, stderr };
  }

  test('renders every release of every stack', () => {
    const { status, stdout, stderr } = run(standIns());
    expect(stderr).toBe('');
    expect(stdout).toContain('all as expected');
    for (const { release } of Object.values(charts)) expect(stdout).toMatch(new RegExp(`^${release} +\\d+ `, 'm'));
    expect(stdout).toMatch(/^weir +\d+ +0\.25/m);
    expect(status).toBe(0);
  });

  test('fails where a chart does not keep to the table', () => {
    const { status, stdout } = run(standIns({ 'langfuse-web': 80 }));
    expect(stdout).toContain('Service langfuse-web: ports 80, not 3000');
    expect(stdout).toContain('1 faults');
    expect(status).toBe(1);
  });
});
