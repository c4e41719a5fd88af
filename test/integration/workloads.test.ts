// The four programs of workloads/, as a user runs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { calculate } from '../../workloads/lib/calculate.ts';
import { use } from '../../workloads/lib/tools.ts';
import { adopt, eventually, freePort, hello, Sim, Weir } from './harness.ts';

const folder = fileURLToPath(new URL('../../workloads', import.meta.url));

// each starts programs, which takes its time on a busy machine
vi.setConfig({ testTimeout: 120_000 });

let sim: Sim;
let weir: Weir;
let dir: string;

beforeAll(async () => {
  sim = await Sim.start('--tokens-per-second', '1000'); // so that a stream comes in pieces
  weir = await Weir.between(sim, { HOLD_TIMEOUT: '200ms', RETRY_AFTER: '7s' });
  dir = mkdtempSync(join(tmpdir(), 'workloads-'));
});
afterEach(async () => {
  await sim.fault('vllm', null);
  await sim.fault('anthropic', null);
  // what a test did to a backend is over for the next one
  await eventually('all is well again', async () => {
    const answer = await weir.post({ model: 'local', messages: hello }, { 'x-router-policy': 'local-only' });
    await answer.text();
    return answer.status === 200;
  });
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Ran {
  out: string;
  err: string;
  status: number;
}

interface How {
  url?: string;
  key?: string;
  input?: string;
}

function start(program: string, args: string[], { url = weir.url, key, input = '' }: How = {}) {
  const child = spawn(process.execPath, ['--no-warnings', '--experimental-strip-types', join(folder, `${program}.ts`), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ROUTER_URL: url, ...(key === undefined ? {} : { ROUTER_API_KEY: key }) },
  });
  adopt(child);
  child.stdin.on('error', () => {}); // who does not read it
  child.stdin.end(input);
  return child;
}

async function run(program: string, args: string[] = [], how: How = {}): Promise<Ran> {
  const child = start(program, args, how);
  const gone = once(child, 'close');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = await gone;
  return { out, err, status };
}

const file = (name: string, content: string | Buffer): string => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};

/** The cells of a table's rows, by two spaces or more. */
const rowsOf = (out: string) => out.split('\n\n')[0]!.split('\n').slice(2).map((line) => line.split(/ {2,}/));

// --- classify ------------------------------------------------------------------

test('classify labels the built-in reviews, all of them at home', async () => {
  const cloudBefore = (await sim.state('anthropic')).requests;
  const { out, err, status } = await run('classify');
  expect(err.trim().split('\n').sort()).toEqual(Array.from({ length: 10 }, (_, i) => `classify: ${i + 1} of 10`).sort());
  expect(status).toBe(0);
  const rows = rowsOf(out);
  expect(rows.map(([, label]) => label)).toEqual(
    ['positive', 'negative', 'neutral', 'positive', 'negative', 'neutral', 'positive', 'negative', 'neutral', 'positive'],
  );
  for (const [i, row] of rows.entries()) expect(row.toSpliced(1, 1).slice(0, 3)).toEqual([String(i + 1), 'local', 'qwen2.5-7b']);
  expect(rows[2]![4]).toBe('It is a kettle. It boils water.');
  // a padded table: each column begins at one place
  const lines = out.split('\n').slice(0, 12);
  const at = lines[0]!.indexOf('review');
  for (const line of lines) expect(line.slice(at - 2, at), line).toBe('  ');
  expect(out.trim().split('\n').at(-1)).toBe('10 reviews: 4 positive, 3 negative, 3 neutral');
  expect((await sim.state('anthropic')).requests).toBe(cloudBefore);
});

test('classify takes reviews from arguments, a file and the standard input, and other labels', async () => {
  expect(rowsOf((await run('classify', ['I love it', 'Awful.'])).out).map((row) => row[1])).toEqual(['positive', 'negative']);
  const path = file('mails.txt', 'You are a winner, click here to win a prize\n\n  Dear Ada, lunch tomorrow?  \n');
  const { out } = await run('classify', ['--file', path, '--labels', 'spam, ham', '--parallel', '1']);
  expect(rowsOf(out).map((row) => [row[1], row[4]])).toEqual([
    ['spam', 'You are a winner, click here to win a prize'],
    ['ham', 'Dear Ada, lunch tomorrow?'],
  ]);
  const piped = await run('classify', ['-f', '-'], { input: 'Dreadful and slow\n' });
  expect(piped.out).toMatch(/^1 +negative +local +qwen2.5-7b +Dreadful and slow$/m);
  expect(piped.out).toMatch(/^1 review: 0 positive, 1 negative, 0 neutral$/m);
});

