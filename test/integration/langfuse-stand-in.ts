/** A Langfuse that keeps what it is sent: both of its interfaces for
 * generations, stricter than the real ones.  What the real ones would refuse is
 * refused as they do it; what they would take and bend (an attribute that they
 * do not know, a date that is none, an id that comes twice) is a problem, and
 * refused, too.  `langfuse-stand-in.test.ts` holds it against Langfuse's own
 * libraries. */
import {
  type CreateGenerationBody,
  type IngestionResponse,
  LangfuseOtelSpanAttributes,
  type TraceBody,
} from '@langfuse/core';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

export const keys = { publicKey: 'pk-lf-11111111', secretKey: 'sk-lf-99999999' };

// --- what is the same for both ----------------------------------------------------

const date = z.iso.datetime({ offset: true });
const short = z.string().min(1).max(200);
const environment = z.string().regex(/^(?!langfuse)[a-z0-9_-]{1,40}$/);
const level = z.enum(['DEBUG', 'DEFAULT', 'WARNING', 'ERROR']);
const parameters = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
);
/** Langfuse adds up the kinds: none may be in another. */
const usage = z.record(z.string(), z.int().nonnegative()).refine(({ total, ...kinds }) => {
  const sum = Object.values(kinds).reduce((a, b) => a + b, 0);
  return total === undefined || total === sum;
}, 'the kinds of tokens do not add up to the total');
const cost = z.record(z.string(), z.number().nonnegative());
const metadata = z.record(
  z.string().refine((key) => !key.split('.').some((part) => /^(__proto__|constructor|prototype)$/.test(part))),
  z.unknown(),
);

// --- OTLP, as JSON ------------------------------------------------------------------

