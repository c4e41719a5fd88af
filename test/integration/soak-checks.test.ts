// The soak's own checks: what they must not let pass.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { judge } from '../soak/answers.ts';
import { type Done, requestId, traceId } from '../soak/callers.ts';
import { counted, kinds } from '../soak/kinds.ts';
import { checkMemory, type Sample } from '../soak/measure.ts';
import { Records } from '../soak/records.ts';

const { DatabaseSync } = process.getBuiltinModule('node:sqlite');

/** What is said of what does not hold. */
function complaintsOf(check: (must: (what: string, ok: boolean) => void) => void): string[] {
  const complaints: string[] = [];
  check((what, ok) => void (ok || complaints.push(what)));
  return complaints;
}

// --- records -------------------------------------------------------------------

let dir: string;
let records: Records;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'soak-checks-'));
  records = await Records.open(join(dir, 'ledger.db'));
});
afterEach(async () => {
  await records.close();
  rmSync(dir, { recursive: true });
});

interface Account {
  n: number;
  trace?: string;
  outcome: string;
  status?: number;
  tries?: number;
}

function writeLedger(accounts: Account[]): void {
  const db = new DatabaseSync(join(dir, 'ledger.db'));
  db.exec('CREATE TABLE requests (request_id TEXT, trace_id TEXT, status INTEGER, tries INTEGER, is_asked INTEGER, outcome TEXT)');
  const insert = db.prepare('INSERT INTO requests VALUES (?, ?, ?, ?, 1, ?)');
  for (const { n, trace = traceId(n), outcome, status = 200, tries = 1 } of accounts) insert.run(requestId(n), trace, status, tries, outcome);
  db.close();
}

const SERVER = 2;
const CLIENT = 3;

async function sendSpans(spans: [n: number, kind: number][]): Promise<number> {
  const body = { resourceSpans: [{ scopeSpans: [{ spans: spans.map(([n, kind]) => ({ traceId: traceId(n), kind })) }] }] };
  const url = `${records.env().OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`;
  return (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).status;
}

const generate = (n: number) => void records.langfuse.observations.push({ traceId: traceId(n) } as any);
const saw = (n: number, outcome: Done['outcome'], status = 200) => records.take({ n, outcome, status } as Done);

test('two requests that are recorded as they were', async () => {
  saw(1, 'right');
  saw(2, 'left');
  writeLedger([{ n: 1, outcome: 'ok' }, { n: 2, outcome: 'cancelled', status: 499, tries: 2 }]);
  await sendSpans([[1, SERVER], [1, CLIENT], [2, SERVER], [2, CLIENT], [2, CLIENT]]);
  [1, 2].forEach(generate);
  expect(complaintsOf((must) => records.check(must))).toEqual([]);
});

test.each([
  ['no row', [], [SERVER, CLIENT], 1, 'no row'],
  ['two rows', [{}, {}], [SERVER, CLIENT], 1, '2 rows'],
  ['the row of another trace', [{ trace: traceId(9) }], [SERVER, CLIENT], 1, `the row is of trace ${traceId(9)}`],
  ['a row that says otherwise', [{ outcome: 'error' }], [SERVER, CLIENT], 1, 'the row says error'],
  ['no span', [{}], [CLIENT], 1, '0 spans of the request'],
  ['two spans', [{}], [SERVER, SERVER, CLIENT], 1, '2 spans of the request'],
  ['no span of its try', [{}], [SERVER], 1, '0 spans of 1 tries'],
  ['a span of a try that was none', [{}], [SERVER, CLIENT, CLIENT], 1, '2 spans of 1 tries'],
  ['no generation', [{}], [SERVER, CLIENT], 0, '0 generations'],
  ['two generations', [{}], [SERVER, CLIENT], 2, '2 generations'],
])('%s is noticed', async (_, rows, spans, generations, why) => {
  saw(7, 'right');
  writeLedger(rows.map((row: Partial<Account>) => ({ n: 7, outcome: 'ok', ...row })));
  await sendSpans(spans.map((kind) => [7, kind]));
  for (let i = 0; i < generations; i++) generate(7);
  const [complaint] = complaintsOf((must) => records.check(must));
  expect(complaint).toContain(`1 wrong\n       soak-7, which its caller saw as right: ${why}`);
});

