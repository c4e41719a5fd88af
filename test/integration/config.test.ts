import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hello, long, Sim, Weir } from './harness.ts';

const bin =
  process.env.WEIR_BIN ?? fileURLToPath(new URL('../../build/dev/weir', import.meta.url));

let dir: string;
let sim: Sim;
let other: Sim;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weir-'));
  sim = await Sim.start();
  other = await Sim.start('--model', 'coder-32b');
});
afterAll(async () => {
  await sim?.stop();
  await other?.stop();
  await rm(dir, { recursive: true, force: true });
});

function run(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(bin, args, { env: { PATH: process.env.PATH!, ...env } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

async function file(text: string): Promise<string> {
  const path = join(dir, `weir-${Math.random().toString(36).slice(2)}.yaml`);
  await writeFile(path, text);
  return path;
}

describe('weir serve', () => {
  test('without any backend says what to set, and names the demo', async () => {
    const { code, err } = await run(['serve'], { PORT: '0' });
    expect(code).toBe(1);
    expect(err).toContain('VLLM_BASE_URL');
    expect(err).toContain('ANTHROPIC_API_KEY');
    expect(err).toContain('weir demo');
  });

  test('refuses a port that is taken', async () => {
    const weir = await Weir.between(sim);
    const { code, err } = await run(['serve'], {
      ...Weir.env(sim),
      HOST: '127.0.0.1',
      PORT: String(weir.port),
    });
    await weir.stop();
    expect(code).toBe(1);
    expect(err).toMatch(/cannot listen on 127\.0\.0\.1 port \d+: Address already in use/);
  });
});

describe('weir check', () => {
  test('prints every value with its origin, and no secret', async () => {
    const path = await file('listen:\n  port: 9000\nrouting:\n  local_tokens: 700\n');
    const { code, out } = await run(['check', '--config', path, '--log-level', 'warn'], {
      VLLM_BASE_URL: 'http://127.0.0.1:8000/v1',
      LOCAL_MODEL: 'qwen2.5-7b',
      ANTHROPIC_API_KEY: 'sk-very-secret',
      LOCAL_TOKEN_THRESHOLD: '800',
    });
    expect(code).toBe(0);
    const line = (name: string) => out.split('\n').find((l) => l.startsWith(`${name} `));
    expect(line('listen.port')).toMatch(/ 9000 +\S+yaml:2$/);
    expect(line('routing.local_tokens')).toMatch(/ 800 +environment LOCAL_TOKEN_THRESHOLD$/);
    expect(line('cloud.api_key')).toMatch(/\(set, hidden\) +environment ANTHROPIC_API_KEY$/);
    expect(line('log.level')).toMatch(/ warn +command line$/);
    expect(line('timeouts.connect')).toMatch(/ 3s +default$/);
    expect(out).not.toContain('sk-very-secret');
  });

  test('names file, line, what was read and what was expected', async () => {
    const path = await file(
      'listen:\n  port: 99999\nlog:\n  level: loud\nworkerz: 2\nbackends:\n  - name: a\n    tier: locl\n    url: ftp://x\n',
    );
    const { code, err } = await run(['check', '-c', path]);
    expect(code).toBe(1);
    expect(err).toContain(`${path}:2: listen.port: read "99999", expected a port`);
    expect(err).toContain(`${path}:4: log.level: read "loud", expected error, warn, info or debug`);
    expect(err).toContain(`${path}:5: workerz: there is no such option; did you mean workers?`);
    expect(err).toContain(`${path}:8: backends[0].tier: read "locl", expected local or cloud`);
    expect(err).toContain(`${path}:9: backends[0].url: read "ftp://x", expected http://`);
  });

  test('a bad value of the environment is named too', async () => {
    const { code, err } = await run(['check'], { PORT: 'eighty', ANTHROPIC_API_KEY: 'k' });
    expect(code).toBe(1);
    expect(err).toContain('environment: PORT: read "eighty", expected a port: 0 to 65535');
  });

  test('references to variables and files are followed, and missed', async () => {
    const secret = join(dir, 'key');
    await writeFile(secret, 'sk-from-file\n');
    const path = await file(
      `cloud:\n  api_key: file:${secret}\nlocal:\n  url: http://\${LOCAL_HOST}:8000\n  model: \${MODEL:-qwen}\n`,
    );
    const good = await run(['check', '-c', path], { LOCAL_HOST: '127.0.0.1' });
    expect(good.code).toBe(0);
    expect(good.out).toMatch(/local\.url +http:\/\/127\.0\.0\.1:8000/);
    expect(good.out).toMatch(/local\.model +qwen /);
    expect(good.out).not.toContain('sk-from-file');
    const bad = await run(['check', '-c', path]);
    expect(bad.code).toBe(1);
    expect(bad.err).toContain(':4: local.url: the environment variable LOCAL_HOST is not set');
  });

  test('broken YAML is told with its place', async () => {
    const { code, err } = await run(['check', '-c', await file('listen:\n  port: [1\n')]);
    expect(code).toBe(1);
    expect(err).toMatch(/yaml:\d+: column \d+: not valid YAML/);
  });
});

describe('a file with several backends, replicas, rules and keys', () => {
  let weir: Weir;

  beforeAll(async () => {
    const path = await file(`
backends:
  - name: general
    tier: local
    url: [${sim.vllm}, ${sim.vllm}/v1/]
    models:
      - name: qwen
        upstream: qwen2.5-7b
        context_window: 4000
  - name: coder
    tier: local
    url: ${other.vllm}
    models:
      - name: coder
        upstream: coder-32b
  - name: anthropic
    tier: cloud
    url: ${sim.anthropic}
    api_key: \${CLOUD_KEY}
    default_model: claude-haiku-4-5
rules:
  - name: code
    when: { text: '(?i)\\bpython\\b' }
    use: coder
  - name: night-batch
    when: { header: 'X-Job: batch' }
    use: local
    policy: local-only
keys:
  - name: team-a
    secret: \${TEAM_A}
  - name: private
    secret: private-key
    policy: local-only
`);
    weir = await Weir.start({ CLOUD_KEY: 'k', TEAM_A: 'team-a-key' }, '--config', path);
  });
  afterAll(async () => {
    await weir?.stop();
  });

  const ask = async (body: object, headers: Record<string, string> = {}) => {
    const answer = await weir.post(
      { messages: hello, ...body },
      { authorization: 'Bearer team-a-key', ...headers },
    );
    return {
      status: answer.status,
      target: answer.headers.get('x-router-target'),
      model: answer.headers.get('x-router-model'),
      reason: answer.headers.get('x-router-reason'),
      body: (await answer.json()) as any,
    };
  };

  test('no key and a wrong key are refused before the body is read', async () => {
    for (const authorization of ['', 'Bearer wrong', 'Bearer team-a-ke'] as string[]) {
      const answer = await weir.post({ messages: hello }, { authorization });
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    }
    expect((await fetch(`${weir.url}/v1/models`)).status).toBe(401);
    expect((await fetch(`${weir.url}/health`)).status).toBe(200);
  });

  test('a key may come as x-api-key, and is named in the log', async () => {
    const answer = await weir.post({ messages: hello, model: 'local' }, { 'x-api-key': 'team-a-key' });
    expect(answer.status).toBe(200);
    expect(await weir.logged(answer.headers.get('x-request-id')!)).toMatchObject({ key: 'team-a' });
  });

  test('each local model has its own backend', async () => {
    expect(await ask({ model: 'qwen' })).toMatchObject({ target: 'general', model: 'qwen2.5-7b' });
    expect(await ask({ model: 'coder' })).toMatchObject({ target: 'coder', model: 'coder-32b' });
    expect(await ask({ model: 'local' })).toMatchObject({ target: 'general' });
    expect(await ask({ model: 'cloud' })).toMatchObject({ model: 'claude-haiku-4-5' });
  });

  test('a rule on the text decides, and the thresholds stand behind it', async () => {
    const code = [{ role: 'user', content: 'Write Python for me' }];
    expect(await ask({ messages: code })).toMatchObject({ target: 'coder', reason: 'rule:code' });
    expect(await ask({})).toMatchObject({ target: 'general', reason: 'rule:short' });
    expect(await ask({ messages: long })).toMatchObject({
      target: 'anthropic',
      reason: 'rule:long-prompt',
    });
  });

  test('a rule may pin', async () => {
    expect(await ask({ messages: long }, { 'x-job': 'batch' })).toMatchObject({
      target: 'general',
      reason: 'rule:night-batch',
    });
    await sim.fault('vllm', { fault: 'status', status: 500, count: 2 });
    const failed = await ask({}, { 'x-job': 'batch' });
    expect(failed.status).toBeGreaterThanOrEqual(500);
    expect(failed.target).toBe('general');
  });

  test('a key may pin', async () => {
    const headers = { authorization: 'Bearer private-key' };
    expect(await ask({ messages: long }, headers)).toMatchObject({ target: 'general', reason: 'pin' });
    expect(await ask({ model: 'claude-haiku-4-5' }, headers)).toMatchObject({
      status: 400,
      body: { error: { code: 'policy_conflict' } },
    });
    expect(await ask({}, { ...headers, 'x-router-policy': 'cloud-only' })).toMatchObject({
      status: 400,
      body: { error: { code: 'policy_conflict' } },
    });
  });

  test('what does not fit the local context goes to the cloud', async () => {
    expect(await ask({ model: 'qwen', max_tokens: 3999 })).toMatchObject({
      target: 'anthropic',
      reason: 'fit:context',
    });
  });

  test('work is spread over the replicas', async () => {
    const { body } = await ask({ model: 'qwen' });
    expect(body.object).toBe('chat.completion');
    const route = await weir.post(
      { model: 'qwen', messages: hello },
      { authorization: 'Bearer team-a-key' },
      '/v1/route',
    );
    expect(((await route.json()) as any).targets[0].replicas).toHaveLength(2);
  });
});

test('several URLs in the environment are replicas, and one of them may die', async () => {
  const weir = await Weir.start({
    ...Weir.env(sim),
    VLLM_BASE_URL: `${sim.vllm}, http://127.0.0.1:9`,
    PROBE_COLD_INTERVAL: '100ms',
  });
  try {
    for (let i = 0; i < 10; i++) {
      const answer = await weir.post({ model: 'local', messages: hello });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-router-backend')).toBe('local');
    }
  } finally {
    await weir.stop();
  }
});