const hex = (digits: number) => z.string().regex(new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`));
const uint64 = z.string().regex(/^\d{1,20}$/);
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ boolValue: z.boolean() }),
  // libraries write a number where the specification wants a string
  z.strictObject({ intValue: z.union([z.string().regex(/^-?\d{1,19}$/), z.int()]) }),
  z.strictObject({ doubleValue: z.number() }),
  z.strictObject({
    arrayValue: z.strictObject({ values: z.array(z.strictObject({ stringValue: z.string() })) }),
  }),
]);
const attributes = z
  .array(z.strictObject({ key: z.string().min(1), value }))
  .refine((list) => new Set(list.map(({ key }) => key)).size === list.length, 'a key comes twice');
const dropped = z.literal(0).optional();
const span = z
  .strictObject({
    traceId: hex(32),
    spanId: hex(16),
    parentSpanId: hex(16).optional(),
    traceState: z.string().optional(),
    name: z.string().min(1),
    kind: z.int().min(1).max(5),
    startTimeUnixNano: uint64,
    endTimeUnixNano: uint64,
    attributes,
    droppedAttributesCount: dropped,
    events: z.array(z.never()).optional(),
    droppedEventsCount: dropped,
    links: z.array(z.never()).optional(),
    droppedLinksCount: dropped,
    flags: z.int().optional(),
    status: z.strictObject({ code: z.int().min(0).max(2), message: z.string().optional() }).optional(),
  })
  .refine((s) => BigInt(s.startTimeUnixNano) <= BigInt(s.endTimeUnixNano), 'it ends before it begins');
const traces = z.strictObject({
  resourceSpans: z
    .array(
      z.strictObject({
        resource: z.strictObject({ attributes, droppedAttributesCount: dropped }),
        scopeSpans: z
          .array(
            z.strictObject({
              scope: z.strictObject({
                name: z.string().min(1),
                version: z.string(),
                attributes: attributes.optional(),
                droppedAttributesCount: dropped,
              }),
              spans: z.array(span).min(1),
              schemaUrl: z.string().optional(),
            }),
          )
          .min(1),
        schemaUrl: z.string().optional(),
      }),
    )
    .min(1),
});

const json = <T extends z.ZodType>(schema: T) =>
  z.string().transform((text, ctx) => {
    try {
      return JSON.parse(text);
    } catch {
      ctx.addIssue('no JSON');
      return z.NEVER;
    }
  }).pipe(schema);

const A = LangfuseOtelSpanAttributes;
/** What each attribute may say; one that is not here is a typing error, or one
 * that turns plain spans into generations. */
const meanings: Record<string, z.ZodType> = {
  [A.OBSERVATION_TYPE]: z.literal('generation'),
  [A.OBSERVATION_MODEL]: z.string().min(1),
  [A.OBSERVATION_MODEL_PARAMETERS]: json(parameters),
  [A.OBSERVATION_USAGE_DETAILS]: json(usage),
  [A.OBSERVATION_COST_DETAILS]: json(cost),
  [A.OBSERVATION_COMPLETION_START_TIME]: z.union([date, json(date)]),
  [A.OBSERVATION_LEVEL]: level,
  [A.OBSERVATION_STATUS_MESSAGE]: z.string().min(1),
  [A.OBSERVATION_INPUT]: z.string().min(1),
  [A.OBSERVATION_OUTPUT]: z.string().min(1),
  [A.OBSERVATION_METADATA]: json(metadata),
  [A.TRACE_NAME]: short,
  [A.TRACE_USER_ID]: short,
  [A.TRACE_SESSION_ID]: short,
  [A.TRACE_TAGS]: z.array(short).min(1),
  [A.ENVIRONMENT]: environment,
  [A.RELEASE]: z.string().min(1),
  [A.VERSION]: z.string().min(1),
  [A.IS_APP_ROOT]: z.literal(true),
};

/** An observation as Langfuse shows it, whichever way it came. */
export interface Observation {
  id: string;
  traceId: string;
  parentId?: string;
  type: string;
  name: string;
  start: string;
  end: string;
  firstToken?: string;
  model?: string;
  parameters?: Record<string, unknown>;
  usage?: Record<string, number>;
  cost?: Record<string, number>;
  level: string;
  message?: string;
  input?: unknown;
  output?: unknown;
  metadata: Record<string, unknown>;
  environment?: string;
  release?: string;
  version?: string;
  traceName?: string;
  user?: string;
  session?: string;
  tags: string[];
}

function plain(v: z.infer<typeof value>): unknown {
  if ('arrayValue' in v) return v.arrayValue.values.map((item) => item.stringValue);
  if ('intValue' in v) return Number(v.intValue);
  return Object.values(v)[0];
}

/** The time of day that Langfuse makes of it: milliseconds. */
const iso = (ns: string) => new Date(Number(BigInt(ns) / 1_000_000n)).toISOString();

/** Input and output are text, or JSON in a text. */
function content(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function fromSpan(s: z.infer<typeof span>): Observation {
  const got: Record<string, any> = {};
  const own: Record<string, unknown> = {};
  for (const { key, value: v } of s.attributes) {
    if (key.startsWith(`${A.OBSERVATION_METADATA}.`)) {
      own[key.slice(A.OBSERVATION_METADATA.length + 1)] = plain(v);
      continue;
    }
    const meaning = meanings[key];
    if (meaning === undefined) throw new Error(`${s.spanId}: unknown attribute ${key}`);
    const read = meaning.safeParse(plain(v));
    if (!read.success) throw new Error(`${s.spanId}: ${key}: ${read.error.message}`);
    got[key] = read.data;
  }
  metadata.parse(own);
  const first = got[A.OBSERVATION_COMPLETION_START_TIME] as string | undefined;
  const [start, end] = [iso(s.startTimeUnixNano), iso(s.endTimeUnixNano)];
  if (first !== undefined && (first < start || first > end))
    throw new Error(`${s.spanId}: the first token came at ${first}, between ${start} and ${end}`);
  return {
    id: s.spanId,
    traceId: s.traceId,
    parentId: s.parentSpanId,
    type: got[A.OBSERVATION_TYPE] ?? 'span',
    name: s.name,
    start,
    end,
    firstToken: first,
    model: got[A.OBSERVATION_MODEL],
    parameters: got[A.OBSERVATION_MODEL_PARAMETERS],
    usage: got[A.OBSERVATION_USAGE_DETAILS],
    cost: got[A.OBSERVATION_COST_DETAILS],
    level: got[A.OBSERVATION_LEVEL] ?? (s.status?.code === 2 ? 'ERROR' : 'DEFAULT'),
    message: got[A.OBSERVATION_STATUS_MESSAGE] ?? s.status?.message,
    input: content(got[A.OBSERVATION_INPUT]),
    output: content(got[A.OBSERVATION_OUTPUT]),
    metadata: { ...got[A.OBSERVATION_METADATA], ...own },
    environment: got[A.ENVIRONMENT],
    release: got[A.RELEASE],
    version: got[A.VERSION],
    traceName: got[A.TRACE_NAME],
    user: got[A.TRACE_USER_ID],
    session: got[A.TRACE_SESSION_ID],
    tags: got[A.TRACE_TAGS] ?? [],
  };
}

// --- events ---------------------------------------------------------------------------

const id = z.string().min(1).max(800);
const base = { id, timestamp: date, metadata: z.unknown().optional() };
const traceBody = z.strictObject({
  id,
  timestamp: date,
  name: z.string().max(1000).optional(),
  userId: short.optional(),
  sessionId: short.optional(),
  input: z.unknown().optional(),
  output: z.unknown().optional(),
  metadata: metadata.optional(),
  tags: z.array(short).optional(),
  release: z.string().optional(),
  version: z.string().optional(),
  environment: environment.optional(),
});
const generationBody = z
  .strictObject({
    id,
    traceId: id,
    parentObservationId: id.nullish().transform((parent) => parent ?? undefined),
    name: z.string().min(1),
    startTime: date,
    completionStartTime: date.optional(),
    endTime: date.optional(),
    model: z.string().optional(),
    modelParameters: parameters.optional(),
    input: z.unknown().optional(),
    output: z.unknown().optional(),
    usageDetails: usage.optional(),
    costDetails: cost.optional(),
    level: level.optional(),
    statusMessage: z.string().optional(),
    metadata: metadata.optional(),
    environment: environment.optional(),
    version: z.string().optional(),
  })
  .refine(
    (g) =>
      (g.endTime === undefined || g.startTime <= g.endTime) &&
      (g.completionStartTime === undefined || g.startTime <= g.completionStartTime),
    'it ends before it begins',
  );
const event = z.discriminatedUnion('type', [
  z.strictObject({ ...base, type: z.literal('trace-create'), body: traceBody }),
  z.strictObject({ ...base, type: z.literal('generation-create'), body: generationBody }),
]);
type Event = z.infer<typeof event>;

/** The published types take what the schemas take: checked by the compiler. */
export const published = (e: Event): TraceBody | CreateGenerationBody => e.body;

function fromEvents(g: z.infer<typeof generationBody>, t: z.infer<typeof traceBody>): Observation {
  return {
    id: g.id,
    traceId: g.traceId,
    parentId: g.parentObservationId,
    type: 'generation',
    name: g.name,
    start: g.startTime,
    end: g.endTime ?? g.startTime,
    firstToken: g.completionStartTime,
    model: g.model,
    parameters: g.modelParameters,
    usage: g.usageDetails,
    cost: g.costDetails,
    level: g.level ?? 'DEFAULT',
    message: g.statusMessage,
    input: g.input,
    output: g.output,
    metadata: g.metadata ?? {},
    environment: g.environment,
    release: t.release,
    version: g.version,
    traceName: t.name,
    user: t.userId,
    session: t.sessionId,
    tags: t.tags ?? [],
  };
}

// --- the server ---------------------------------------------------------------------------

/** What it does with one request instead of taking it. */
export type Fault =
  | { status: number; headers?: Record<string, string>; body?: string }
  | { hangs: true } // takes nothing, says nothing
  | { cuts: true } // the same, and closes
  | { rejects: number } // spans: takes all but the last ones
  | { refuses: Record<string, number> }; // events: type → status, each event of it

export interface Seen {
  path: string;
  status: number; // 0: none was sent
  count: number; // of spans or events
  bytes: number; // on the wire
  isZipped: boolean;
}

export class Langfuse {
  readonly observations: Observation[] = [];
  /** What the real one would have bent or lost; a test ends with none. */
  readonly problems: string[] = [];
  readonly seen: Seen[] = [];
  /** For the next requests, one each. */
  readonly faults: Fault[] = [];
  /** A server of version 4 refuses all events. */
  isNew = false;
  private readonly ids = new Set<string>();
  private readonly events = new Map<string, Event>();
  private readonly sockets = new Set<Socket>();
  private server!: Server;
  /** It stays the same when it closes and listens again. */
  private port = 0;

  static async open(): Promise<Langfuse> {
    const langfuse = new Langfuse();
    await langfuse.listen();
    return langfuse;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The settings that lead here. */
  env(mode: 'otel' | 'batch' = 'otel'): Record<string, string> {
    return {
      LANGFUSE_BASE_URL: this.url,
      LANGFUSE_PUBLIC_KEY: keys.publicKey,
      LANGFUSE_SECRET_KEY: keys.secretKey,
      LANGFUSE_MODE: mode,
      LANGFUSE_FLUSH_INTERVAL: '50ms',
    };
  }

  async listen(): Promise<void> {
    this.server = createServer((req, res) => void this.serve(req, res));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((done) => this.server.listen(this.port, '127.0.0.1', done));
    this.port = (this.server.address() as AddressInfo).port;
  }

  get isListening(): boolean {
    return this.server.listening;
  }

  /** Gone; what it has taken stays. */
  async close(): Promise<void> {
    const gone = new Promise((done) => this.server.close(done));
    for (const socket of this.sockets) socket.destroy();
    await gone;
  }

  /** Forgets all; fails when there was a problem. */
  reset(): void {
    const problems = [...this.problems];
    this.observations.length = this.problems.length = this.seen.length = this.faults.length = 0;
    this.ids.clear();
    this.events.clear();
    this.isNew = false;
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const seen: Seen = {
      path: req.url ?? '',
      status: 0,
      count: 0,
      bytes: raw.length,
      isZipped: req.headers['content-encoding'] === 'gzip',
    };
    this.seen.push(seen);
    const fault = this.faults.shift();
    if (fault !== undefined && 'hangs' in fault) return;
    if (fault !== undefined && 'cuts' in fault) {
      req.socket.destroy();
      return;
    }
    const answer =
      fault !== undefined && 'status' in fault
        ? { headers: {}, body: '', ...fault }
        : this.answer(req, raw, seen, fault);
    seen.status = answer.status;
    res.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    res.end(answer.body);
  }

  private answer(req: IncomingMessage, raw: Buffer, seen: Seen, fault?: Fault) {
    const say = (status: number, body: unknown, problem?: string) => {
      if (problem !== undefined) this.problems.push(`${req.url}: ${problem}`);
      return { status, headers: {}, body: JSON.stringify(body) };
    };
    const expected = Buffer.from(`${keys.publicKey}:${keys.secretKey}`).toString('base64');
    if (req.headers.authorization !== `Basic ${expected}`)
      return say(401, { message: 'Invalid credentials. Confirm that you have configured the correct host.' });
    if (req.method !== 'POST') return say(405, { message: 'Method not allowed' }, 'not a POST');
    if (!/^application\/json(;|$)/.test(req.headers['content-type'] ?? ''))
      return say(400, { error: 'Invalid content type' }, `content type ${req.headers['content-type']}`);
    try {
      if (req.url === '/api/public/otel/v1/traces') return say(200, this.takeTraces(req, raw, seen, fault));
      if (req.url === '/api/public/ingestion') {
        if (seen.isZipped) return say(400, { message: 'Invalid JSON' }, 'this one takes no gzip');
        if (raw.length > 4_500_000) return say(413, { message: 'Body exceeded 4.5mb limit' }, 'too large');
        return say(207, this.takeEvents(raw, seen, fault));
      }
    } catch (error) {
      return say(400, { error: 'Invalid request data' }, `${error}`);
    }
    return say(404, { error: 'not found' });
  }

  private takeTraces(req: IncomingMessage, raw: Buffer, seen: Seen, fault?: Fault): object {
    if (req.headers['x-langfuse-ingestion-version'] !== '4')
      throw new Error(`ingestion version ${req.headers['x-langfuse-ingestion-version']}`);
    const body = seen.isZipped ? gunzipSync(raw) : raw;
    if (body.length > 16 * 1024 * 1024) throw new Error('above 16 MiB');
    const read = traces.parse(JSON.parse(body.toString('utf8')));
    const spans = read.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
    seen.count = spans.length;
    const rejected = fault !== undefined && 'rejects' in fault ? fault.rejects : 0;
    const taken = spans.slice(0, spans.length - rejected).map(fromSpan);
    for (const observation of taken) this.keep(observation);
    return rejected === 0
      ? {}
      : { partialSuccess: { rejectedSpans: String(rejected), errorMessage: 'as the test wants it' } };
  }

  private keep(observation: Observation): void {
    if (this.ids.has(observation.id)) this.problems.push(`${observation.id} came twice`);
    if (observation.type !== 'generation') this.problems.push(`${observation.id} is a ${observation.type}`);
    this.ids.add(observation.id);
    this.observations.push(observation);
  }

  private takeEvents(raw: Buffer, seen: Seen, fault?: Fault): IngestionResponse {
    const { batch } = z
      .strictObject({ batch: z.array(z.unknown()), metadata: z.unknown().optional() })
      .parse(JSON.parse(raw.toString('utf8')));
    const out: IngestionResponse = { successes: [], errors: [] };
    seen.count = batch.length;
    for (const item of batch) {
      const read = event.safeParse(item);
      const itemId = String((item as { id?: unknown }).id ?? 'unknown');
      if (!read.success) {
        this.problems.push(`${itemId}: ${read.error.message}`);
        out.errors.push({ id: itemId, status: 400, message: 'Invalid request data', error: read.error.message });
        continue;
      }
      const status = fault !== undefined && 'refuses' in fault ? fault.refuses[read.data.type] : undefined;
      if (this.isNew || status !== undefined) {
        out.errors.push({
          id: itemId,
          status: status ?? 400,
          message: 'Event type not accepted',
          error: this.isNew ? 'not accepted when LANGFUSE_MIGRATION_V4_WRITE_MODE is events_only' : 'as the test wants it',
        });
        continue;
      }
      this.takeEvent(read.data);
      out.successes.push({ id: itemId, status: 201 });
    }
    return out;
  }

  /** The id of an event tells whether it is the same one again: that is no
   * error, but nothing that was taken should come again. */
  private takeEvent(e: Event): void {
    if (this.events.has(e.id)) this.problems.push(`${e.id} came twice`);
    this.events.set(e.id, e);
    for (const g of this.events.values()) {
      if (g.type !== 'generation-create' || this.ids.has(g.body.id)) continue;
      for (const t of this.events.values())
        if (t.type === 'trace-create' && t.body.id === g.body.traceId) {
          this.keep(fromEvents(g.body, t.body));
          break;
        }
    }
  }
}
