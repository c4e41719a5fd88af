// The laptop stack, as far as it goes without an engine of containers: the
// project as Compose itself reads it, every part's configuration judged by
// that part where its program is here, and the router and the collector run
// as they are configured there, with the names of the network put to loopback.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Collector } from './collector.ts';
import { eventually, hello, Sim, Weir } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const reader = join(root, '.tools/compose-check/compose-check');
const parts = ['stand-ins', 'langfuse'];

/** What callers and passwords could be read off, in a copy of the folder. */
class Stack {
  private readonly parent = mkdtempSync(join(tmpdir(), 'compose-'));
  readonly folder = join(this.parent, 'platform/compose');

  constructor() {
    for (const name of ['compose', 'observability'])
      cpSync(join(root, 'platform', name), join(this.parent, 'platform', name), {
        recursive: true,
        filter: (path) => !/node_modules|\.env$/.test(path),
      });
  }

  setup(args: string[] = [], env: Record<string, string> = {}) {
    const { status, stdout, stderr } = spawnSync('./setup', args, {
      cwd: this.folder,
      env: { PATH: process.env.PATH!, ...env },
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  get env(): Record<string, string> {
    const lines = readFileSync(join(this.folder, '.env'), 'utf8').trim().split('\n');
    return Object.fromEntries(lines.map((line) => /^(\w+)='(.*)'$/.exec(line)!.slice(1, 3)));
  }

  read(...profiles: string[]): any {
    const { status, stdout, stderr } = spawnSync(reader, [this.folder, ...profiles], {
      env: { PATH: process.env.PATH! },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  text(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }

  remove(): void {
    rmSync(this.parent, { recursive: true });
  }
}

let stack: Stack;
beforeAll(() => {
  stack = new Stack();
});
afterAll(() => stack?.remove());

describe('setup', () => {
  test('without it Compose says what to do', () => {
    expect(() => stack.read()).toThrow(/WEIR_KEY is missing a value: run \.\/setup first/);
  });

  test('makes stand-ins for both, and secrets for its owner alone', () => {
    expect(stack.setup()).toMatchObject({ status: 0, stderr: '' });
    const env = stack.env;
    expect(env).toMatchObject({
      LOCAL_URL: 'http://stand-ins:8000',
      CLOUD_URL: 'http://stand-ins:8001',
      COMPOSE_PROFILES: 'stand-ins',
    });
    expect(env.WEIR_KEY).toMatch(/^weir-[0-9a-f]{48}$/);
    expect(env.GRAFANA_PASSWORD).toMatch(/^[0-9a-f]{32}$/);
    expect(statSync(join(stack.folder, '.env')).mode & 0o777).toBe(0o600);
  });

  test('keeps what it has made, and prints none of it', () => {
    const before = stack.env;
    const { stdout } = stack.setup();
    expect(stack.env).toEqual(before);
    expect(stdout).not.toContain(before.WEIR_KEY);
    expect(stdout).not.toContain(before.GRAFANA_PASSWORD);
  });

  test('Langfuse comes and goes, and its project keeps its keys', () => {
    stack.setup(['--langfuse']);
    const env = stack.env;
    expect(env.COMPOSE_PROFILES).toBe('stand-ins,langfuse');
    expect(env.LANGFUSE_PUBLIC_KEY).toMatch(/^pk-lf-/);
    expect(env.LANGFUSE_ENCRYPTION_KEY).toMatch(/^[0-9a-f]{64}$/);
    stack.setup(['--no-langfuse']);
    expect(stack.env).toMatchObject({ COMPOSE_PROFILES: 'stand-ins', LANGFUSE_PUBLIC_KEY: '' });
    stack.setup(['--langfuse']);
    expect(stack.env).toEqual(env);
  });

  test('takes a real local server and the real cloud', () => {
    const other = new Stack();
    try {
      const args = ['--local', 'http://host.docker.internal:11434', '--model', 'llama3', '--health', '/api/version', '--cloud'];
      expect(other.setup(args, { ANTHROPIC_API_KEY: 'sk-ant-mine' })).toMatchObject({ status: 0 });
      expect(other.env).toMatchObject({
        LOCAL_URL: 'http://host.docker.internal:11434',
        LOCAL_UPSTREAM: 'llama3',
        LOCAL_HEALTH_PATH: '/api/version',
        CLOUD_URL: 'https://api.anthropic.com',
        ANTHROPIC_API_KEY: 'sk-ant-mine',
        COMPOSE_PROFILES: '',
      });
      expect(Object.keys(other.read().services)).not.toContain('stand-ins');
    } finally {
      other.remove();
    }
  });

  test.each([
    [['--local', 'vllm:8000', '--model', 'x'], /--local: read "vllm:8000", expected http:/],
    [['--local', 'http://vllm:8000'], /--local wants --model/],
    [['--model', 'x'], /--model goes with --local/],
    [['--model'], /--model takes a value/],
    [['--cloud'], /ANTHROPIC_API_KEY is not set/],
    [['--gpu'], /--gpu is not an option/],
  ])('refuses %j', (args, why) => {
    const before = stack.env;
    const { status, stderr } = stack.setup(args);
    expect(status).toBe(2);
    expect(stderr).toMatch(why);
    expect(stack.env).toEqual(before);
  });
});

describe('the project', () => {
  beforeAll(() => void stack.setup(['--langfuse']));
  const services = () => Object.entries<any>(stack.read(...parts).services);

  test('is what was asked for', () => {
    expect(services().map(([name]) => name)).toEqual(
      expect.arrayContaining(['weir', 'stand-ins', 'prometheus', 'grafana', 'tempo', 'otel-collector', 'langfuse-web', 'langfuse-worker']),
    );
    expect(Object.keys(stack.read('stand-ins').services)).not.toContain('langfuse-web');
  });

  test('is open to this machine alone', () => {
    const ports = services().flatMap(([name, { ports }]) => (ports ?? []).map((port: any) => `${name} ${port.host_ip}`));
    expect(ports.length).toBeGreaterThan(4);
    expect(ports.filter((port) => !port.endsWith(' 127.0.0.1'))).toEqual([]);
  });

  test('names a version of every image', () => {
    for (const [name, { image }] of services())
      if (image !== 'weir:latest') expect(image, name).toMatch(/:v?\d+(\.\d+)+(-alpine)?$/);
  });

  test('mounts nothing that is not there', () => {
    const sources = services().flatMap(([, { volumes }]) => (volumes ?? []).filter((v: any) => v.type === 'bind').map((v: any) => v.source));
    expect(sources.length).toBeGreaterThan(6);
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
  });

  test('has no secret but those of .env', () => {
    const { env, text } = { env: stack.env, text: stack.text('compose.yaml') };
    for (const line of text.split('\n').filter((line) => /(PASSWORD|SECRET|SALT|_KEY|AUTH):/.test(line)))
      expect(line).toMatch(/\$\{\w+(:[?-][^}]*)?\}|ACCESS_KEY_ID: langfuse/);
    for (const [, { environment }] of services())
      for (const [name, value] of Object.entries<string>(environment ?? {}))
        if (/PASSWORD|SECRET|SALT|ENCRYPTION/.test(name)) expect(Object.values(env), name).toContain(value);
  });

  test('the router has no more rights than it needs', () => {
    const { weir } = stack.read(...parts).services;
    expect(weir).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    // longer than the router's own time to drain
    expect(weir.stop_grace_period).toBe('45s');
  });
});

describe('its parts', () => {
  beforeAll(() => void stack.setup(['--no-langfuse']));

  test('Prometheus takes its configuration, with the rules', () => {
    const file = join(stack.folder, 'checked.yaml');
    spawnSync('sed', ['-n', `s#/etc/prometheus/rules#${join(stack.folder, '../observability/rules')}#;w ${file}`, 'prometheus.yaml'], {
      cwd: stack.folder,
    });
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' });
    expect(stdout + stderr).toMatch(/SUCCESS: \d+ rule files found/);
    expect(status).toBe(0);
  });

  test('the router answers, refuses strangers, and its spans reach Tempo', async () => {
    const tempo = await Collector.start();
    const collector = await Collector.start((grpc, http) =>
      stack
        .text('otel-collector.yaml')
        .replace('0.0.0.0:4317', `127.0.0.1:${grpc}`)
        .replace('0.0.0.0:4318', `127.0.0.1:${http}`)
        .replace('tempo:4317', tempo.grpc.replace('http://', ''))
        .replace('host: 0.0.0.0, port: 8888', 'host: 127.0.0.1, port: 0'),
    );
    const sim = await Sim.start();
    const { environment } = stack.read('stand-ins').services.weir;
    const data = mkdtempSync(join(tmpdir(), 'compose-weir-'));
    const weir = await Weir.start(
      {
        ...environment,
        LOCAL_URL: sim.vllm,
        CLOUD_URL: sim.anthropic,
        LEDGER_PATH: environment.LEDGER_PATH.replace('/var/lib/weir', data),
        TELEMETRY_SPOOL_DIR: environment.TELEMETRY_SPOOL_DIR.replace('/var/lib/weir', data),
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpc,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
      '--config',
      join(stack.folder, 'weir.yaml'),
    );
    try {
      expect((await weir.post({ messages: hello })).status).toBe(401);
      const key = { authorization: `Bearer ${stack.env.WEIR_KEY}` };
      const tiers = [];
      for (const model of ['auto', 'cloud']) {
        const answer = await weir.post({ model, messages: hello }, key);
        expect(answer.status).toBe(200);
        tiers.push(answer.headers.get('x-router-backend'));
      }
      expect(tiers).toEqual(['local', 'cloud']);
      await eventually('both spans are with Tempo', () => {
        const text = JSON.stringify(tempo.received());
        return text.split('"chat.completions"').length - 1 === 2;
      });
      expect(existsSync(join(data, 'ledger.db'))).toBe(true);
    } finally {
      await weir.stop();
      await sim.stop();
      await collector.stop();
      await tempo.stop();
      rmSync(data, { recursive: true });
    }
  });
});
