// A real Kubernetes API server on loopback, with the definitions of all the
// kinds that the platform uses, and manifests judged by it: a server-side dry
// run, as strict as the server can be, with admission.
//
//   const server = await ApiServer.start();
//   const verdict = await server.check(objects);   // {accepted, refused}
//   await server.stop();
//
// scripts/setup platform builds it.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const tools = fileURLToPath(new URL('../../.tools', import.meta.url));
export const program = join(tools, 'apiserver/apiserver');
const definitions = join(tools, 'apiserver/crds');
export const helm = join(tools, 'kubernetes/helm');
const kubectl = join(tools, 'kubernetes/kubectl');

/** An object of Kubernetes, as far as all of them are alike. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: any;
}

export interface Verdict {
  /** What the server took, as kind/name. */
  accepted: string[];
  /** What it said against the others, and every warning. */
  refused: string[];
}

export function parseObjects(text: string): KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as KubeObject | null;
    })
    .filter((object) => object !== null)
    .flatMap((object) => (object.kind === 'List' ? (object.items as KubeObject[]) : [object]));
}

// JSON, which is YAML that cannot be misread: `yes` is true to some
const asText = (objects: KubeObject[]) => objects.map((object) => JSON.stringify(object)).join('\n---\n');

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a program to its end. */
export function run(command: string, args: string[], input = '', env?: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', ...(env ? { env } : {}) });
    const ran: Ran = { code: null, out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => (ran.out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (ran.err += text));
    child.stdin.on('error', () => {}); // it did not want all of it
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ran, code }));
    child.stdin.end(input);
  });
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

const asStrictAsCanBe = ['--server-side', '--dry-run=server', '--validate=strict'];

const startTime = 180_000; // on a machine that is busy with other things

export class ApiServer {
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly namespaces = new Map<string, string>();
  private said = '';

  private constructor(child: ChildProcess, folder: string) {
    this.child = child;
    this.folder = folder;
    child.stderr!.setEncoding('utf8').on('data', (text) => (this.said = (this.said + text).slice(-10_000)));
  }

  /** For programs that speak to it by themselves. */
  get kubeconfig(): string {
    return `${this.folder}/kubeconfig`;
  }

  static async start(): Promise<ApiServer> {
    if (!existsSync(program) || !existsSync(definitions))
      throw new Error('there is no API server yet: scripts/setup platform builds it');
    const folder = mkdtempSync(join(tmpdir(), 'apiserver-'));
    // it ends when its standard input does: with us, at the latest
    const child = spawn(program, [folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    const server = new ApiServer(child, folder);
    try {
      await server.ready();
      await server.learn();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Judges manifests as if they were applied, each in its own namespace or in
   * `namespace`.  Text goes to kubectl as it is: YAML is not the same to everybody. */
  async check(manifests: string | KubeObject[], namespace = 'default'): Promise<Verdict> {
    const objects = typeof manifests === 'string' ? parseObjects(manifests) : manifests;
    if (objects.length === 0) return { accepted: [], refused: [] };
    await this.makeNamespaces(objects, namespace);
    const { out, err } = await this.kubectl(
      // not --namespace, which refuses objects of others
      ['--context', namespace, 'apply', ...asStrictAsCanBe, '--output=name', '--filename=-'],
      typeof manifests === 'string' ? manifests : asText(manifests),
    );
    const [accepted, refused] = [lines(out), lines(err)];
    // nothing is lost between the two
    if (accepted.length < objects.length && refused.length === 0)
      refused.push(`only ${accepted.length} of ${objects.length} objects were answered for`);
    return { accepted, refused };
  }

  /** Runs helm against it, and gives what helm says. */
  async helm(args: string[]): Promise<string> {
    const { code, out, err } = await run(helm, [`--kubeconfig=${this.kubeconfig}`, ...args], '', {
      ...process.env,
      ...Object.fromEntries(['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, `${this.folder}/helm`])),
    });
    if (code !== 0) throw new Error(`helm ${args.join(' ')}: ${err}`);
    return out;
  }

  /** The names of what is there, as kind/name. */
  async list(kinds: string[], namespace: string): Promise<string[]> {
    return lines(await this.insist(['get', '--namespace', namespace, '--output=name', kinds.join(',')]));
  }

  /** Ends it, and leaves nothing behind. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.stdin!.end();
      const late = setTimeout(() => this.child.kill('SIGKILL'), 60_000);
      await gone;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`the API server ${why}:\n${this.said}`));
      const late = setTimeout(() => fail(`was not ready in ${startTime / 1000} s`), startTime);
      this.child.once('error', reject);
      this.child.once('exit', (code) => (clearTimeout(late), fail(`ended with ${code}`)));
      createInterface({ input: this.child.stdout! }).on('line', (line) => {
        if (line !== 'ready') return;
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** Teaches it the kinds of the operators. */
  private async learn(): Promise<void> {
    const files = readdirSync(definitions).filter((name) => name.endsWith('.yaml'));
    if (files.length === 0) throw new Error(`no definitions in ${definitions}`);
    await this.insist(['apply', '--server-side', '--filename', definitions]);
    await this.insist(['wait', '--for=condition=Established', '--timeout=120s', 'crd', '--all']);
  }

  /** Namespaces are made for real, since what is in them is judged by their labels. */
  private async makeNamespaces(objects: KubeObject[], otherwise: string): Promise<void> {
    const wanted = new Map<string, KubeObject>();
    const want = (name: string, labels: Record<string, string> = {}) =>
      wanted.set(name, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    want(otherwise, { ...wanted.get(otherwise)?.metadata.labels });
    for (const { metadata } of objects)
      if (metadata.namespace && !wanted.has(metadata.namespace)) want(metadata.namespace);
    for (const { kind, metadata } of objects) if (kind === 'Namespace') want(metadata.name, metadata.labels);
    for (const [name, object] of wanted) {
      const text = asText([object]);
      const isBare = Object.keys(object.metadata.labels!).length === 0;
      if (this.namespaces.get(name) === text || (isBare && this.namespaces.has(name))) continue;
      await this.insist(['apply', '--server-side', '--force-conflicts', '--filename=-'], text);
      this.namespaces.set(name, text);
      const context = ['--cluster=check', '--user=admin', '--namespace', name];
      await this.insist(['config', 'set-context', name, ...context]);
    }
  }

  private kubectl(args: string[], input = ''): Promise<Ran> {
    return run(
      kubectl,
      [`--kubeconfig=${this.kubeconfig}`, `--cache-dir=${this.folder}/cache`, ...args],
      input,
    );
  }

  private async insist(args: string[], input = ''): Promise<string> {
    const { code, out, err } = await this.kubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}\n${this.said}`);
    return out;
  }
}
