// The ledger: every request is one row, whatever becomes of the process and of
// the disk; and what `weir report` makes of it.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { chatRequest, eventually, hello, long, Raw, Sim, sleep, Weir, weir as program } from './harness.ts';

// by its name at run time: the bundler knows no module of that name
const { DatabaseSync } = process.getBuiltinModule('node:sqlite');

let sim: Sim;
let weir: Weir | undefined;
let dir: string;
let path: string;

beforeAll(async () => {
  sim = await Sim.start();
});
afterAll(async () => {
  await sim?.stop();
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-ledger-'));
  path = join(dir, 'ledger.db');
});
afterEach(async () => {
  await sim.fault('vllm', null);
  await sim.fault('anthropic', null);
  if (weir?.exit === undefined) await weir?.stop();
  weir = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const start = async (env: Record<string, string> = {}): Promise<Weir> =>
  (weir = await Weir.between(sim, { LEDGER_PATH: path, LOCAL_PRICE_PER_HOUR: '3.6', ...env }));

type Row = Record<string, any>;

function query(sql: string, file = path): Row[] {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db.prepare(sql).all() as Row[];
  } finally {
    db.close();
  }
}

const report = (...args: string[]): any =>
  JSON.parse(execFileSync(program, ['report', '--ledger', path, '--format', 'json', ...args], { encoding: 'utf8' }));

/** The rows, once there are so many. */
const rows = (count: number): Promise<Row[]> =>
  eventually(`${count} rows`, () => {
    const all = existsSync(path) ? query('SELECT * FROM requests ORDER BY ended_us') : [];
    return all.length >= count ? all : undefined;
  });

const id = () => `test-${randomBytes(8).toString('hex')}`;
const ask = (body: object, headers: Record<string, string> = {}, where?: string) =>
  weir!.post({ messages: hello, max_tokens: 16, ...body }, headers, where);

test('every request is one row that says what its caller saw', async () => {
  await start();
  const seen: { id: string; row: Row }[] = [];
  const note = (row: Row) => {
    seen.push({ id: id(), row });
    return { 'x-request-id': seen.at(-1)!.id };
  };
  const local = { tier: 'local', backend: 'vllm', served_model: 'qwen2.5-7b', is_hourly: 1, outcome: 'ok', error: null };
  const cloud = { tier: 'cloud', backend: 'anthropic', served_model: 'claude-sonnet-4-6', is_hourly: 0, outcome: 'ok', error: null };
  const none = { tier: 'none', backend: null, input_tokens: null, cost: 0, cloud_cost: 0 };

  const plain = (await (await ask({}, note({ ...local, format: 'chat', model: 'auto', is_stream: 0, status: 200, tries: 1, wants_local: 1 }))).json()) as any;
  Object.assign(seen.at(-1)!.row, { input_tokens: plain.usage.prompt_tokens, output_tokens: plain.usage.completion_tokens, finish: plain.choices[0].finish_reason });
  const far = (await (await ask({ messages: long }, note({ ...cloud, reason: 'rule:long-prompt', rule: 'long-prompt', wants_local: 0 }))).json()) as any;
  const usage = { input_tokens: far.usage.prompt_tokens, output_tokens: far.usage.completion_tokens };
  // 3 and 15 USD per million tokens
  const cost = usage.input_tokens * 3000 + usage.output_tokens * 15000;
  Object.assign(seen.at(-1)!.row, { ...usage, cost, cloud_cost: cost });
  await (await ask({ model: 'cloud', stream: true }, note({ ...cloud, is_stream: 1, model: 'cloud' }))).text();
  await (await ask({ model: 'claude', max_tokens: 8 }, note({ ...cloud, format: 'messages' }), '/v1/messages')).text();
  await (await ask({ messages: undefined, max_tokens: undefined, model: 'local', input: 'hello' }, note({ ...local, format: 'responses' }), '/v1/responses')).text();
  expect((await ask({ messages: 'no' }, note({ ...none, status: 400, outcome: 'client_error' }))).status).toBe(400);
  expect((await ask({ model: 'nobody' }, note({ ...none, status: 404, outcome: 'client_error', model: 'nobody' }))).status).toBe(404);
  await sim.fault('vllm', { fault: 'status', status: 500 });
  await (await ask({}, note({ ...cloud, tries: 2, status: 200, reason: 'fallback:500', fallback: '500', wants_local: 1 }))).text();

  const all = await rows(seen.length);
  expect(all.map((r) => r.request_id).sort()).toEqual(seen.map((s) => s.id).sort());
  for (const { id: wanted, row } of seen) expect(all.find((r) => r.request_id === wanted)).toMatchObject(row);
  for (const row of all) {
    expect(row.trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(row.duration_us).toBeGreaterThan(0);
    expect(Math.abs(row.ended_us / 1000 - Date.now())).toBeLessThan(60_000);
  }
  // two kinds of price, and what the cloud would take for the local one
  const here = all.find((r) => r.request_id === seen[0]!.id)!;
  expect(here.cost).toBeGreaterThan(0);
  expect(here.cost).toBeLessThanOrEqual(here.duration_us); // 3.60 USD an hour: a nano-dollar a microsecond
  expect(here.cloud_cost).toBe(here.input_tokens * 3000 + here.output_tokens * 15000);
});

test('who leaves has a row, too', async () => {
  await start();
  await sim.fault('vllm', { fault: 'stall' });
  const before = (await sim.state('vllm')).requests;
  const raw = await Raw.open(weir!.port);
  raw.send(chatRequest({ model: 'local', messages: hello }));
  await eventually('the request is under way', async () => (await sim.state('vllm')).requests > before);
  await sleep(100);
  raw.close();
  expect((await rows(1))[0]).toMatchObject({ outcome: 'cancelled', status: 499, tier: 'local' });
});

test('the report adds up what the callers saw, while the router writes', async () => {
  await start();
  let [input, output] = [0, 0];
  for (let i = 0; i < 20; i++) {
    const answer = (await (await ask(i % 4 === 3 ? { messages: long } : {})).json()) as any;
    input += answer.usage.prompt_tokens;
    output += answer.usage.completion_tokens;
  }
  await ask({ messages: 'no' });
  await rows(21);
  const { groups, all, ...whole } = report('--by', 'tier', '--since', '1h');
  expect(all).toMatchObject({ requests: 21, client_errors: 1, errors: 0, input_tokens: input, output_tokens: output });
  expect(Object.fromEntries(groups.map((g: Row) => [g.name, g.requests]))).toEqual({ local: 15, cloud: 5, none: 1 });
  const [sums] = query(`SELECT sum(cost) AS cost, sum(cloud_cost) AS cloud, sum(cost) FILTER (WHERE tier='cloud') AS bill FROM requests`);
  expect(Math.round(all.cost_usd * 1e9)).toBe(sums!.cost);
  expect(Math.round(whole.all_in_the_cloud_usd * 1e9)).toBe(sums!.cloud);
  expect(Math.round(whole.cloud_bill_usd * 1e9)).toBe(sums!.bill);
  expect(all.latency_p50_ms).toBeGreaterThan(0);
  expect(all.latency_p99_ms).toBeGreaterThanOrEqual(all.latency_p50_ms);
  for (const by of ['model', 'key', 'hour', 'reason']) expect(report('--by', by).all.requests).toBe(21);
  await eventually('the meter has looked', async () => (await weir!.metric('weir_gpu_seconds_total{backend="vllm"}')) > 0);
  // /metrics and the ledger reckon alike
  expect(await weir!.metric('weir_cloud_equivalent_dollars_total')).toBeCloseTo(whole.all_in_the_cloud_usd, 9);
  expect(await weir!.metric('weir_cost_dollars_total{basis="token"}')).toBeCloseTo(whole.cloud_bill_usd, 9);
  expect(await weir!.metric('weir_gpu_dollars_total{backend="vllm"}')).toBeGreaterThan(0);
  // the servers' time is written when the router stops, at the latest
  await weir!.stop();
  const after = report();
  expect(after.local_servers).toHaveLength(1);
  expect(after.local_servers[0]).toMatchObject({ backend: 'vllm' });
  const { up_seconds: up, cost_usd: paid, shared_cost_usd: shared } = after.local_servers[0];
  expect(up).toBeGreaterThan(0);
  expect(paid).toBeCloseTo(up / 1000, 6);
  expect(shared).toBeLessThan(paid);
  expect(after.saved_usd).toBeCloseTo(after.all_in_the_cloud_usd - after.cloud_bill_usd - paid, 6);
});

test('a copy that nobody may write is read as well', async () => {
  await start();
  await (await ask({})).text();
  await rows(1);
  await weir!.stop();
  const copy = join(dir, 'copy');
  mkdirSync(copy);
  cpSync(path, join(copy, 'ledger.db'));
  chmodSync(join(copy, 'ledger.db'), 0o444);
  chmodSync(copy, 0o555);
  path = join(copy, 'ledger.db');
  expect(report().all.requests).toBe(1);
  chmodSync(copy, 0o755);
});

test('words that the report does not understand are named', () => {
  const say = (...args: string[]) => spawnSync(program, ['report', ...args], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  for (const [args, words, status] of [
    [['--by', 'colour'], /--by: read "colour", expected tier, model, key, hour or reason/, 2],
    [['--format', 'xml'], /--format: read "xml", expected table, csv or json/, 2],
    [['--since', 'yesterday'], /--since: read "yesterday", expected a duration/, 2],
    [['--since', '2026-02-30'], /--since: read "2026-02-30"/, 2],
    [['--since', '2999-01-01'], /--since: read "2999-01-01", expected a time that has passed/, 2],
    [['--ledger', dir], /this is not a plain file/, 1],
    [['--ledger'], /--ledger: not an option, or a value must stand behind it/, 2],
    [['--ledger', '/nowhere/ledger.db'], /\/nowhere\/ledger\.db: there is no such file/, 1],
    [[], /there is no ledger/, 1],
  ] as const) {
    const got = say(...args);
    expect(got.stderr).toMatch(words);
    expect(got.status).toBe(status);
  }
  writeFileSync(path, 'not a database at all, but long enough to look at it, or so'.repeat(20));
  expect(say('--ledger', path).stderr).toMatch(/cannot read .*file is not a database/);
});

test('a report that cannot be written is not said to have been', async () => {
  await start();
  await weir!.stop();
  const full = openSync('/dev/full', 'w');
  const got = spawnSync(program, ['report', '--ledger', path], { encoding: 'utf8', stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  expect(got.stderr).toMatch(/cannot write it: No space left on device/);
  expect(got.status).toBe(1);
});

// --- the disk ------------------------------------------------------------------

test('a disk that takes nothing more harms no request; its rows come later', async () => {
  await start();
  await (await ask({})).text();
  await rows(1);
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(weir!.pid), `--fsize=${bytes}:unlimited`]);
  limit('1');
  for (let i = 0; i < 20; i++) expect((await ask({})).status).toBe(200);
  await weir!.says('the ledger cannot be written');
  for (let i = 0; i < 20; i++) expect((await ask({})).status).toBe(200);
  expect(weir!.log.filter((l) => l.includes('the ledger cannot be written'))).toHaveLength(1);
  limit('unlimited');
  await weir!.says('the ledger is written again');
  expect(await rows(41)).toHaveLength(41);
});

test('a folder that goes away is said; when it is back there is a new file', async () => {
  await start();
  await (await ask({})).text();
  await rows(1);
  renameSync(dir, `${dir}-away`);
  await weir!.says("the ledger's file has gone");
  await weir!.says('the ledger cannot be written');
  expect((await ask({})).status).toBe(200);
  mkdirSync(dir);
  await weir!.says('the ledger is written again');
  expect(await rows(1)).toHaveLength(1);
  expect(query('SELECT * FROM requests', join(`${dir}-away`, 'ledger.db'))).toHaveLength(1);
  rmSync(`${dir}-away`, { recursive: true });
});

// --- the start -----------------------------------------------------------------

const refusal = async (): Promise<string> => {
  const got = spawnSync(program, ['serve'], {
    encoding: 'utf8',
    env: Weir.environment({ ...Weir.env(sim), LEDGER_PATH: path }),
  });
  expect(got.status).toBe(1);
  return got.stderr;
};

test('two routers cannot write one ledger', async () => {
  await start();
  expect(await refusal()).toMatch(new RegExp(`another router writes it \\(process ${weir!.pid}\\); each needs a ledger of its own`));
  await (await ask({})).text();
  expect(await rows(1)).toHaveLength(1);
});

test('what is no plain file is refused, and nothing is left beside it', async () => {
  for (const name of [':memory:', 'file:x?mode=memory']) {
    path = name;
    expect(await refusal()).toMatch(/this is no path; write \.\//);
  }
  path = '/dev/null';
  expect(await refusal()).toMatch(/not a plain file/);
  path = join(dir, 'pipe');
  execFileSync('mkfifo', [path]);
  expect(await refusal()).toMatch(/not a plain file/);
  expect(existsSync(`${path}-lock`)).toBe(false);
});

test('what is no ledger is refused and left as it is', async () => {
  writeFileSync(path, randomBytes(100_000));
  expect(await refusal()).toMatch(/ledger\.db: file is not a database; it is left as it is: move it away/);
  expect(statSync(path).size).toBe(100_000);

  rmSync(path);
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE mine (x); INSERT INTO mine VALUES (1)');
  other.close();
  expect(await refusal()).toMatch(/a database of another program/);
  expect(query('SELECT x FROM mine')).toEqual([{ x: 1 }]);

  rmSync(path);
  path = join(dir, 'nowhere', 'ledger.db');
  expect(await refusal()).toMatch(/its folder must be there/);
});

test('a ledger that was damaged in the middle is refused', async () => {
  await start();
  for (let i = 0; i < 200; i++) await (await ask({})).text();
  await rows(200);
  await weir!.stop();
  const size = statSync(path).size;
  expect(size).toBeGreaterThan(5 * 16384);
  execFileSync('dd', ['if=/dev/urandom', `of=${path}`, 'bs=16384', 'seek=4', 'count=1', 'conv=notrunc'], { stdio: 'ignore' });
  expect(await refusal()).toMatch(/move it away/);
  expect(statSync(path).size).toBe(size);
});

test('a ledger of a newer weir is refused', async () => {
  await start();
  await weir!.stop();
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
  expect(await refusal()).toMatch(/its version is 99, and this weir knows those up to \d+: it was written by a newer one/);
});

// --- the end -------------------------------------------------------------------

test('nothing is lost when it is told to stop', async () => {
  await start();
  await Promise.all(Array.from({ length: 100 }, async () => (await ask({})).text()));
  await weir!.stop();
  expect(query('SELECT count(*) AS n FROM requests')).toEqual([{ n: 100 }]);
});

test('killed at any moment it loses at most the last second', { timeout: 300_000 }, async () => {
  const rounds = Number(process.env.WEIR_CRASH_ROUNDS ?? 5);
  const answered = new Map<string, number>();

  for (let round = 0; round < rounds; round++) {
    await start({ WEIR_WORKERS: '2' });
    let isOver = false;
    const callers = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const one = id();
        try {
          const answer = await ask({}, { 'x-request-id': one });
          await answer.text();
          if (answer.status === 200) answered.set(one, Date.now());
        } catch {
          return; // it has been killed
        }
      }
    });
    await sleep(1500 + Math.random() * 700);
    const killed = Date.now();
    weir!.signal('SIGKILL');
    await eventually('it has gone', () => weir!.exit !== undefined);
    isOver = true;
    await Promise.all(callers);

    const db = new DatabaseSync(path);
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    db.close();
    const kept = new Set(query('SELECT request_id FROM requests').map((r) => r.request_id));
    const lost = [...answered].filter(([one]) => !kept.has(one));
    for (const [one, at] of lost) {
      expect(killed - at).toBeLessThan(1000);
      answered.delete(one);
    }
    expect(answered.size).toBeGreaterThan(0);
    // and no row is there twice
    expect(query('SELECT count(*) AS n, count(DISTINCT request_id) AS ids FROM requests WHERE outcome = \'ok\'').map((r) => r.n - r.ids)).toEqual([0]);
  }
});
