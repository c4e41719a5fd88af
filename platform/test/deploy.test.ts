// The commands of docs/deploy.md, as they stand there, in their order: helm
// and kubectl are real and speak to a real API server, which has no controllers
// and no nodes, so that nothing runs; what would leave this machine is written
// down instead.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiServer, tools } from './apiserver.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8');

interface Block {
  section: string;
  language: string;
  text: string;
}

function blocks(): Block[] {
  const found: Block[] = [];
  for (const section of page.split(/^## /m).slice(1))
    for (const [, language, text] of section.matchAll(/^```(\w+)\n(.*?)^```/gms))
      found.push({ section: section.slice(0, section.indexOf('\n')), language: language!, text: text! });
  return found;
}

/** A place with the parts of the tree that the commands name, and programs
 * that only write down how they were called. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'deploy-'));

  constructor(server: ApiServer) {
    cpSync(join(root, 'platform'), join(this.folder, 'platform'), {
      recursive: true,
      filter: (path) => !/node_modules|cdk\.out|\/\.env$/.test(path),
    });
    mkdirSync(join(this.folder, 'bin'));
    for (const name of ['docker', 'skopeo', 'curl', 'npm', 'npx', 'make', 'session-manager-plugin'])
      this.program(name, '');
    this.program('aws', 'case "$*" in *AccessHostId*) echo i-0abc ;; *ApiHost*) echo https://api.example.com ;; esac');
    const cluster = `--kubeconfig=${server.kubeconfig}`;
    // nothing becomes ready where nothing runs
    this.program(
      'helm',
      `case $1 in test) exit ;; esac
for word; do shift; [ "$word" = --wait ] || set -- "$@" "$word"; done
exec ${join(tools, 'kubernetes/helm')} "$@" ${cluster}`,
    );
    this.program(
      'kubectl',
      `case "$*" in *port-forward* | *"get ingress"* | config*) exit ;; esac
exec ${join(tools, 'kubernetes/kubectl')} ${cluster} --cache-dir=${this.folder}/cache "$@"`,
    );
  }

  private program(name: string, body: string): void {
    const file = join(this.folder, 'bin', name);
    writeFileSync(file, `#!/bin/sh\necho "$(basename "$PWD"): ${name} $*" >>${this.folder}/called\n${body}\n`);
    chmodSync(file, 0o755);
  }

  run(text: string): { status: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', text], {
      cwd: this.folder,
      env: {
        PATH: `${join(this.folder, 'bin')}:${process.env.PATH}`,
        HOME: this.folder,
        REGISTRY: 'registry.example.com',
        ANTHROPIC_API_KEY: 'sk-ant-mine',
        MODEL_BUCKET: 'bucket',
      },
      encoding: 'utf8',
      timeout: 100_000,
    });
    return { status, output: stdout + stderr };
  }

  get called(): string[] {
    const file = join(this.folder, 'called');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

let server: ApiServer;
let place: Place;
beforeAll(async () => {
  server = await ApiServer.start();
  place = new Place(server);
  for (const { language, text } of blocks())
    if (language === 'yaml') writeFileSync(join(place.folder, /^# (\S+)$/m.exec(text)![1]!), text);
});
afterAll(async () => {
  place?.remove();
  await server?.stop();
});

const commands = blocks().filter(({ language }) => language === 'sh');

test('there are commands to try', () => {
  expect(commands.length).toBeGreaterThan(10);
});

test.each(commands.map((block) => [block.section, block.text.split('\n').slice(0, 2).join(' … '), block.text]))(
  '%s: %s',
  (_, __, text) => {
    const { status, output } = place.run(text);
    expect(output).not.toMatch(/not found|No such file/);
    expect(status, output).toBe(0);
  },
);

test('the releases stand in the cluster, with the secret that they read', async () => {
  expect(await server.list(['deployments', 'services', 'secrets'], 'router')).toEqual(
    expect.arrayContaining(['deployment.apps/weir', 'service/weir', 'secret/router-api-keys']),
  );
  expect(await server.list(['servicemonitors.monitoring.coreos.com'], 'router')).toHaveLength(1);
  expect(await server.list(['deployments', 'scaledobjects.keda.sh'], 'inference')).toEqual(
    expect.arrayContaining(['deployment.apps/vllm', 'scaledobject.keda.sh/vllm']),
  );
  expect(await server.list(['prometheusrules.monitoring.coreos.com'], 'monitoring')).not.toEqual([]);
});

test('the way to the private API leads through the access host', () => {
  expect(place.called).toContain(
    'cdk: aws ssm start-session --target i-0abc --document-name AWS-StartPortForwardingSessionToRemoteHost ' +
      '--parameters host=api.example.com,portNumber=443,localPortNumber=8443',
  );
  expect(place.called.join('\n')).toMatch(/kubectl config set-cluster .*--tls-server-name=api\.example\.com/);
});

test('what make and npm are asked for exists', () => {
  const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
  const scripts = JSON.parse(readFileSync(join(root, 'platform/cdk/package.json'), 'utf8')).scripts;
  const asked = [...page.matchAll(/(?:`|^|=\S+ )make ([a-z-]+)/gm)].map(([, target]) => target!);
  expect(asked.length).toBeGreaterThan(3);
  for (const target of asked) expect(makefile, `make ${target}`).toMatch(new RegExp(`^[a-z -]*\\b${target}\\b[a-z -]*:`, 'm'));
  for (const [, name] of page.matchAll(/npm run ([a-z-]+)/g)) expect(Object.keys(scripts)).toContain(name);
});

test('the paths that it names exist', () => {
  for (const [, path] of page.matchAll(/\]\(((?:\.\.\/)?[\w./-]+\.?\w*)(?:#[\w-]*)?\)/g))
    expect(existsSync(join(root, 'docs', path!)), path).toBe(true);
  for (const [, path] of page.matchAll(/`((?:platform|scripts)\/[\w./-]+)`/g))
    expect(existsSync(join(root, path!)), path).toBe(true);
});

test('its queries are PromQL, over metrics that the router has', () => {
  const text = blocks().find(({ language }) => language === 'promql')!.text;
  const queries = text.split('\n').filter((line) => line && !line.startsWith('#'));
  expect(queries).toHaveLength(6);
  const file = join(place.folder, 'queries.yaml');
  const rules = queries.map((expr, i) => ({ record: `query:${i}`, expr }));
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'page', rules }] }));
  expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).toContain('6 rules found');
  const metrics = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
  for (const [name] of text.matchAll(/weir_\w+/g)) expect(metrics).toContain(`\`${name!.replace(/_bucket$/, '')}\``);
});
