import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatRequest, eventually, hello, Raw, Sim, Weir, weir as program } from './harness.ts';

let sim: Sim;
let dir: string;

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
const at = (name: string) => join(dir, name);

/** A certificate for 127.0.0.1 that signs itself. */
function certificate(name: string): void {
  openssl(
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1',
    '-keyout', `${name}.key`, '-out', `${name}.pem`,
  );
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weir-listen-'));
  certificate('one');
  certificate('two');
  sim = await Sim.start();
});
afterAll(async () => {
  await sim?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function ask(
  request: typeof plainRequest,
  options: RequestOptions & { ca?: string },
  body?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ method: body ? 'POST' : 'GET', ...options }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece) => (text += piece));
      answer.on('end', () => resolve({ status: answer.statusCode!, text }));
      answer.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('a Unix socket', () => {
  test('is served beside the port, has its mode, and is gone at the end', async () => {
    const path = at('beside');
    const weir = await Weir.between(sim, { LISTEN_UNIX: path, LISTEN_UNIX_MODE: '0600' });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const body = JSON.stringify({ model: 'local', messages: hello });
    const answer = await ask(plainRequest, { socketPath: path, path: '/v1/chat/completions', headers: { 'x-request-id': 'by-unix' } }, body);
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/hello/i);
    expect((await weir.logged('by-unix')).caller).toBe('unix');
    expect((await fetch(`${weir.url}/health`)).status).toBe(200);
    await weir.stop();
    expect(existsSync(path)).toBe(false);
  });

  test('may be the only way in, and one that a killed process left is replaced', async () => {
    const path = at('only');
    const env = { ...Weir.env(sim), HOST: 'none', LISTEN_UNIX: path };
    const killed = spawn(program, ['serve'], { stdio: 'ignore', env: Weir.environment(env) });
    await eventually('it listens', () => existsSync(path));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(existsSync(path)).toBe(true);
    const weir = await Weir.start(env);
    expect(weir.port).toBe(0);
    expect((await ask(plainRequest, { socketPath: path, path: '/health' })).status).toBe(200);
    const second = spawn(program, ['serve'], { stdio: ['ignore', 'ignore', 'pipe'], env: Weir.environment(env) });
    let said = '';
    second.stderr!.on('data', (text) => (said += text));
    expect((await once(second, 'exit'))[0]).toBe(1);
    expect(said).toContain(`${path}: Address already in use`);
    expect((await ask(plainRequest, { socketPath: path, path: '/health' })).status).toBe(200);
    await weir.stop();
  });

  test('a large body comes in and a large answer goes out', async () => {
    const path = at('large');
    const weir = await Weir.between(sim, { LISTEN_UNIX: path });
    const content = 'Repeat after me: ' + 'word '.repeat(200_000);
    const answer = await ask(
      plainRequest,
      { socketPath: path, path: '/v1/chat/completions' },
      JSON.stringify({ model: 'cloud', messages: [{ role: 'user', content }] }),
    );
    expect(answer.status).toBe(200);
    await weir.stop();
  });
});

test('sockets that a service manager opened are taken over', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  const weir = await Weir.run(
    spawn('sh', ['-c', `LISTEN_PID=$$ LISTEN_FDS=1 exec "${program}" serve`], {
      stdio: ['ignore', 'pipe', 'pipe', fd],
      env: Weir.environment(Weir.env(sim)),
    }),
  );
  server.close(); // our copy: from now on only the router accepts
  await weir.says('on 1 sockets that were given');
  const raw = await Raw.open(port);
  raw.send(chatRequest({ model: 'local', messages: hello }));
  expect((await raw.answer()).status).toBe(200);
  raw.close();
  await weir.stop();
});

