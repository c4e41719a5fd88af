import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hello, Weir } from './harness.ts';

// A model server behind TLS, with a certificate of an authority of its own.
let dir: string;
let server: Server;
let port: number;
const seen = { names: [] as string[], reused: [] as boolean[] };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weir-tls-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const ca = (name: string) =>
    openssl(
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`,
    );
  ca('ca');
  ca('stranger');
  openssl(
    'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr',
  );
  writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost\n');
  openssl(
    'x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
    '-days', '2', '-extfile', 'ext', '-out', 'server.pem',
  );
  server = createServer(
    { key: readFileSync(join(dir, 'server.key')), cert: readFileSync(join(dir, 'server.pem')) },
    (request, response) => {
      const socket = request.socket as import('node:tls').TLSSocket;
      if (request.url === '/health') return void response.end();
      seen.reused.push(socket.isSessionReused());
      request.resume().on('end', () => {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            id: 'chatcmpl-1',
            object: 'chat.completion',
            created: 1,
            model: 'm',
            choices: [
              { index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' },
            ],
          }),
        );
      });
    },
  );
  server.on('secureConnection', (socket) => seen.names.push(socket.servername as string));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function behindTls(host: string, ca: string, extra = ''): Promise<Weir> {
  const path = join(dir, `${host}-${ca}.yaml`);
  writeFileSync(
    path,
    `backends:\n  - name: tls\n    tier: local\n    url: https://${host}:${port}\n    ca_file: ${join(dir, ca)}\n    models: [{ name: m }]\n${extra}`,
  );
  return Weir.start({ HOLD_TIMEOUT: '100ms' }, '--config', path);
}

test('a verified server is served, by name, and sessions are resumed', async () => {
  const weir = await behindTls('localhost', 'ca.pem', 'timeouts: { pool_idle: 100ms }\n');
  try {
    for (let i = 0; i < 3; i++) {
      const answer = await weir.post({ model: 'm', messages: hello });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('hello');
      await new Promise((resolve) => setTimeout(resolve, 400)); // the pool lets go
    }
    expect(seen.names).toContain('localhost');
    expect(seen.reused.slice(1)).toContain(true);
  } finally {
    await weir.stop();
  }
});

test.each([
  ['of an unknown authority', 'localhost', 'stranger.pem', /certificate/],
  ['of another name', '127.0.0.1', 'ca.pem', /mismatch/i],
])('a certificate %s is refused', async (_what, host, ca, detail) => {
  const weir = await behindTls(host, ca);
  try {
    const answer = await weir.post({ model: 'm', messages: hello });
    expect(answer.status).toBe(503);
    // whoever met it first, a probe or the request, has said why
    await weir.says(new RegExp(`"tls.*${detail.source}`, detail.flags));
  } finally {
    await weir.stop();
  }
});

test('a server that is reached and shakes no hands has a deadline of its own', async () => {
  const mute = createTcpServer((socket) => void socket.on('error', () => {}));
  mute.listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const path = join(dir, 'mute.yaml');
  writeFileSync(
    path,
    `backends:
  - { name: mute, tier: local, health_path: none, url: 'https://127.0.0.1:${(mute.address() as AddressInfo).port}', models: [{ name: m }] }
`,
  );
  const weir = await Weir.start({ TLS_TIMEOUT: '300ms', CONNECT_TIMEOUT: '20s' }, '--config', path);
  try {
    const start = Date.now();
    const answer = await weir.post({ model: 'm', messages: hello });
    expect(Date.now() - start).toBeGreaterThanOrEqual(290);
    expect(Date.now() - start).toBeLessThan(5000);
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({
      error: { code: 'upstream_timeout', message: expect.stringContaining('handshake') },
    });
  } finally {
    await weir.stop();
    mute.close();
  }
});
