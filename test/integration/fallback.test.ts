import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, hello, localState, long, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

const quick = {
  PROBE_INTERVAL: '200ms',
  PROBE_COLD_INTERVAL: '100ms',
  HOLD_TIMEOUT: '600ms',
  RETRY_AFTER: '7s',
};

beforeEach(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, quick);
  await localState(weir, 'warm');
});
afterEach(async () => {
  await weir?.stop();
  await sim?.stop();
});

const backendOf = (answer: Response) => answer.headers.get('x-router-backend');
const reasonOf = (answer: Response) => answer.headers.get('x-router-reason');
const localOnly = { 'x-router-policy': 'local-only' };

describe('cold start', () => {
  test.each([
    ['refuses connections', { fault: 'refuse', seconds: 60 }],
    ['answers 503', { fault: 'cold', seconds: 60 }],
  ])('while the local server %s the cloud answers', async (_how, fault) => {
    await sim.fault('vllm', fault);
    const client = weir.openai();
    // from the first request on, before any probe could have noticed
    for (let i = 0; i < 5; i++) {
      const { data, response } = await client.chat.completions
        .create({ model: 'local', messages: hello })
        .withResponse();
      expect(data.choices[0]!.message.content).toMatch(/hello/i);
      expect(backendOf(response)).toBe('cloud');
      expect(reasonOf(response)).toMatch(/^fallback:(connect|closed|503|cold)$/);
    }
    let text = '';
    const stream = await client.chat.completions.create({
      model: 'auto',
      messages: hello,
      stream: true,
    });
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toMatch(/hello/i);
    await localState(weir, 'cold');
    const cold = await weir.post({ model: 'qwen2.5-7b', messages: hello });
    expect([backendOf(cold), reasonOf(cold)]).toEqual(['cloud', 'fallback:cold']);
    expect(cold.headers.get('x-router-model')).toBe('claude-sonnet-4-6');
    expect(((await cold.json()) as any).model).toBe('qwen2.5-7b');
  });

  test('a request does not wait for a probe', async () => {
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    await localState(weir, 'cold');
    const start = Date.now();
    const answer = await weir.post({ model: 'local', messages: hello });
    expect(answer.status).toBe(200);
    expect(Date.now() - start).toBeLessThan(500);
  });

  test('the local tier is back as soon as it is warm', async () => {
    await sim.fault('vllm', { fault: 'cold', seconds: 60 });
    await localState(weir, 'cold');
    await sim.fault('vllm', null);
    await localState(weir, 'warm');
    const answer = await weir.post({ model: 'local', messages: hello });
    expect([backendOf(answer), reasonOf(answer)]).toEqual(['local', 'explicit']);
  });

  test('a router that starts before its local server serves at once', async () => {
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    const fresh = await Weir.between(sim, quick);
    try {
      const answer = await fresh.post({ model: 'local', messages: hello });
      expect([answer.status, backendOf(answer)]).toEqual([200, 'cloud']);
    } finally {
      await fresh.stop();
    }
  });

  test('the demand for the local tier is counted, whoever answers', async () => {
    const wanted = (served: string) =>
      weir.metric(`weir_local_wanted_total{served="${served}"}`);
    await weir.post({ model: 'auto', messages: hello });
    await weir.post({ model: 'auto', messages: long, max_tokens: 2000 });
    expect(await wanted('local')).toBe(1);
    await sim.fault('vllm', { fault: 'cold', seconds: 60 });
    await localState(weir, 'cold');
    await weir.post({ model: 'auto', messages: hello });
    await weir.post({ model: 'local', messages: hello }, localOnly);
    expect(await wanted('cloud')).toBe(1);
    expect(await wanted('refused')).toBe(1);
    expect(await wanted('local')).toBe(1);
  });
});