describe('TLS at the door', () => {
  const chat = (weir: Weir, ca: string, body: object) =>
    ask(
      tlsRequest as typeof plainRequest,
      { host: '127.0.0.1', port: weir.port, path: '/v1/chat/completions', ca: readFileSync(at(ca), 'utf8'), agent: false as never },
      JSON.stringify(body),
    );
  const served = (env: Record<string, string> = {}) =>
    Weir.between(sim, { TLS_CERTIFICATE: at('live.pem'), TLS_KEY: at('live.key'), ...env });
  const show = (name: string) => {
    for (const end of ['pem', 'key']) writeFileSync(at(`live.${end}`), readFileSync(at(`${name}.${end}`)));
  };

  test('chats and streams, and large bodies, come and go', async () => {
    show('one');
    const weir = await served();
    const whole = await chat(weir, 'one.pem', { model: 'local', messages: hello });
    expect(whole.status).toBe(200);
    const stream = await chat(weir, 'one.pem', { model: 'cloud', stream: true, messages: hello });
    expect(stream.text).toContain('[DONE]');
    const content = 'Say hello. ' + 'word '.repeat(300_000);
    const large = await chat(weir, 'one.pem', { model: 'cloud', messages: [{ role: 'user', content }] });
    expect(large.status).toBe(200);
    await weir.stop();
  });

  test('TLS 1.2 and up and HTTP/1.1 are spoken, the rest is refused', async () => {
    show('one');
    const weir = await served();
    const meet = (options: object) =>
      new Promise<{ protocol: string | null; alpn: string | false | null }>((resolve, reject) => {
        const socket = tlsConnect({ host: '127.0.0.1', port: weir.port, rejectUnauthorized: false, ...options });
        socket.on('secureConnect', () => {
          resolve({ protocol: socket.getProtocol(), alpn: socket.alpnProtocol });
          socket.destroy();
        });
        socket.on('error', reject);
      });
    expect(await meet({ ALPNProtocols: ['h2', 'http/1.1'] })).toEqual({ protocol: 'TLSv1.3', alpn: 'http/1.1' });
    expect(await meet({ maxVersion: 'TLSv1.2' })).toEqual({ protocol: 'TLSv1.2', alpn: false });
    await expect(meet({ ALPNProtocols: ['h2'] })).rejects.toThrow();
    await expect(meet({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${weir.port}/health`)).rejects.toThrow();
    await weir.stop();
  });

  test('who never says hello is let go', async () => {
    show('one');
    const weir = await served({ HEAD_TIMEOUT: '300ms' });
    const raw = await Raw.open(weir.port);
    raw.send('\x16\x03\x01');
    await raw.whenClosed();
    await weir.stop();
  });

  test('a reload shows the new certificate, to new callers; a bad one is refused', async () => {
    show('one');
    const weir = await served();
    expect((await chat(weir, 'one.pem', { model: 'local', messages: hello })).status).toBe(200);
    show('two');
    await weir.reload();
    expect((await chat(weir, 'two.pem', { model: 'local', messages: hello })).status).toBe(200);
    await expect(chat(weir, 'one.pem', { model: 'local', messages: hello })).rejects.toThrow();
    writeFileSync(at('live.key'), readFileSync(at('one.key'))); // of the other one
    expect((await weir.reload()).join('\n')).toMatch(/TLS_KEY: .*key values mismatch/);
    writeFileSync(at('live.pem'), 'nothing');
    expect((await weir.reload()).join('\n')).toMatch(/TLS_CERTIFICATE: .*no start line/);
    expect((await chat(weir, 'two.pem', { model: 'local', messages: hello })).status).toBe(200);
    await weir.stop();
  });

  test('a certificate without its key is no configuration', async () => {
    show('one');
    await expect(Weir.between(sim, { TLS_CERTIFICATE: at('live.pem') })).rejects.toThrow(
      /listen\.tls_key \(TLS_KEY\) is not set/,
    );
    openssl('ec', '-in', 'one.key', '-aes256', '-passout', 'pass:secret', '-out', 'locked.key');
    chmodSync(at('locked.key'), 0o600);
    await expect(served({ TLS_KEY: at('locked.key') })).rejects.toThrow(/TLS_KEY/);
  });
});
