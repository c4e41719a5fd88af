// What the router writes down about each request: the ledger's row, the spans,
// the generation in Langfuse.  Each must be there, and once, also for callers
// who left, while the receivers are away now and then.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Langfuse } from '../integration/langfuse-stand-in.ts';
import { type Done, numberOf, requestId, traceId } from './callers.ts';

// by its name at run time: the test runner's bundler knows no module of that name
const { DatabaseSync } = process.getBuiltinModule('node:sqlite');

const SERVER = 2;
const MOST_TRIES = 8; // that have a span of their own

/** A receiver of traces by OTLP as JSON.  While it is away it takes nothing:
 * what it took and did not confirm would rightly come again. */
export class SpanReceiver {
  readonly servers = new Map<number, number>();
  readonly clients = new Map<number, number>();
  strangers = 0;
  batches = 0;
  private readonly server: Server;
  private away: 503 | 'cut' | undefined;

  private constructor() {
    this.server = createServer((req, res) => {
      void this.take(req).then((status) => {
        if (status === 'cut') req.socket.destroy();
        else res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async open(): Promise<SpanReceiver> {
    const receiver = new SpanReceiver();
    receiver.server.listen(0, '127.0.0.1');
    await once(receiver.server, 'listening');
    return receiver;
  }

  env(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`,
      OTEL_BSP_SCHEDULE_DELAY: '500',
    };
  }

  goAway(how: 503 | 'cut' | undefined): void {
    this.away = how;
  }

  private async take(req: IncomingMessage): Promise<number | 'cut'> {
    const body = await text(req);
    if (this.away !== undefined) return this.away;
    this.batches++;
    for (const { scopeSpans } of JSON.parse(body).resourceSpans)
      for (const { spans } of scopeSpans) for (const span of spans) this.count(span);
    return 200;
  }

  private count({ traceId, kind }: { traceId: string; kind: number }): void {
    const n = numberOf(traceId);
    const of = kind === SERVER ? this.servers : this.clients;
    if (n === undefined) this.strangers++;
    else of.set(n, (of.get(n) ?? 0) + 1);
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

interface Row {
  count: number;
  trace: string;
  status: number;
  tries: number;
  is_asked: number;
  outcome: string;
}

/** What the ledger may say about what a caller saw. */
const outcomes: Partial<Record<Done['outcome'], string[]>> = {
  right: ['ok'],
  failed: ['error', 'client_error'],
  broken: ['error'],
  // who leaves may do so just before or behind the end
  left: ['cancelled', 'ok', 'error', 'client_error'],
};

type Seen = Pick<Done, 'n' | 'outcome' | 'status'>;

export class Records {
  private readonly seen: Seen[] = [];
  private readonly generations = new Map<number, number>();

  private constructor(
    readonly spans: SpanReceiver,
    readonly langfuse: Langfuse,
    private readonly ledger: string,
  ) {}

  static async open(ledger: string): Promise<Records> {
    return new Records(await SpanReceiver.open(), await Langfuse.open(), ledger);
  }

  env(): Record<string, string> {
    return { LEDGER_PATH: this.ledger, ...this.spans.env(), ...this.langfuse.env(), LANGFUSE_FLUSH_INTERVAL: '500ms' };
  }

  take({ n, outcome, status }: Done): void {
    this.seen.push({ n, outcome, status });
  }

  /** Moves what Langfuse has got so far into what is small enough to keep. */
  collect(): void {
    for (const { traceId } of this.langfuse.observations.splice(0)) {
      const n = numberOf(traceId);
      if (n === undefined) this.spans.strangers++;
      else this.generations.set(n, (this.generations.get(n) ?? 0) + 1);
    }
    this.langfuse.seen.length = 0;
  }

  private rows(): Map<string, Row> {
    const rows = new Map<string, Row>();
    const db = new DatabaseSync(this.ledger, { readOnly: true });
    try {
      const all = db.prepare('SELECT request_id, trace_id AS trace, status, tries, is_asked, outcome FROM requests');
      for (const { request_id: id, ...row } of all.iterate() as Iterable<any>)
        rows.set(id, { ...row, count: (rows.get(id)?.count ?? 0) + 1 });
    } finally {
      db.close();
    }
    return rows;
  }

  /** Once the router has ended. */
  check(must: (what: string, ok: boolean) => void): void {
    this.collect();
    const rows = this.rows();
    const wrong: string[] = [];
    const sums = { rows: 0, spans: 0, generations: 0, due: 0 };
    for (const seen of this.seen) {
      const row = rows.get(requestId(seen.n));
      const why = this.wrongWith(seen, row);
      if (why !== undefined) wrong.push(`${requestId(seen.n)}, which its caller saw as ${seen.outcome}: ${why}`);
      sums.rows += row?.count ?? 0;
      sums.spans += (this.spans.servers.get(seen.n) ?? 0) + (this.spans.clients.get(seen.n) ?? 0);
      sums.generations += this.generations.get(seen.n) ?? 0;
      sums.due += row?.is_asked ?? 0;
    }
    must(
      `each request has one row, one span and one of each try, and its generation: ${this.seen.length} requests, ` +
        `${sums.rows} rows, ${sums.spans} spans, ${sums.generations} of ${sums.due} generations, ${wrong.length} wrong` +
        wrong.slice(0, 10).map((line) => `\n       ${line}`).join(''),
      wrong.length === 0,
    );
    must(
      `nothing is recorded that nobody asked for: ${rows.size - this.seen.length} rows, ${this.spans.strangers} spans`,
      rows.size === this.seen.length && this.spans.strangers === 0,
    );
    const { problems } = this.langfuse;
    must(`Langfuse takes it all as it is: ${problems.length} problems ${problems.slice(0, 3).join('; ')}`, problems.length === 0);
  }

  private wrongWith({ n, outcome, status }: Seen, row: Row | undefined): string | undefined {
    if (row === undefined) return 'no row';
    if (row.count !== 1) return `${row.count} rows`;
    if (row.trace !== traceId(n)) return `the row is of trace ${row.trace}`;
    if (!(outcomes[outcome] ?? [row.outcome]).includes(row.outcome)) return `the row says ${row.outcome}`;
    if (outcome === 'failed' && row.status !== status) return `status ${row.status} in the row, ${status} for the caller`;
    const servers = this.spans.servers.get(n) ?? 0;
    if (servers !== 1) return `${servers} spans of the request`;
    const clients = this.spans.clients.get(n) ?? 0;
    if (clients !== Math.min(row.tries, MOST_TRIES)) return `${clients} spans of ${row.tries} tries`;
    const generations = this.generations.get(n) ?? 0;
    if (generations !== row.is_asked) return `${generations} generations`;
    return undefined;
  }

  async close(): Promise<void> {
    this.spans.close();
    if (this.langfuse.isListening) await this.langfuse.close();
  }
}
