// The callers: each sends a request, looks at what comes, and perhaps leaves.
import { Agent, request } from 'node:http';
import { judge, type Verdict } from './answers.ts';
import type { Troubles } from './faults.ts';
import { bodyOf, kinds, paths, type RequestKind } from './kinds.ts';

const HANG_MS = 30_000; // three times the router's own patience

export const agent = new Agent({ keepAlive: true, timeout: 30_000, maxSockets: Infinity });

/** left: as planned; hangs: nothing more for HANG_MS; reset: the connection
 * broke. */
export type Outcome = Verdict | 'left' | 'hangs' | 'reset';

export interface Done {
  /** the request's number: its id and its trace's are made from it */
  n: number;
  kind: RequestKind;
  outcome: Outcome;
  status: number;
  from: number;
  to: number;
  body: string;
}

const TRACES = 'feed'.repeat(4);
export const requestId = (n: number): string => `soak-${n}`;
export const traceId = (n: number): string => TRACES + n.toString(16).padStart(16, '0');
/** The number of a trace; undefined when it is none of ours. */
export const numberOf = (trace: string): number | undefined =>
  trace.startsWith(TRACES) ? Number.parseInt(trace.slice(TRACES.length), 16) : undefined;

function headersOf(n: number, kind: RequestKind, text: string): Record<string, string> {
  return {
    'content-type': 'application/json',
    'content-length': String(text.length),
    'x-request-id': requestId(n),
    traceparent: `00-${traceId(n)}-00f067aa0ba902b7-01`,
    ...(kind.format === 'messages' ? { 'anthropic-version': '2023-06-01' } : {}),
    ...(kind.policy === undefined ? {} : { 'x-router-policy': kind.policy }),
  };
}

/** How often a connection that had been kept was closed just when it was used
 * again. */
export const races = { count: 0 };

export async function send(url: string, kind: RequestKind, n: number): Promise<Done> {
  const done = await sendOnce(url, kind, n);
  if (done !== undefined) return done;
  // As every client does: the router has not seen it.  If it had, there would be
  // two records of this request in the end.
  races.count++;
  return (await sendOnce(url, kind, n, false))!;
}

/** undefined: the connection was an old one, and nothing came by it. */
function sendOnce(url: string, kind: RequestKind, n: number, mayRace = true): Promise<Done | undefined> {
  const text = bodyOf(kind);
  const from = Date.now();
  return new Promise((resolve) => {
    let body = '';
    let status = 0;
    let isOver = false;
    const done = (outcome: Outcome) => {
      clearTimeout(hangs);
      isOver = true;
      resolve({ n, kind, outcome, status, from, to: Date.now(), body });
    };
    const leave = (outcome: 'left' | 'hangs') => {
      if (isOver) return;
      done(outcome);
      sent.destroy();
    };
    const sent = request(
      `${url}${paths[kind.format]}`,
      { agent: mayRace ? agent : false, method: 'POST', headers: headersOf(n, kind, text) },
      (answer) => {
        status = answer.statusCode!;
        answer.setEncoding('utf8');
        answer.on('data', (bytes: string) => {
          body += bytes;
          if (kind.stream && kind.leaves !== undefined && body.split('\n\n').length > kind.leaves) leave('left');
        });
        answer.on('error', () => isOver || done('reset'));
        answer.on('end', () => isOver || done(judge(kind, status, body)));
      },
    );
    const hangs = setTimeout(() => leave('hangs'), HANG_MS);
    sent.on('error', () => {
      if (isOver) return;
      if (!mayRace || !sent.reusedSocket || status !== 0) return done('reset');
      clearTimeout(hangs);
      isOver = true;
      resolve(undefined);
    });
    sent.end(text, () => {
      // it has been sent: it is the router's from here on
      if (!kind.stream && kind.leaves !== undefined) setTimeout(() => leave('left'), kind.leaves);
    });
  });
}

/** What the callers saw. */
export class Tally {
  readonly rows = new Map<string, Record<string, number>>();
  readonly offences: string[] = [];
  sent = 0;
  wanted = 0;
  seenBad = 0; // error statuses and broken streams
  left = 0;

  constructor(private readonly troubles: Troubles) {}

  take(done: Done): void {
    const { kind, outcome } = done;
    const name = outcome.startsWith('wrong') ? 'wrong' : outcome;
    const row = this.rows.get(kind.name) ?? {};
    row[name] = (row[name] ?? 0) + 1;
    this.rows.set(kind.name, row);
    this.sent++;
    this.wanted += kind.wantsLocal ? 1 : 0;
    this.left += outcome === 'left' ? 1 : 0;
    this.seenBad += outcome === 'failed' || outcome === 'broken' ? 1 : 0;
    if (!this.isExcused(done) && this.offences.length < 20)
      this.offences.push(
        `${requestId(done.n)} ${kind.name}: ${outcome}, status ${done.status}, ${done.to - done.from} ms: ${done.body.slice(-300)}`,
      );
  }

  private isExcused({ kind, outcome, from, to }: Done): boolean {
    if (outcome === 'right' || outcome === 'left') return true;
    // a stream that has begun has one backend, and breaks with it
    if (outcome === 'broken') return kind.allowed.some((backend) => this.troubles.hadTrouble(backend, from, to));
    return outcome === 'failed' && this.troubles.hadNoneHealthy(kind.allowed, from, to);
  }

  table(): string[] {
    const columns = ['right', 'failed', 'broken', 'left', 'wrong', 'reset', 'hangs'];
    const cell = (text: string | number) => String(text).padStart(8);
    return [
      'kind'.padEnd(24) + columns.map(cell).join(''),
      ...kinds.map(({ name }) => name.padEnd(24) + columns.map((c) => cell(this.rows.get(name)?.[c] ?? 0)).join('')),
    ];
  }
}