test('classify shows an answer that is no label as what it is, and fails', async () => {
  const { out, status } = await run('classify', ['Great\n[[sim: silent]]', 'Great\n[[sim: tokens=30]]', 'Great']);
  expect(rowsOf(out).map((row) => row[1])).toEqual(['? ""', expect.stringMatching(/^\? "positive .*…"$/), 'positive']);
  expect(out).toMatch(/3 reviews: 1 positive, 0 negative, 0 neutral, 2 answered with none of these words$/m);
  expect(status).toBe(1);
});

test('classify never goes to the cloud: while the GPU is cold it says so, and when to come again', async () => {
  await sim.fault('vllm', { fault: 'cold', seconds: 60 });
  const before = (await sim.state('anthropic')).requests;
  const { out, err, status } = await run('classify');
  expect(out).toBe('');
  expect(err).toMatch(/^classify: the router answered 503 backend_not_ready: .*\n  try again in 7 s, or let --retries do it$/m);
  expect(status).toBe(1);
  expect((await sim.state('anthropic')).requests, 'the cloud sees none of it').toBe(before);
});

test('--retries waits for a cold GPU', async () => {
  const quick = await Weir.between(sim, { HOLD_TIMEOUT: '100ms', RETRY_AFTER: '1s', PROBE_COLD_INTERVAL: '100ms' });
  await sim.fault('vllm', { fault: 'cold', seconds: 2 });
  const { out, status } = await run('classify', ['--retries', '30', 'I love it'], { url: quick.url });
  expect(out).toMatch(/^1 +positive +local/m);
  expect(status).toBe(0);
  await quick.stop();
});

// --- summarize -----------------------------------------------------------------

test('summarize says who did it: the short one at home, the long one in the cloud', async () => {
  const { out, err, status } = await run('summarize');
  expect(status).toBe(0);
  expect(err).toBe('summarize: 1 of 2: short.txt\nsummarize: 2 of 2: long.txt\n');
  const [short, long] = out.split(/\n(?=long\.txt)/);
  expect(short).toMatch(/^short.txt: \d{3} characters\nserved by local \(qwen2.5-7b\), because rule:short\n\nThe town of Almen .*\n$/);
  expect(long).toMatch(/^long.txt: \d{4} characters\nserved by cloud \(claude-sonnet-4-6\), because rule:long-prompt\n\nA weir is a low dam .*\n$/);
});

test('summarize goes on in the cloud while the GPU is cold', async () => {
  await sim.fault('vllm', { fault: 'cold', seconds: 60 });
  const { out, status } = await run('summarize', ['-'], { input: 'The bridge is open. It is long.' });
  expect(out).toMatch(/^standard input: 31 characters\nserved by cloud \(claude-sonnet-4-6\), because fallback:\S+\n\nThe bridge is open\. It is long\.\n$/);
  expect(status).toBe(0);
});

test.each([
  ['is not there', () => join(dir, 'nowhere.txt'), 'there is no such file'],
  ['is a folder', () => dir, 'it is a folder'],
  ['is no text', () => file('image.png', Buffer.from([0x89, 0x50, 0xff, 0xfe])), 'it is not text in UTF-8'],
])('a file that %s costs no request', async (_, path, why) => {
  const before = (await sim.state('vllm')).requests;
  const { out, err, status } = await run('summarize', [file('fine.txt', 'A fine article.'), path()]);
  expect([out, err, status]).toEqual(['', `summarize: cannot read ${path()}: ${why}\n`, 1]);
  expect((await sim.state('vllm')).requests).toBe(before);
});

test('an empty file is said to be empty', async () => {
  expect((await run('summarize', ['-'], { input: ' \n' })).err).toBe('summarize: the standard input is empty\n');
});

// --- plan ----------------------------------------------------------------------

test('plan prints what the cloud writes, as it comes', async () => {
  await sim.fault('anthropic', { fault: 'stall', tokens: 40 });
  const child = start('plan', ['a', 'garden']);
  const gone = once(child, 'close');
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes) => (out += bytes));
  child.stderr.on('data', (bytes) => (err += bytes));
  // the rest never comes, and what is there has been printed
  await eventually('the first words are printed', () => out.length > 100);
  expect(out).toMatch(/^A simulated plan: a garden\.\n\n1\. Define the goal\. /);
  expect(err).toMatch(/^plan: cloud \(claude-sonnet-4-6\), because explicit\nplan: first words after [\d.]+ s\n$/);
  child.kill('SIGTERM');
  await gone;
});

test('plan is whole with its last step, and says how long it took', async () => {
  const { out, err, status } = await run('plan', ['-f', file('goal.txt', 'moving house\n')]);
  expect(out).toMatch(/^A simulated plan: moving house\.\n\n1\. Define the goal\. [^]*\n7\. Hand over\. .*\n$/);
  expect(err).toMatch(/\nplan: \d{3} tokens in [\d.]+ s\n$/);
  expect(status).toBe(0);
});