describe('pins', () => {
  test('a pinned request waits for its hold time and gets 503 with Retry-After', async () => {
    await sim.fault('vllm', { fault: 'cold', seconds: 60 });
    await localState(weir, 'cold');
    const before = (await sim.state('anthropic')).requests;
    const start = Date.now();
    const answer = await weir.post({ model: 'local', messages: hello }, localOnly);
    expect(Date.now() - start).toBeGreaterThanOrEqual(550);
    expect(Date.now() - start).toBeLessThan(3000);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(await answer.json()).toMatchObject({
      error: { type: 'server_error', code: 'backend_not_ready' },
    });
    expect((await sim.state('anthropic')).requests).toBe(before);
  });

  test('a pinned request is served when the local tier comes back in time', async () => {
    const patient = await Weir.between(sim, { ...quick, HOLD_TIMEOUT: '20s' });
    try {
      await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
      await localState(patient, 'cold');
      const pending = patient.post({ model: 'auto', messages: hello }, localOnly);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await sim.fault('vllm', null);
      const answer = await pending;
      expect([answer.status, backendOf(answer)]).toEqual([200, 'local']);
      // it is counted when its answer has been sent, perhaps on another thread
      const held = 'weir_local_wanted_total{served="held"}';
      await eventually('it is counted', async () => (await patient.metric(held)) === 1);
    } finally {
      await patient.stop();
    }
  });

  test.each([
    ['an error status', { fault: 'status', status: 500 }],
    ['a broken answer', { fault: 'garbage' }],
    ['a cut connection', { fault: 'cut', bytes: 10 }],
    ['a refused connection', { fault: 'refuse', seconds: 60 }],
  ])('a pinned request never reaches the cloud: %s', async (_what, fault) => {
    const before = (await sim.state('anthropic')).requests;
    await sim.fault('vllm', fault);
    for (const stream of [false, true]) {
      const answer = await weir.post({ model: 'local', stream, messages: hello }, localOnly);
      expect(answer.status).toBeGreaterThanOrEqual(500);
      await answer.text();
    }
    expect((await sim.state('anthropic')).requests).toBe(before);
  });

  test('a caller that leaves while it is held is forgotten', async () => {
    const patient = await Weir.between(sim, { ...quick, HOLD_TIMEOUT: '20s' });
    try {
      await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
      await localState(patient, 'cold');
      const abort = new AbortController();
      const pending = patient
        .post({ model: 'local', messages: hello }, localOnly, undefined, { signal: abort.signal })
        .catch((error) => error.name);
      await new Promise((resolve) => setTimeout(resolve, 200));
      abort.abort();
      expect(await pending).toBe('AbortError');
      const before = (await sim.state('vllm')).requests;
      await sim.fault('vllm', null);
      await localState(patient, 'warm');
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect((await sim.state('vllm')).requests).toBe(before);
      const name = 'weir_requests_total{tier="none",outcome="cancelled"}';
      expect(await patient.metric(name)).toBe(1);
    } finally {
      await patient.stop();
    }
  });
});