test('a status that the caller did not see is noticed', async () => {
  saw(7, 'failed', 503);
  writeLedger([{ n: 7, outcome: 'error', status: 502, tries: 0 }]);
  await sendSpans([[7, SERVER]]);
  generate(7);
  expect(complaintsOf((must) => records.check(must))[0]).toContain('status 502 in the row, 503 for the caller');
});

test('what nobody asked for is noticed', () => {
  writeLedger([{ n: 8, outcome: 'ok' }]);
  expect(complaintsOf((must) => records.check(must))).toEqual(['nothing is recorded that nobody asked for: 1 rows, 0 spans']);
});

test('a receiver that is away takes nothing', async () => {
  records.spans.goAway(503);
  expect(await sendSpans([[1, SERVER]])).toBe(503);
  records.spans.goAway('cut');
  await expect(sendSpans([[1, SERVER]])).rejects.toThrow();
  records.spans.goAway(undefined);
  expect(await sendSpans([[1, SERVER]])).toBe(200);
  expect([...records.spans.servers]).toEqual([[1, 1]]);
});

// --- memory --------------------------------------------------------------------

/** Two minutes: 8 MB at once, 12 MB when warm, so many KB more each minute, and
 * steps of so many at these seconds. */
const memory = (kbPerMinute: number, stepKb = 0, ...steps: number[]): Sample[] =>
  Array.from({ length: 120 }, (_, i) => ({
    at: i * 1000,
    rssKb:
      (i < 30 ? 8000 + i * 133 : 12_000) + (i * kbPerMinute) / 60 + 300 * Math.sin(i) + stepKb * steps.filter((at) => at <= i).length,
    descriptors: 20,
  }));

test.each([
  ['flat', memory(0), 0],
  ['rising by 1 MB a minute', memory(1000), 0],
  ['rising by 4 MB a minute', memory(4000), 1],
  ['falling', memory(-4000), 0],
  ['taking a step', memory(0, 4000, 75), 0],
  ['taking two steps', memory(0, 3000, 50, 100), 0],
  ['taking steps all the time', memory(0, 1000, 45, 52, 59, 66, 73, 80, 87, 94, 101, 108, 115), 1],
  ['taking too large a step', memory(0, 12_000, 75), 1],
  ['rising by 4 MB a minute, with a step', memory(4000, 3000, 75), 1],
])('memory that is %s', (_, samples, complaints) => {
  expect(complaintsOf((must) => void checkMemory(samples, 24_000, must))).toHaveLength(complaints);
});

// --- answers -------------------------------------------------------------------

const kind = (name: string) => kinds.find((each) => each.name === name)!;
const sse = (...events: object[]) => events.map((event: any) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
const whole = (content: string, finish = 'stop') => JSON.stringify({ choices: [{ message: { content }, finish_reason: finish }] });
const begin = { type: 'content_block_delta', delta: { text: counted } };
const end = { type: 'message_delta', delta: { stop_reason: 'end_turn' } };
const stop = { type: 'message_stop' };
const error = { type: 'error', error: {} };

test.each([
  ['whole', 200, whole(counted), 'right'],
  ['whole', 200, whole('1, 2, 3'), /^wrong/],
  ['whole', 200, whole(counted, 'length'), /^wrong/],
  ['whole', 200, '', /^wrong/],
  ['whole', 503, '{"error":{"message":"cold"}}', 'failed'],
  ['whole', 503, '<html>', /^wrong/],
  ['messages, stream', 200, sse(begin, end, stop), 'right'],
  ['messages, stream', 200, sse(begin, error), 'broken'],
  ['messages, stream', 200, sse(begin, end, error), 'wrong: an error after the end'],
  ['messages, stream', 200, sse(begin, end), 'wrong: it ends without its last event'],
  ['messages, stream', 200, sse(end, stop), /^wrong/],
  ['messages, stream', 200, '', 'wrong: it ends without its last event'],
  ['stream', 200, 'data: {"choices":[]}\n\n', 'wrong: it ends without its last event'],
  ['responses, stream', 200, sse({ type: 'response.failed' }), 'broken'],
  ['embeddings', 200, '{"data":[{"embedding":[]},{"embedding":[]}]}', /^wrong/],
])('%s, %d %.40s', (name, status, body, verdict) => {
  expect(judge(kind(name), status, body)).toEqual(typeof verdict === 'string' ? verdict : expect.stringMatching(verdict));
});