test('a plan that is cut off is no success', async () => {
  const cut = await run('plan', ['a garden', '--max-tokens', '20']);
  expect(cut.out).toMatch(/^A simulated plan: a garden\./);
  expect(cut.err).toMatch(/plan: it is not whole: longer than 20 tokens\n$/);
  expect(cut.status).toBe(1);
  await sim.fault('anthropic', { fault: 'error', tokens: 20 });
  const broken = await run('plan', ['a garden']);
  expect(broken.out).toMatch(/^A simulated plan: a garden\.[^]*\n$/);
  expect(broken.err).toMatch(/\nplan: the answer broke off: \S+: .*\n$/);
  expect(broken.status).toBe(1);
});

// --- agent ---------------------------------------------------------------------

test('the agent calls its tools, shows it, and answers with what they said', async () => {
  const { out, err, status } = await run('agent');
  expect(status).toBe(0);
  expect(err.trim().split('\n')).toEqual([
    'turn 1: local (qwen2.5-7b), because rule:short',
    '  read_file {"path":"minutes.txt"}',
    expect.stringMatching(/^ {4}Minutes of the weekly meeting - .*…$/),
    '  calculator {"expression":"17 * 23 + 4"}',
    '    395',
    '  date_after {"date":"2026-11-26","days":90}',
    '    2027-02-24, a Wednesday',
    'turn 2: local (qwen2.5-7b), because rule:short',
  ]);
  expect(out).toMatch(/^read_file returned: Minutes of the weekly meeting\n- The new pump costs 391 euros[^]*\ncalculator returned: 395\ndate_after returned: 2027-02-24, a Wednesday\n$/);
});

test('the agent goes on in the cloud when the GPU falls away between two turns', async () => {
  await sim.fault('vllm', { fault: 'cold', seconds: 60 });
  const { out, err, status } = await run('agent', ['Calculate 6 * 7 with the calculator']);
  expect(out).toBe('calculator returned: 42\n');
  expect(err.match(/cloud \(claude-sonnet-4-6\), because fallback:/g)).toHaveLength(2);
  expect(status).toBe(0);
});

test('a file outside of the folder is not read, and the model is told', async () => {
  const { out, err, status } = await run('agent', ['--folder', dir, 'Read the file "/etc/hostname"']);
  expect(err).toContain('    error: /etc/hostname is outside of the working folder\n');
  expect(out).toBe('read_file returned: error: /etc/hostname is outside of the working folder\n');
  expect(status).toBe(0);
});

test('an agent that never comes to an end is stopped', async () => {
  await sim.fault('vllm', { fault: 'calls', calls: 1 });
  const { out, err, status } = await run('agent', ['--turns', '3', 'Calculate 6 * 7 with the calculator']);
  expect(out).toBe('');
  expect(err.match(/^turn \d: local/gm)).toHaveLength(3);
  expect(err.match(/^ {2}calculator .*\n {4}42$/gm)).toHaveLength(3);
  expect(err).toMatch(/agent: no answer after 3 turns; --turns allows more\n$/);
  expect(status).toBe(1);
});

