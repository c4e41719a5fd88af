// Callers who mean no good: what they hold, for how long, and what everybody
// else notices of it.  docs/threat-model.md names these tests.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatRequest, eventually, hello, Raw, Sim, sleep, Weir } from './harness.ts';

const isSanitized = /asan|tsan/.test(process.env.WEIR_BIN ?? '');
const health = 'GET /health HTTP/1.1\r\nHost: t\r\n\r\n';

let sim: Sim;
beforeAll(async () => {
  sim = await Sim.start();
});
afterAll(() => sim?.stop());

async function withWeir(env: Record<string, string>, what: (weir: Weir) => Promise<void>) {
  const weir = await Weir.between(sim, { WEIR_WORKERS: '1', ...env });
  try {
    await what(weir);
  } finally {
    await weir.stop();
  }
}

const rssKiB = (weir: Weir) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${weir.pid}/status`, 'utf8'))![1]);

/** The slowest of ten whole requests, one after the other, in ms. */
async function slowest(weir: Weir): Promise<number> {
  let worst = 0;
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    const answer = await weir.post({ model: 'local', messages: hello });
    expect(answer.status).toBe(200);
    await answer.text();
    worst = Math.max(worst, performance.now() - start);
  }
  return worst;
}

/** Soft and hard; node raises its own soft limit to the hard one. */
const descriptors = () =>
  Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))![1]);

describe('ten thousand connections that say nothing', () => {
  const count = isSanitized ? 1000 : 10_000;
  const enough = descriptors() >= count + 500;
  if (!enough)
    console.warn(`SKIPPED: ${count} connections need ${count + 500} descriptors, there are ${descriptors()}`);

  test.skipIf(!enough)(
    'cost little, slow nobody, and are closed by their deadlines',
    async () => {
      await withWeir(
        { KEEP_ALIVE_TIMEOUT: '6s', HEAD_TIMEOUT: '6s', MAX_CONNECTIONS: String(count + 100) },
        async (weir) => {
          await slowest(weir); // the first ones pay for what all use
          const before = rssKiB(weir);
          const raws: Raw[] = [];
          while (raws.length < count)
            raws.push(...(await Promise.all(Array.from({ length: 200 }, () => Raw.open(weir.port)))));
          // every other one has asked before, and is kept alive
          const asked = raws.filter((_, i) => i % 2 === 0);
          for (const raw of asked) raw.send(health);
          await eventually('all are answered', () => asked.every((raw) => raw.received.endsWith('"ok"}')));
          // those that say nothing wait in the kernel's line for a while
          await eventually('all are in', async () => (await weir.metric('weir_connections')) >= count);
          const each = (rssKiB(weir) - before) / count;
          console.log(`${count} idle connections: ${each.toFixed(2)} KiB each`);
          if (!isSanitized) expect(each).toBeLessThan(6);
          const worst = await slowest(weir);
          console.log(`the slowest request meanwhile took ${worst.toFixed(1)} ms`);
          expect(worst).toBeLessThan(1000);
          await eventually('all are closed', () => raws.every((raw) => raw.closed), 30_000);
          await eventually('nobody is left', async () => (await weir.metric('weir_connections')) <= 12);
        },
      );
    },
    90_000,
  );
});

test('above the limit a connection gets 503 and is closed, and there is room again', async () => {
  await withWeir({ MAX_CONNECTIONS: '3' }, async (weir) => {
    const raws = [await Raw.open(weir.port), await Raw.open(weir.port), await Raw.open(weir.port)];
    for (const raw of raws) {
      raw.send(health);
      await raw.answer();
    }
    const fourth = await Raw.open(weir.port);
    const answer = await fourth.answer();
    expect(answer.status).toBe(503);
    expect(answer.headers).toMatchObject({ connection: 'close', 'retry-after': '1' });
    expect(JSON.parse(answer.body).error.code).toBe('overloaded');
    await fourth.whenClosed();
    raws[0]!.close();
    const fifth = await eventually('there is room', async () => {
      const raw = await Raw.open(weir.port);
      raw.send('GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n');
      const { status, body } = await raw.answer();
      raw.close();
      return status === 200 && body;
    });
    expect(fifth).toMatch(/^weir_connections_refused_total [1-9]/m);
    await weir.says('no room for another connection');
    expect(weir.log.filter((l) => l.includes('no room for another connection')).length).toBe(1);
    for (const raw of raws) raw.close();
  });
});

test('three hundred heads that drip are refused, and slow nobody', async () => {
  await withWeir({ HEAD_TIMEOUT: '2s' }, async (weir) => {
    const raws = await Promise.all(Array.from({ length: 300 }, () => Raw.open(weir.port)));
    for (const raw of raws) raw.send('GET /health HTTP/1.1\r\nX-Slow: ');
    const drip = setInterval(() => {
      for (const raw of raws) if (!raw.closed) raw.send('a');
    }, 200);
    expect(await slowest(weir)).toBeLessThan(1000);
    // a drop now and then moves no deadline: it is the whole head's
    await eventually('all are told', () => raws.every((raw) => raw.received.startsWith('HTTP/1.1 408 ')));
    clearInterval(drip);
    await Promise.all(raws.map((raw) => raw.whenClosed()));
  });
});

test('a caller who never reads his stream does not hold the backend', async () => {
  await withWeir({ WRITE_TIMEOUT: '1s' }, async (weir) => {
    const words = 'word '.repeat(20_000);
    const raw = await Raw.open(weir.port);
    raw.socket.pause();
    raw.send(
      chatRequest({
        model: 'cloud',
        stream: true,
        max_tokens: 60_000,
        messages: [{ role: 'user', content: `Repeat after me: ${words}\n[[sim: tokens=60000]]` }],
      }),
    );
    await eventually('the backend is at it', async () => (await sim.state('anthropic')).running === 1);
    await eventually('it is let go', async () => (await sim.state('anthropic')).running === 0);
    const name = 'weir_requests_total{tier="cloud",outcome="cancelled"}';
    await eventually('it is counted', async () => (await weir.metric(name)) === 1);
    raw.close();
  });
});

describe('JSON', () => {
  test.each([
    ['an exponent that no double has', '{"messages":[{"role":"user","content":"x"}],"temperature":1e999999}', 200],
    ['a number of 100,000 digits', `{"messages":[{"role":"user","content":"x"}],"max_tokens":${'9'.repeat(100_000)}}`, 400],
    ['a number of 100,000 digits that nobody reads', `{"messages":[{"role":"user","content":"x"}],"x":${'9'.repeat(100_000)}}`, 200],
    ['ten megabytes of brackets', '['.repeat(10_000_000), 400],
    ['ten megabytes of ones', `[${'1,'.repeat(5_000_000)}1]`, 400],
    ['a million keys', `{${Array.from({ length: 1_000_000 }, (_, i) => `"${i}":0`).join(',')}}`, 400],
    ['ten megabytes of backslashes', `"${'\\\\'.repeat(5_000_000)}"`, 400],
  ])('%s is answered in time', async (_what, body, status) => {
    await withWeir({}, async (weir) => {
      const start = Date.now();
      const asked = weir.post(body, {}, '/v1/route');
      expect(await slowest(weir)).toBeLessThan(2000); // meanwhile
      const answer = await asked;
      expect(answer.status).toBe(status);
      await answer.text();
      expect(Date.now() - start).toBeLessThan(isSanitized ? 20_000 : 5000);
    });
  });
});

test('a pattern that explodes is given up, and guards when it has a policy', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-'));
  const file = join(folder, 'weir.yaml');
  writeFileSync(
    file,
    `rules:\n  - { name: bomb, use: local, when: { text: '(a+)+$' } }\n` +
      `  - { name: guard, use: local, policy: local-only, when: { text: '(x+)+$' } }\n`,
  );
  try {
    await withWeir({ WEIR_CONFIG: file }, async (weir) => {
      const route = async (content: string) => {
        const start = Date.now();
        const answer = await weir.post({ messages: [{ role: 'user', content }] }, {}, '/v1/route');
        expect(answer.status).toBe(200);
        expect(Date.now() - start).toBeLessThan(isSanitized ? 10_000 : 2000);
        return JSON.stringify(await answer.json());
      };
      expect(await route(`${'a'.repeat(200_000)}!`)).toContain('rule:');
      expect(await route(`${'x'.repeat(200_000)}!`)).toContain('rule:guard');
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('no name of a caller ends a header of the answer', async () => {
  await withWeir({}, async (weir) => {
    const evil = 'local\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK';
    for (const body of [
      { model: evil, messages: hello },
      { model: 'cloud', messages: hello, [evil]: 1, logit_bias: {} },
      { model: 'cloud', messages: [{ role: 'user', content: 'x', name: evil }] },
      { messages: hello, stop: [evil] },
    ]) {
      const raw = await Raw.open(weir.port);
      raw.send(chatRequest(body));
      const { headers } = await raw.answer();
      expect(headers['x-evil']).toBeUndefined();
      await sleep(20);
      expect(raw.received).toBe('');
      raw.close();
    }
  });
});

test('no secret is in any answer or line of the log', async () => {
  const secrets = { ANTHROPIC_API_KEY: 'sk-ant-house-1', VLLM_API_KEY: 'sk-vllm-house-2' };
  const callers = 'sk-caller-3';
  await withWeir({ ...secrets, LOG_LEVEL: 'debug' }, async (weir) => {
    let heard = '';
    for (const target of ['vllm', 'anthropic'] as const)
      for (const fault of [null, { fault: 'status', status: 401 }, { fault: 'status', status: 500 }]) {
        await sim.fault(target, fault);
        for (const stream of [false, true]) {
          const answer = await weir.post(
            { model: target === 'vllm' ? 'local' : 'cloud', messages: hello, stream },
            { authorization: `Bearer ${callers}`, 'x-api-key': callers },
          );
          heard += JSON.stringify([...answer.headers]) + (await answer.text());
        }
        await sim.fault(target, null);
      }
    heard += await (await fetch(`${weir.url}/metrics`)).text();
    heard += weir.log.join('\n');
    for (const secret of [...Object.values(secrets), callers]) expect(heard).not.toContain(secret);
    const { last } = await sim.state('anthropic');
    expect(last!.headers['x-api-key']).toBe('present'); // as the stand-in tells it
    expect(last!.headers['authorization']).toBeUndefined();
    expect(JSON.stringify(last)).not.toContain(callers);
  });
});
