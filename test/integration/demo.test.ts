// `weir demo`: what a newcomer sees first.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adopt, eventually, Weir, weir } from './harness.ts';

test('the demo shows its requests, a trace, their cost and the report', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'));
  const real = join(folder, 'ledger.db');
  const child = spawn(weir, ['demo'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: Weir.environment({ LEDGER_PATH: real }),
  });
  adopt(child);
  let said = '';
  child.stdout!.on('data', (bytes) => (said += bytes));
  await eventually('it serves', () => said.includes('Serving until Ctrl-C.'), 60_000);

  expect(said).toMatch(/^auto: Say hello +local qwen2.5-7b +rule:short +[\d.]+ ms +[\d.]+ ms$/m);
  expect(said).toMatch(/^local while its GPU is cold +cloud claude-\S+ +fallback:\S+ /m);
  expect(said).toMatch(/^Trace of the last request: [0-9a-f]{32}$/m);
  const cost = /^Cost of 12 requests: (0\.\d{6}) USD; all of them in the cloud: (0\.\d{6}) USD$/m.exec(said)!;
  expect(Number(cost[1])).toBeGreaterThan(0);
  expect(Number(cost[1])).toBeLessThan(Number(cost[2]));
  const report = said.slice(said.indexOf('$ weir report'));
  expect(report).toMatch(/^all +12 +100\.0% +0 /m);
  expect(report).toMatch(new RegExp(`^all in the cloud would cost +${cost[2]}$`, 'm'));

  const gone = once(child, 'exit');
  child.kill('SIGINT');
  expect(await gone).toEqual([0, null]);
  expect(existsSync(real), 'made-up requests in a real ledger').toBe(false);
  rmSync(folder, { recursive: true });
}, 90_000);