describe('the tools', () => {
  const outside = 'is outside of the working folder';
  test.each([
    ['read_file', '{"path":"sub/a.txt"}', 'in sub'],
    ['read_file', '{"path":"./sub/../sub/a.txt"}', 'in sub'],
    ['list_files', '{"folder":"."}', 'away\nfine\nsub/'],
    ['list_files', '{"folder":"sub"}', 'a.txt'],
    ['list_files', '{"folder":"sub/a.txt"}', 'error: that is a file; read_file reads it'],
    ['read_file', '{"path":"sub"}', 'error: that is no file; list_files lists a folder'],
    ['read_file', '{"path":"nothing"}', 'error: there is no nothing'],
    ['read_file', '{"path":"../secret"}', `error: ../secret ${outside}`],
    ['read_file', '{"path":"../tree-2/secret"}', `error: ../tree-2/secret ${outside}`],
    ['read_file', '{"path":"away/secret"}', `error: away/secret ${outside}`],
    ['read_file', '{"path":"fine"}', 'in sub'],
    ['read_file', '{"path":7}', 'error: "path" must be a text'],
    ['read_file', 'null', 'error: "path" must be a text'],
    ['read_file', '{', 'error: the arguments are no JSON'],
    ['toString', '{}', 'error: there is no tool toString; there are calculator, list_files, read_file, date_after, days_between'],
    ['date_after', '{"date":"2024-02-28","days":2}', '2024-03-01, a Friday'],
    ['date_after', '{"date":"2026-01-01","days":-1}', '2025-12-31, a Wednesday'],
    ['date_after', '{"date":"2026-02-30","days":1}', 'error: "2026-02-30" is no date; write it like 2026-01-31'],
    ['date_after', '{"date":"2026-01-01","days":1e12}', 'error: 1000000000000 days are too many'],
    ['date_after', '{"date":"2026-01-01","days":0.5}', 'error: "days" must be a whole number'],
    ['days_between', '{"from":"2026-01-01","to":"2026-03-01"}', '59'],
    ['calculator', '{"expression":"(2 + 3) * 4"}', '20'],
    ['calculator', '{"expression":"process.exit(1)"}', 'error: did not expect "p"'],
  ])('%s %s', (name, args, expected) => {
    const tree = join(dir, 'tree');
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(join(tree, 'sub'), { recursive: true });
    mkdirSync(join(dir, 'tree-2'), { recursive: true });
    for (const path of ['secret', 'tree-2/secret']) file(path, 'a secret');
    file('tree/sub/a.txt', 'in sub');
    symlinkSync(dir, join(tree, 'away'));
    symlinkSync('sub/a.txt', join(tree, 'fine'));
    expect(use(name, args, tree)).toBe(expected);
  });

  test.each([
    ['17 * 23 + 4', 395],
    ['2 + 3 * 4 - 6 / 2', 11],
    ['-2^2', -4],
    ['2 ** 3 ^ 2', 512],
    ['2^-1', 0.5],
    ['0.1 + 0.2', 0.3],
    ['1.5e3 % 7', 2],
    ['--(3)', 3],
    ['6 × 7 ÷ 2', 21],
  ])('%s is %d', (expression, value) => expect(calculate(expression)).toBe(value));

  test.each([
    ['', 'it ends too early'],
    ['2 +', 'it ends too early'],
    ['(1', 'a ")" is missing'],
    ['1 2', 'did not expect "2"'],
    ['1)', 'did not expect ")"'],
    ['1 / 0', 'that has no finite value'],
    ['('.repeat(5000), 'it is nested too deeply'],
  ])('%.20s is refused', (expression, why) => expect(() => calculate(expression)).toThrow(why));
});

// --- what is the same for all -----------------------------------------------------

const programs = ['classify', 'summarize', 'plan', 'agent'];

test.each(programs)('%s: --help, and a command line that is wrong', async (program) => {
  const help = await run(program, ['--help']);
  expect(help.out).toMatch(new RegExp(`^usage: node ${program}\\.ts \\[options\\] `));
  expect(help.out).toMatch(/^ {2}--retries N .*\n {2}-h, --help .*\n\nEnvironment: ROUTER_URL .*\nExit status: .*\n$/m);
  expect([help.err, help.status]).toEqual(['', 0]);
  for (const [args, why] of [
    [['--colour'], /Unknown option '--colour'/],
    [['--retries', 'many'], /--retries: read "many", expected a whole number from 0 to 100/],
  ] as const) {
    const wrong = await run(program, [...args]);
    expect(wrong.err).toMatch(why);
    expect(wrong.err).toMatch(new RegExp(`\n  try: node ${program}\\.ts --help\n$`));
    expect([wrong.out, wrong.status]).toEqual(['', 2]);
  }
}, 120_000); // three starts of Node

test.each(programs)('%s: a router that is not there', async (program) => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { out, err, status } = await run(program, [], { url });
  expect(err.trim().split('\n').at(-1)).toBe(`${program}: cannot reach the router at ${url}/v1: connection refused; is it running?`);
  expect([out, status]).toEqual(['', 1]);
});

test('ROUTER_URL may end in /v1, in a slash, in neither; one that is none is said to be', async () => {
  for (const end of ['', '/', '/v1', '/v1/']) expect((await run('classify', ['I love it'], { url: weir.url + end })).status).toBe(0);
  const { err, status } = await run('plan', [], { url: 'localhost' });
  expect([err, status]).toEqual(['plan: ROUTER_URL: read "localhost", expected a URL like http://127.0.0.1:8080/v1\n', 1]);
});

test('ROUTER_API_KEY is the key', async () => {
  const guarded = await Weir.configured(`
backends:
  - { name: vllm, tier: local, url: '${sim.vllm}', models: [{ name: qwen2.5-7b }] }
keys:
  - { name: team, secret: sk-of-the-team }
`);
  const refused = await run('classify', ['I love it'], { url: guarded.url });
  expect(refused.err).toMatch(/^classify: the router answered 401 /);
  expect(refused.status).toBe(1);
  expect((await run('classify', ['I love it'], { url: guarded.url, key: 'sk-of-the-team' })).status).toBe(0);
  await guarded.stop();
});
