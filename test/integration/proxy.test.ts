import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, hello, Sim, Weir } from './harness.ts';

// A proxy that leads every name to the stand-ins' ports on 127.0.0.1.
let sim: Sim;
let proxy: Server;
let url: string;
let asked: { target: string; authorization?: string }[];
let answer: string;
const sockets = new Set<Socket>();

beforeAll(async () => {
  sim = await Sim.start();
  proxy = createServer();
  proxy.on('connect', (request, socket: Socket) => {
    asked.push({ target: request.url!, authorization: request.headers['proxy-authorization'] });
    sockets.add(socket);
    socket.on('error', () => {});
    if (answer) return void socket.end(answer);
    const far = connect(Number(request.url!.split(':').pop()), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(far).pipe(socket);
    });
    sockets.add(far);
    far.on('error', () => socket.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  url = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  proxy.close();
  await sim?.stop();
});
beforeEach(() => {
  asked = [];
  answer = '';
});

const port = (of: string) => new URL(of).port;
let weir: Weir | undefined;
afterEach(async () => {
  await weir?.stop();
  weir = undefined;
});

/** Both backends under names that only the proxy knows. */
async function behind(env: Record<string, string>): Promise<Weir> {
  weir = await Weir.between(sim, {
    VLLM_BASE_URL: `http://vllm.invalid:${port(sim.vllm)}`,
    ANTHROPIC_BASE_URL: `http://cloud.invalid:${port(sim.anthropic)}`,
    HOLD_TIMEOUT: '100ms',
    ...env,
  });
  return weir;
}

test.each(['HTTP_PROXY', 'http_proxy', 'WEIR_PROXY'])('%s leads to the backends', async (name) => {
  const router = await behind({ [name]: `http://user:se%63ret@${url}` });
  for (const model of ['local', 'cloud']) {
    const got = await router.post({ model, messages: hello });
    expect(got.status).toBe(200);
    expect(await got.text()).toMatch(/hello/i);
  }
  const targets = asked.map((a) => a.target);
  expect(targets).toContain(`vllm.invalid:${port(sim.vllm)}`);
  expect(targets).toContain(`cloud.invalid:${port(sim.anthropic)}`);
  for (const a of asked) expect(a.authorization).toBe(`Basic ${btoa('user:secret')}`);
  expect(router.log.join('\n')).not.toMatch(/secret|se%63ret|dXNlcj/);
});

test('a tunnel is used again', async () => {
  const router = await behind({ HTTP_PROXY: `http://${url}`, WEIR_WORKERS: '1' });
  for (let i = 0; i < 5; i++) await (await router.post({ model: 'cloud', messages: hello })).text();
  expect(asked.filter((a) => a.target.startsWith('cloud')).length).toBe(1);
});

test('NO_PROXY and this machine are exempt, https has a proxy of its own', async () => {
  const router = await behind({
    HTTP_PROXY: `http://${url}`,
    no_proxy: 'cloud.invalid',
    VLLM_BASE_URL: sim.vllm,
  });
  expect((await router.post({ model: 'local', messages: hello })).status).toBe(200);
  expect((await router.post({ model: 'cloud', messages: hello })).status).toBe(502);
  await router.stop();
  weir = undefined;
  await behind({ HTTPS_PROXY: `http://${url}` });
  expect((await weir!.post({ model: 'cloud', messages: hello })).status).toBe(502);
  expect(asked).toEqual([]);
});

test('a proxy that refuses is told, and the other backend answers', async () => {
  answer = 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n';
  const router = await behind({
    HTTP_PROXY: `http://user:secret@${url}`,
    ANTHROPIC_BASE_URL: sim.anthropic,
  });
  const got = await router.post({ messages: hello });
  expect(got.status).toBe(200);
  expect(got.headers.get('x-router-backend')).toBe('cloud');
  await router.says(`proxy: proxy ${url}: it answered 407`);
  expect(router.log.join('\n')).not.toContain('secret');
});

test('a proxy that is not there is told as such', async () => {
  const router = await behind({ HTTP_PROXY: 'http://127.0.0.1:1' });
  const got = await router.post({ model: 'claude-sonnet-4-6', messages: hello });
  expect(got.status).toBe(502);
  const said = /"backend":"anthropic".*"why":"proxy"/;
  await eventually('it is told', () => router.log.some((line) => said.test(line)));
  await router.says('proxy 127.0.0.1:1: connection refused');
});

test('TLS goes through the tunnel to the backend itself', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-proxy-'));
  const at = (name: string) => join(dir, name);
  execFileSync(
    'openssl',
    [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=far', '-addext', 'subjectAltName=DNS:far.invalid', '-keyout', 'key', '-out', 'pem',
    ],
    { cwd: dir, stdio: 'pipe' },
  );
  const far = await Weir.between(sim, { TLS_CERTIFICATE: at('pem'), TLS_KEY: at('key') });
  writeFileSync(
    at('weir.yaml'),
    `backends:\n  - { name: far, tier: local, url: 'https://far.invalid:${far.port}', ca_file: ${at('pem')}, ` +
      `proxy: 'http://user:secret@${url}', models: [{ name: far, upstream: qwen2.5-7b }] }\n`,
  );
  weir = await Weir.start({ NO_PROXY: '*', WEIR_WORKERS: '1' }, '--config', at('weir.yaml'));
  const want = { model: 'far', messages: [{ role: 'user', content: `Say hello. ${'word '.repeat(3000)}` }] };
  for (let i = 0; i < 3; i++) {
    const got = await weir.post(want);
    expect(got.status).toBe(200);
    expect(await got.text()).toMatch(/hello/i);
  }
  for (const a of asked) expect(a.target).toBe(`far.invalid:${far.port}`);
  expect(asked.length).toBe(2); // one for the prober, one for the requests
  await weir.stop();
  weir = undefined;
  await far.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('a proxy that cannot be one is no configuration', async () => {
  await expect(behind({ HTTP_PROXY: 'socks5://user:secret@p:1' })).rejects.toThrow(
    /HTTP_PROXY: expected http:\/\/\[user:password@\]host:port/,
  );
  await expect(behind({ WEIR_PROXY: 'https://user:secret@p:1' })).rejects.not.toThrow(/secret@/);
});
