// A receiver of traces by gRPC, on Node's HTTP/2: what it is asked, and what
// its statuses bring about.
import { once } from 'node:events';
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, hello, Sim, sleep, Weir } from './harness.ts';

interface Asked {
  headers: IncomingHttpHeaders;
  body: Buffer;
  at: number;
}
type Answer = (stream: ServerHttp2Stream) => void;

const head = { ':status': 200, 'content-type': 'application/grpc' };

/** A body, and the status behind it. */
const whole =
  (trailers: Record<string, string>, message = Buffer.alloc(0)): Answer =>
  (stream) => {
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
  };
/** A head that says it all. */
const atOnce =
  (fields: Record<string, string>): Answer =>
  (stream) =>
    stream.respond({ ...head, ...fields }, { endStream: true });
const ok = whole({ 'grpc-status': '0' });

/** A field of protocol buffers that holds bytes. */
const field = (number: number, bytes: Buffer) => Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
/** A google.rpc.Status that says when to come again. */
const retryInfo = (seconds: number) =>
  Buffer.concat([
    Buffer.from([8, 8]),
    field(
      3,
      Buffer.concat([
        field(1, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
        field(2, field(1, Buffer.from([8, seconds]))),
      ]),
    ),
  ])
    .toString('base64')
    .replace(/=+$/, '');

let sim: Sim;
let server: Http2Server;
let asked: Asked[];
let answers: Answer[];
let weir: Weir | undefined;

beforeAll(async () => {
  sim = await Sim.start();
  server = createServer();
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => {});
    stream.on('end', () => {
      asked.push({ headers, body: Buffer.concat(parts), at: Date.now() });
      (answers.shift() ?? ok)(stream);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => {
  asked = [];
  answers = [];
});
afterEach(async () => {
  await weir?.stop();
  weir = undefined;
});
afterAll(async () => {
  server?.close();
  await sim?.stop();
});

/** One request through a fresh router: a batch of two spans. */
async function send(env: Record<string, string> = {}): Promise<Weir> {
  weir = await Weir.between(sim, {
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...env,
  });
  await (await weir.post({ model: 'local', messages: hello })).text();
  return weir;
}

/** What the counters say in the end: it is quiet then. */
async function settled(figures: { delivered: number; rejected: number; asked: number }): Promise<void> {
  await eventually(`so it ends: ${JSON.stringify(figures)}`, async () => {
    const delivered = await weir!.metric('weir_export_items_total{exporter="otlp",result="delivered"}');
    const rejected = await weir!.metric('weir_export_dropped_total{exporter="otlp",cause="rejected"}');
    return delivered === figures.delivered && rejected === figures.rejected;
  });
  await sleep(300);
  expect(asked).toHaveLength(figures.asked);
}

test.each(['none', 'gzip'])('a call, packed with %s', async (compression) => {
  await send({
    OTEL_EXPORTER_OTLP_COMPRESSION: compression,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cret,x-tenant=a',
  });
  await settled({ delivered: 2, rejected: 0, asked: 1 });
  const { headers, body } = asked[0]!;
  expect(headers).toMatchObject({
    ':method': 'POST',
    ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: 'Bearer s3cret',
    'x-tenant': 'a',
    'user-agent': expect.stringMatching(/^OTel-OTLP-Exporter-C\//),
  });
  expect(headers['grpc-encoding']).toBe(compression === 'gzip' ? 'gzip' : undefined);
  expect(headers['content-encoding']).toBeUndefined();
  expect(body[0]).toBe(compression === 'gzip' ? 1 : 0);
  expect(body.readUInt32BE(1)).toBe(body.length - 5);
  const message = compression === 'gzip' ? gunzipSync(body.subarray(5)) : body.subarray(5);
  expect(message[0]).toBe((1 << 3) | 2); // resource_spans
  expect(message.includes('chat.completions')).toBe(true);
  await weir!.stop();
  expect(weir!.log.join('\n')).not.toContain('s3cret');
  weir = undefined;
});

test.each([
  ['UNAVAILABLE at once', atOnce({ 'grpc-status': '14', 'grpc-message': 'away' })],
  ['UNAVAILABLE in the trailers', whole({ 'grpc-status': '14' })],
  ['ABORTED', atOnce({ 'grpc-status': '10' })],
  ['DEADLINE_EXCEEDED', atOnce({ 'grpc-status': '4' })],
  ['a gateway that has no receiver', (stream: ServerHttp2Stream) => stream.respond({ ':status': 503 }, { endStream: true })],
  ['a stream that is reset', (stream: ServerHttp2Stream) => stream.close(8)],
])('%s: the same comes again', async (_, answer) => {
  answers = [answer];
  await send();
  await settled({ delivered: 2, rejected: 0, asked: 2 });
  expect(asked[1]!.body).toEqual(asked[0]!.body);
});

test('a connection that breaks off: the same comes again', async () => {
  answers = [(stream) => stream.session!.destroy()];
  await send();
  await settled({ delivered: 2, rejected: 0, asked: 2 });
  expect(asked[1]!.body).toEqual(asked[0]!.body);
});

test('RESOURCE_EXHAUSTED that says when: then', async () => {
  answers = [atOnce({ 'grpc-status': '8', 'grpc-status-details-bin': retryInfo(2) })];
  await send();
  await settled({ delivered: 2, rejected: 0, asked: 2 });
  expect(asked[1]!.body).toEqual(asked[0]!.body);
  // the first pause of our own is a second at most
  expect(asked[1]!.at - asked[0]!.at).toBeGreaterThan(1900);
});

test.each([
  ['RESOURCE_EXHAUSTED that does not say when', { 'grpc-status': '8', 'grpc-message': 'because' }],
  ['INVALID_ARGUMENT', { 'grpc-status': '3', 'grpc-message': 'because' }],
  ['UNAUTHENTICATED', { 'grpc-status': '16', 'grpc-message': 'because' }],
])('%s: it is counted, said, and not sent again', async (_, fields) => {
  answers = [atOnce(fields)];
  await send();
  await settled({ delivered: 0, rejected: 2, asked: 1 });
  await weir!.says(`gRPC status ${fields['grpc-status']} because`);
});

test('a part is taken: the rest is counted, said, and not sent again', async () => {
  answers = [
    whole({ 'grpc-status': '0' }, field(1, Buffer.concat([Buffer.from([8, 1]), field(2, Buffer.from('too old'))]))),
  ];
  await send();
  await settled({ delivered: 1, rejected: 1, asked: 1 });
  await weir!.says('too old');
});