describe('the next backend is tried while nothing was sent back', () => {
  const faults: [string, object, RegExp][] = [
    ['a 500', { fault: 'status', status: 500, count: 1 }, /^fallback:500$/],
    ['a 503', { fault: 'status', status: 503, count: 1 }, /^fallback:503$/],
    ['a 429', { fault: 'status', status: 429, count: 1 }, /^fallback:429$/],
    ['bytes that are no HTTP', { fault: 'garbage', kind: 'http', count: 1 }, /^fallback:/],
    ['a body that is no JSON', { fault: 'garbage', kind: 'json', count: 1 }, /^fallback:bad_answer$/],
    ['an answer cut short', { fault: 'cut', bytes: 20, count: 1 }, /^fallback:(truncated|closed)$/],
    ['an empty success', { fault: 'empty', count: 1 }, /^fallback:(bad_answer|truncated)$/],
  ];

  for (const stream of [false, true])
    test.each(faults)(`after %s, ${stream ? 'streamed' : 'whole'}`, async (_what, fault, reason) => {
      await sim.fault('vllm', fault);
      const answer = await weir.post({ model: 'local', stream, messages: hello });
      expect(answer.status).toBe(200);
      expect(backendOf(answer)).toBe('cloud');
      expect(reasonOf(answer)).toMatch(reason);
      expect(await answer.text()).toMatch(/hello/i);
    });

  test('after a stall before the first token', async () => {
    const impatient = await Weir.between(sim, { ...quick, FIRST_TOKEN_TIMEOUT: '500ms' });
    try {
      await sim.fault('vllm', { fault: 'never', count: 1 });
      const answer = await impatient.post({ model: 'local', stream: true, messages: hello });
      expect(backendOf(answer)).toBe('cloud');
      expect(reasonOf(answer)).toBe('fallback:first_token_timeout');
      expect(await answer.text()).toContain('[DONE]');
    } finally {
      await impatient.stop();
    }
  });

  test('an error of the request itself is given back, not tried elsewhere', async () => {
    await sim.fault('vllm', { fault: 'status', status: 400, count: 1 });
    const before = (await sim.state('anthropic')).requests;
    const answer = await weir.post({ model: 'local', messages: hello });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect((await sim.state('anthropic')).requests).toBe(before);
    const next = await weir.post({ model: 'local', messages: hello });
    expect(backendOf(next)).toBe('local');
  });

  test('the router’s own bad key is not shown as the caller’s', async () => {
    await sim.fault('anthropic', { fault: 'status', status: 401, count: 1 });
    const answer = await weir.post({ model: 'cloud', messages: hello });
    expect(answer.status).toBe(502);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(await answer.json()).toMatchObject({ error: { code: 'upstream_auth_error' } });
  });
});

describe('when the cloud fails', () => {
  test('auto is answered by the local tier', async () => {
    await sim.fault('anthropic', { fault: 'status', status: 529, count: 1 });
    const answer = await weir.post({ model: 'auto', messages: hello, max_tokens: 600 });
    expect([answer.status, backendOf(answer), reasonOf(answer)]).toEqual([
      200,
      'local',
      'fallback:529',
    ]);
  });

  test('a Claude asked for by name is not replaced by another model', async () => {
    await sim.fault('anthropic', { fault: 'status', status: 529, count: 1 });
    const error = await weir
      .openai()
      .chat.completions.create({ model: 'claude-haiku-4-5', messages: hello })
      .catch((e) => e);
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error.status).toBe(503);
    expect(error.code).toBe('overloaded');
    expect(error.headers.get('retry-after')).toBe('5');
  });

  test('a rate limit passes with its retry-after', async () => {
    await sim.fault('anthropic', { fault: 'status=429; retry-after=17', count: 1 });
    const answer = await weir.post({ model: 'cloud', messages: hello });
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('17');
    expect(await answer.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
  });
});

