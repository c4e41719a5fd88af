// The cases of test/framing: odd bytes, and what they are answered.  Each is
// sent at once and byte by byte: how a request is cut must mean nothing.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Raw, Weir } from './harness.ts';

interface Case {
  name: string;
  answers: string[];
  isOpen: boolean;
  bytes: string;
}

const escapes: Record<string, string> = { r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\' };

function unescape(line: string): string {
  return line.replace(/\\(x[0-9a-f]{2}|.)/g, (_, what: string) => {
    const byte = what.length === 3 ? String.fromCharCode(parseInt(what.slice(1), 16)) : escapes[what];
    if (byte === undefined) throw new Error(`no such escape: ${line}`);
    return byte;
  });
}

/** "200 400 bad_http closed" */
function expectation(line: string): Pick<Case, 'answers' | 'isOpen'> {
  const words = line.split(' ');
  const end = words.pop()!;
  if (end !== 'open' && end !== 'closed') throw new Error(`open or closed? ${line}`);
  const answers: string[] = [];
  for (const word of words)
    if (/^\d/.test(word)) answers.push(word);
    else answers.push(`${answers.pop()} ${word}`);
  return { answers, isOpen: end === 'open' };
}

function read(url: URL): Case[] {
  const cases: Case[] = [];
  for (const line of readFileSync(url, 'utf8').split('\n')) {
    const last = cases.at(-1);
    if (line.startsWith('== ')) cases.push({ name: line.slice(3), answers: [], isOpen: false, bytes: '' });
    else if (line.startsWith('-> ')) Object.assign(last!, expectation(line.slice(3)));
    else if (line !== '' && !/^#( |$)/.test(line)) last!.bytes += unescape(line);
  }
  return cases;
}

const cases = read(new URL('../framing/cases.txt', import.meta.url)).filter((c) => c.bytes !== '');

let weir: Weir;

beforeAll(async () => {
  // nobody is called: the port of a backend that is not there
  weir = await Weir.start({
    VLLM_BASE_URL: 'http://127.0.0.1:9',
    LOCAL_MODEL: 'm',
    WEIR_WORKERS: '1',
  });
});
afterAll(() => weir?.stop());

async function nextAnswer(raw: Raw, isHead: boolean): Promise<string> {
  const head = await eventually(`an answer; so far: ${raw.received}`, () => {
    const end = raw.received.indexOf('\r\n\r\n');
    return end < 0 ? undefined : raw.received.slice(0, end);
  });
  if (isHead) {
    raw.received = raw.received.slice(head.length + 4);
    return head.split(' ')[1]!;
  }
  const { status, body } = await raw.answer();
  const code = status >= 400 ? ` ${JSON.parse(body).error.code}` : '';
  return `${status}${code}`;
}

async function play({ answers, isOpen, bytes }: Case, step: number): Promise<void> {
  const raw = await Raw.open(weir.port);
  try {
    for (let at = 0; at < bytes.length && !raw.closed; at += step) {
      raw.send(bytes.slice(at, at + step));
      if (step < bytes.length) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const answer of answers)
      expect(await nextAnswer(raw, bytes.startsWith('HEAD '))).toBe(answer);
    if (isOpen) {
      // and the next request begins where it should
      raw.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
      expect(await raw.answer()).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    } else {
      await raw.whenClosed();
    }
    expect(raw.received).toBe('');
  } finally {
    raw.close();
  }
}

test('there are cases, and none is there twice', () => {
  expect(cases.length).toBeGreaterThan(100);
  expect(new Set(cases.map((c) => c.name)).size).toBe(cases.length);
  for (const c of cases) expect(c.answers.length, c.name).toBeGreaterThan(0);
});

describe('at once', () => {
  test.each(cases)('$name', (c) => play(c, c.bytes.length));
});

describe('byte by byte', () => {
  test.each(cases)('$name', (c) => play(c, 1));
});

test('after all that the router is well', async () => {
  expect((await fetch(`${weir.url}/health`)).status).toBe(200);
  await eventually('nobody else is connected', async () => (await weir.metric('weir_connections')) <= 2);
});