describe('after the first byte', () => {
  // a pace, so that the first token has gone out before the fault comes
  beforeEach(async () => {
    await weir.stop();
    await sim.stop();
    sim = await Sim.start('--tokens-per-second', '100');
    weir = await Weir.between(sim, quick);
    await localState(weir, 'warm');
  });

  const text = [{ role: 'user' as const, content: 'Count from 1 to 30' }];

  for (const model of ['local', 'cloud'])
    test.each([
      ['cut', { fault: 'cut', bytes: 1500, count: 1 }, 'upstream_stream_truncated'],
      ['ended early', { fault: 'end', bytes: 1500, count: 1 }, 'upstream_stream_truncated'],
      ['in error', { fault: 'error', tokens: 6, count: 1 }, ''],
    ])(`a stream of ${model} that is %s ends with an error event`, async (_how, fault, code) => {
      await sim.fault(model === 'local' ? 'vllm' : 'anthropic', fault);
      const answer = await weir.post({ model, stream: true, messages: text });
      expect(answer.status).toBe(200);
      const events = (await answer.text())
        .split('\n\n')
        .filter((e) => e !== '')
        .map((e) => e.slice(6));
      expect(events.at(-1)).toBe('[DONE]');
      const error = JSON.parse(events.at(-2)!).error;
      expect(error.message).toMatch(/\w/);
      expect(error).toHaveProperty('param', null);
      if (code !== '') expect(error.code).toBe(code);
      // never an end that looks like a whole answer
      expect(events.slice(0, -2).some((e) => /"finish_reason":\s*"/.test(e))).toBe(false);
    });

  test('the SDK throws on it', async () => {
    await sim.fault('anthropic', { fault: 'error', tokens: 4, count: 1 });
    const stream = await weir
      .openai()
      .chat.completions.create({ model: 'cloud', messages: text, stream: true });
    const seen: string[] = [];
    const error = await (async () => {
      for await (const chunk of stream) seen.push(chunk.choices[0]?.delta.content ?? '');
      return undefined;
    })().catch((e) => e);
    expect(seen.join('')).toMatch(/1/);
    expect(error).toBeInstanceOf(OpenAI.APIError);
  });

  test('a missing last word after the finish is put right', async () => {
    for (const model of ['local', 'cloud']) {
      await sim.fault(model === 'local' ? 'vllm' : 'anthropic', { fault: 'no-end', count: 1 });
      const answer = await weir.post({ model, stream: true, messages: text });
      const body = await answer.text();
      expect(body).toMatch(/"finish_reason":\s*"stop"/);
      expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
    }
  });

  test('a stream that falls silent is ended after the idle time', async () => {
    const impatient = await Weir.between(sim, { ...quick, IDLE_TIMEOUT: '500ms' });
    try {
      await sim.fault('vllm', { fault: 'stall', tokens: 4, count: 1 });
      const answer = await impatient.post({ model: 'local', stream: true, messages: text });
      const body = await answer.text();
      expect(body).toContain('upstream_timeout');
      expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
    } finally {
      await impatient.stop();
    }
  });

  test('a silent stream gets comments', async () => {
    const chatty = await Weir.between(sim, { ...quick, COMMENT_INTERVAL: '200ms', IDLE_TIMEOUT: '1s' });
    try {
      await sim.fault('vllm', { fault: 'stall', tokens: 4, count: 1 });
      const answer = await chatty.post({ model: 'local', stream: true, messages: text });
      expect(await answer.text()).toContain('\n\n: keep-alive\n\n');
    } finally {
      await chatty.stop();
    }
  });
});

test('events cut at every byte give the same stream', async () => {
  const text = async (model: string) =>
    (await (await weir.post({ model, stream: true, messages: hello })).text()).replace(
      /"(id|created)":\s*("[^"]*"|\d+)/g,
      '',
    );
  for (const model of ['local', 'cloud']) {
    const whole = await text(model);
    await sim.fault(model === 'local' ? 'vllm' : 'anthropic', { fault: 'split', count: 1 });
    expect(await text(model)).toBe(whole);
  }
});

test('a kept-alive connection that the server closed is retried on a fresh one', async () => {
  for (let i = 0; i < 10; i++) {
    await sim.fault('vllm', { fault: 'close', count: 1 });
    const first = await weir.post({ model: 'local', messages: hello });
    await first.text();
    const second = await weir.post({ model: 'local', messages: hello });
    await second.text();
    expect([backendOf(first), backendOf(second)]).toEqual(['local', 'local']);
  }
});

describe('the last resort', () => {
  test('a cloud that rests is asked all the same', async () => {
    await sim.fault('anthropic', { fault: 'status', status: 500, count: 1 });
    const first = await weir.post({ model: 'cloud', messages: hello });
    expect(first.status).toBe(500);
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    const second = await weir.post({ model: 'local', messages: hello });
    expect([second.status, backendOf(second)]).toEqual([200, 'cloud']);
    expect(reasonOf(second)).toMatch(/^fallback:(connect|closed|cold)$/);
  });

  test('what the cloud cannot take goes to the local tier, and says why', async () => {
    const answer = await weir.post({ model: 'auto', messages: long, n: 2 });
    expect([backendOf(answer), reasonOf(answer)]).toEqual([
      'local',
      'fallback:unsupported_value',
    ]);
  });
});
