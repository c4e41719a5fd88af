// /v1/messages at the door, to a backend that speaks it and to one that does
// not.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { eventually, hello, localState, pixel, Sim, Weir } from './harness.ts';
import { framesOf, message, messageOf, tool } from './speak.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, {
    PROBE_INTERVAL: '1h',
    PROBE_COLD_INTERVAL: '50ms',
    REST_TIME: '1ms',
    HOLD_TIMEOUT: '300ms',
    RETRY_AFTER: '7s',
    FIRST_TOKEN_TIMEOUT: '1s',
    CLOUD_FALLS_BACK: 'always',
  });
  await localState(weir, 'warm');
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});
afterEach(async () => {
  await sim.fault('vllm', null);
  await sim.fault('anthropic', null);
  await localState(weir, 'warm');
});

const version = { 'anthropic-version': '2023-06-01' };
const ask = (text: string) => [{ role: 'user', content: text }];
const post = (body: unknown, headers: Record<string, string> = {}, query = '') =>
  weir.post(body, { ...version, ...headers }, `/v1/messages${query}`);
const weather = tool('get_weather', 'city').messages;
const data = pixel.slice(pixel.indexOf(',') + 1);

// --- the bytes pass -------------------------------------------------------------

describe('to Anthropic', () => {
  /** One exchange with a backend that is asked byte for byte. */
  async function exchange(
    body: string,
    answer: string,
    headers: [string, string][] = [],
    query = '',
  ): Promise<{ head: string; sent: string; answer: Response; text: string }> {
    const backend = await RawBackend.open();
    let got = '';
    backend.answer = (socket, request) => {
      got = request;
      socket.end(answer);
    };
    const router = await Weir.start({
      ANTHROPIC_BASE_URL: backend.url,
      ANTHROPIC_API_KEY: 'sk-backend',
    });
    try {
      const sent = await fetch(`${router.url}/v1/messages${query}`, {
        method: 'POST',
        headers: [['content-type', 'application/json'], ...headers],
        body,
      });
      const text = await sent.text();
      const [head, ...rest] = got.split('\r\n\r\n');
      return { head: head!, sent: rest.join('\r\n\r\n'), answer: sent, text };
    } finally {
      await router.stop();
      backend.close();
    }
  }

  const whole =
    ' { "id":"msg_1" , "type":"message","role":"assistant","model" : "claude-sonnet-4-6",' +
    '"content":[{"type":"text","text":"h\\u00e4","x":1.0}],"stop_reason":"end_turn",' +
    '"usage":{"input_tokens":1e0,"output_tokens":2},"from_tomorrow":{"a":[1.500]} } ';
  const head = (type: string, length?: number) =>
    `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nrequest-id: req_vendor\r\nx-api-key: sk-backend\r\n` +
    (length === undefined ? 'Connection: close\r\n\r\n' : `Content-Length: ${length}\r\n\r\n`);

  test('a request is the same but for its model, whatever it holds', async () => {
    const rest =
      '"messages" : [ {"role":"user","content":"h\\u00e4 \\/"} ],\n "max_tokens":10 ,' +
      '"top_k":1.0,"from_tomorrow":{"x":123456789012345678901234567890,"y":[ ]},"speed":"fast"';
    const { head: asked, sent, answer, text } = await exchange(
      `{ "model" : "cloud",${rest} }`,
      head('application/json', whole.length) + whole,
      [
        ['x-api-key', 'sk-caller'],
        ['anthropic-version', '2023-01-01'],
        ['anthropic-beta', 'one-2026-01-01'],
        ['anthropic-beta', 'two-2026-01-01,three-2026-01-01'],
        ['x-app', 'cli'],
        ['cookie', 'secret=1'],
      ],
      '?beta=true',
    );
    expect(sent).toBe(`{ "model" : "claude-sonnet-4-6",${rest} }`);
    const lines = asked.split('\r\n');
    expect(lines[0]).toBe('POST /v1/messages?beta=true HTTP/1.1');
    expect(lines).toContain('anthropic-version: 2023-01-01');
    expect(asked).toMatch(/\r\nanthropic-beta: one-2026-01-01, ?two-2026-01-01, ?three-2026-01-01(\r\n|$)/);
    expect(lines).toContain('x-api-key: sk-backend');
    expect(asked).not.toMatch(/sk-caller|x-app|cookie|authorization|x-request-id|traceparent/i);
    // and so is the answer
    expect(text).toBe(whole.replace('"claude-sonnet-4-6"', '"cloud"'));
    const headers = JSON.stringify([...answer.headers]);
    expect(headers).not.toMatch(/sk-|req_vendor/);
    expect(answer.headers.get('request-id')).toBe(answer.headers.get('x-request-id'));
    expect(answer.headers.get('request-id')).toMatch(/^req_/);
    expect([answer.headers.get('x-router-backend'), answer.headers.get('x-router-model')]).toEqual([
      'cloud',
      'claude-sonnet-4-6',
    ]);
  });

  test('a bearer token is a key as well, and stays here', async () => {
    const { head: asked } = await exchange(
      '{"model":"cloud","max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
      head('application/json', whole.length) + whole,
      [['authorization', 'Bearer sk-caller']],
    );
    expect(asked).toMatch(/x-api-key: sk-backend/);
    expect(asked).not.toMatch(/sk-caller|authorization/i);
    expect(asked).toMatch(/anthropic-version: 2023-06-01/);
    expect(asked).not.toMatch(/anthropic-beta|\?/);
  });

  test('events pass with their names, their spelling and their pings', async () => {
    const stream =
      'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",' +
      '"model":"claude-sonnet-4-6","content":[],"stop_reason":null,"usage":{"input_tokens":3.0,"output_tokens":1}}}\n\n' +
      'event: ping\ndata: {"type": "ping"}\n\n' +
      'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"tomorrow","x":1.50}}\n\n' +
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
      'event: news\ndata: {"type":"news","a":"\\u00e4"}\n\n' +
      'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"pause_turn","stop_sequence":null},"usage":{"output_tokens":2}}\n\n' +
      'event: message_stop\ndata: {"type":"message_stop"}\n\n';
    const { text, answer } = await exchange(
      '{"model":"cloud","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}',
      head('text/event-stream') + stream,
      [['x-api-key', 'sk-caller']],
    );
    expect(text).toBe(stream.replace('"claude-sonnet-4-6"', '"cloud"'));
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  });

  test('an error passes with its details', async () => {
    const details = '{"error_code":"thread_not_found","unsupported":["thread"],"n":1.50}';
    const body = `{"type":"error","error":{"type":"invalid_request_error","message":"thread: gone","details":${details}},"request_id":"req_vendor"}`;
    const { text, answer } = await exchange(
      '{"model":"cloud","max_tokens":9,"thread":{"type":"continue","previous_message_id":"msg_1"},"messages":[]}'.replace(
        '[]',
        '[{"role":"user","content":"x"}]',
      ),
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      [['x-api-key', 'sk-caller']],
    );
    expect(answer.status).toBe(400);
    expect(text).toContain(`"details":${details}`);
    expect(JSON.parse(text)).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'thread: gone' },
      request_id: answer.headers.get('request-id'),
    });
  });
});

// --- message threads --------------------------------------------------------------

describe('a message thread', () => {
  const beta = { 'anthropic-beta': 'message-threads-2026-08-12' };
  const body = (model: string) => ({ model, max_tokens: 50, messages: hello, thread: { type: 'create' } });
  const unsupported = { error_code: 'thread_unsupported_request', unsupported: ['thread'] };

  test('is refused where nobody keeps one, in the words that clients know', async () => {
    const before = (await sim.state('vllm')).requests;
    for (const model of ['local', 'auto', 'qwen2.5-7b']) {
      const answer = await post(body(model), beta);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({
        type: 'error',
        error: { type: 'invalid_request_error', details: unsupported },
      });
    }
    expect((await sim.state('vllm')).requests).toBe(before);
  });

  test('goes to Anthropic as it is', async () => {
    const answer = await post(body('cloud'), beta);
    // the stand-in keeps none either
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as any).error.details).toEqual(unsupported);
    expect((await sim.lastBody('anthropic')).thread).toEqual({ type: 'create' });
    expect((await sim.state('anthropic')).last!.headers['anthropic-beta']).toBe(beta['anthropic-beta']);
  });

  test('is refused before a fallback that would lose it', async () => {
    await sim.fault('anthropic', { fault: 'status=529', count: 1 });
    const answer = await post(body('cloud'), beta);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as any).error.details).toEqual(unsupported);
  });
});

// --- system messages in the middle --------------------------------------------------

describe('system messages among the others', () => {
  const messages = [
    { role: 'user', content: 'Say hello' },
    { role: 'system', content: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }] },
  ];

  test.each(['claude-sonnet-4-6', 'claude-haiku-4-5'])('are said by the user, marked, to %s, which takes none', async (model) => {
    const answer = await message(weir, { model, messages, top_k: 3 });
    expect(answer.stop_reason).toBe('end_turn');
    const sent = await sim.lastBody('anthropic');
    // marked, so that they are not taken for the user's own words
    const text = '<system-reminder>\nBe brief.\n</system-reminder>';
    expect(sent.messages).toEqual([
      messages[0],
      { role: 'user', content: [{ type: 'text', text, cache_control: { type: 'ephemeral' } }] },
    ]);
    expect([sent.model, sent.top_k]).toEqual([model, 3]);
  });

  test('pass to models that take them', async () => {
    await message(weir, { model: 'claude-opus-4-8', messages });
    const { last } = await sim.state('anthropic');
    expect(last!.body).toBe(JSON.stringify({ max_tokens: 4096, model: 'claude-opus-4-8', messages }));
  });

  test('stand before all others for vLLM, never between a call and its result', async () => {
    await message(weir, {
      model: 'local',
      system: 'Be kind.',
      tools: [weather],
      messages: [
        ...ask('What is the weather in Paris?'),
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'sunny' }] },
        { role: 'system', content: 'Be brief.' },
      ],
    });
    const sent = await sim.lastBody('vllm');
    expect(sent.messages.map((m: any) => m.role)).toEqual(['system', 'user', 'assistant', 'tool']);
    expect(sent.messages[0].content).toBe('Be kind.\n\nBe brief.');
  });
});

// --- translated -------------------------------------------------------------------

describe.each([false, true])('to vLLM, stream: %s', (stream) => {
  test('a text', async () => {
    const said = await message(weir, { model: 'local', messages: hello, stream });
    expect(said).toMatchObject({ type: 'message', role: 'assistant', model: 'local', stop_reason: 'end_turn', stop_sequence: null });
    expect(said.id).toMatch(/^msg_/);
    expect(said.content).toEqual([{ type: 'text', text: expect.stringMatching(/hello/i), ...('citations' in said.content[0] ? { citations: null } : {}) }]);
    expect(said.usage.input_tokens).toBeGreaterThan(0);
    expect(said.usage.output_tokens).toBeGreaterThan(0);
  });

  test('several calls at once, their fragments mixed', async () => {
    const said = await message(weir, {
      model: 'local',
      stream,
      tools: [weather, tool('get_time', 'city').messages],
      messages: ask('What is the weather and the time in Paris?\n[[sim: calls=4; interleave]]'),
    });
    expect(said.stop_reason).toBe('tool_use');
    const calls = said.content.filter((block: any) => block.type === 'tool_use');
    expect(calls).toHaveLength(4);
    expect(new Set(calls.map((call: any) => call.id)).size).toBe(4);
    for (const call of calls) {
      expect(call.input.city).toEqual(expect.any(String));
      expect(call.id).toMatch(/^[A-Za-z0-9_-]+$/);
    }
  });

  test('ids that Anthropic would not take become plain ones, and are the same in the next turn', async () => {
    const first = ask('What is the weather in Paris?\n[[sim: odd-ids]]');
    const said = await message(weir, { model: 'local', stream, tools: [weather], messages: first });
    const call = said.content.find((block: any) => block.type === 'tool_use');
    expect(call.id).toMatch(/^[A-Za-z0-9_-]+$/);
    const next = await message(weir, {
      model: 'local',
      stream,
      tools: [weather],
      messages: [
        ...first,
        { role: 'assistant', content: said.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }] },
      ],
    });
    expect(next.stop_reason).toBe('end_turn');
    expect(JSON.stringify(next.content)).toMatch(/sunny/);
  });

  test('thinking, with a signature for clients that insist on one', async () => {
    const said = await message(weir, {
      model: 'local',
      stream,
      thinking: { type: 'adaptive' },
      messages: ask('Say hello\n[[sim: think=1]]'),
    });
    expect(said.content[0]).toMatchObject({ type: 'thinking', signature: expect.stringMatching(/./) });
    expect(said.content[0].thinking).not.toBe('');
    expect(said.content.at(-1).type).toBe('text');
    // it comes back, and the model sees what it thought
    await message(weir, { model: 'local', messages: [...hello, { role: 'assistant', content: said.content }, ...ask('And now?')] });
    expect((await sim.lastBody('vllm')).messages[1].reasoning_content).toBe(said.content[0].thinking);
    // and Anthropic, which did not think it, does not
    await message(weir, { model: 'cloud', messages: [...hello, { role: 'assistant', content: said.content }, ...ask('And now?')] });
    expect((await sim.lastBody('anthropic')).messages[1].content).toEqual([said.content.at(-1)]);
  });

  test('an image, also as a result', async () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    const said = await message(weir, {
      model: 'local',
      stream,
      tools: [tool('look_at', 'path').messages],
      messages: [
        { role: 'user', content: [image, { type: 'text', text: 'What is in this image?' }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look_at', input: { path: 'x' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [image] }] },
      ],
    });
    expect(said.stop_reason).toBe('end_turn');
    const sent = await sim.lastBody('vllm');
    const seen = { type: 'image_url', image_url: { url: pixel } };
    expect(sent.messages[0].content[0]).toEqual(seen);
    expect(sent.messages[2]).toMatchObject({ role: 'tool', tool_call_id: 'toolu_1' });
    expect(sent.messages[3]).toEqual({ role: 'user', content: [seen] });
  });

  test.each([
    ['finish=stop', 'end_turn', null],
    ['finish=length', 'max_tokens', null],
    ['finish=content_filter', 'refusal', null],
    ['finish=tool_calls', 'end_turn', null],
  ])('%s', async (wish, reason, sequence) => {
    const said = await message(weir, { model: 'local', stream, messages: ask(`Say hello\n[[sim: ${wish}]]`) });
    expect([said.stop_reason, said.stop_sequence]).toEqual([reason, sequence]);
  });

  test('a stop sequence is named', async () => {
    const said = await message(weir, {
      model: 'local',
      stream,
      stop_sequences: [', 7'],
      messages: ask('Count from 1 to 30'),
    });
    expect([said.stop_reason, said.stop_sequence]).toEqual(['stop_sequence', ', 7']);
    expect(said.content[0].text).toBe('1, 2, 3, 4, 5, 6');
  });

  test('what a cache has given is told apart', async () => {
    const body = { model: 'local', stream, system: 'The weir keeps what the basin holds. '.repeat(60), messages: hello };
    await message(weir, body);
    const { usage } = await message(weir, body);
    expect(usage.cache_read_input_tokens).toBeGreaterThan(0);
    expect(usage.input_tokens).toBeGreaterThan(0);
    expect(usage.cache_creation_input_tokens).toBe(0);
    const { prompt_tokens } = JSON.parse(
      await (await weir.post({ model: 'local', messages: [{ role: 'system', content: body.system }, ...hello] })).text(),
    ).usage;
    expect(usage.input_tokens + usage.cache_read_input_tokens).toBe(prompt_tokens);
  });

  test.each(['abort', 'error'])('finish=%s is no answer', async (finish) => {
    const answer = await post({ model: 'local', max_tokens: 99, stream, messages: ask(`Say hello\n[[sim: finish=${finish}]]`) });
    const text = await answer.text();
    if (answer.headers.get('x-router-backend') === 'local') {
      // some of it had gone already
      expect(text).toMatch(/event: error/);
      expect(text).not.toMatch(/message_stop/);
    } else {
      // the cloud answers in its place: it knows no such wish
      expect([answer.status, answer.headers.get('x-router-backend')]).toEqual([200, 'cloud']);
    }
  });
});

describe.each([false, true])('from Anthropic, stream: %s', (stream) => {
  test.each([
    ['stop-reason=pause_turn', 'pause_turn'],
    ['stop-reason=model_context_window_exceeded', 'model_context_window_exceeded'],
    ['refusal=2', 'refusal'],
  ])('%s passes', async (wish, reason) => {
    const said = await message(weir, { model: 'cloud', stream, messages: ask(`Count from 1 to 30\n[[sim: ${wish}]]`) });
    expect(said.stop_reason).toBe(reason);
    expect(said.model).toBe('cloud');
  });
});

test('a stream that is silent gets pings', async () => {
  const router = await Weir.start({ VLLM_BASE_URL: sim.vllm, LOCAL_MODEL: 'qwen2.5-7b', COMMENT_INTERVAL: '100ms' });
  try {
    const answer = await router.post(
      { model: 'local', max_tokens: 99, stream: true, messages: ask('Count from 1 to 30\n[[sim: stall=3]]') },
      version,
      '/v1/messages',
    );
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await eventually('two pings', async () => {
      text += (await reader.read()).value;
      return [...text.matchAll(/event: ping\ndata: \{"type":"ping"\}\n\n/g)].length >= 2;
    });
    expect(text).not.toMatch(/keep-alive/);
    await reader.cancel();
  } finally {
    await router.stop();
  }
});

// --- errors --------------------------------------------------------------------

describe('an error', () => {
  const anthropics = async (answer: Response, status: number, type: string) => {
    const text = await answer.text();
    expect(answer.status, text).toBe(status);
    const body = JSON.parse(text);
    expect(body).toEqual({ type: 'error', error: { type, message: expect.any(String) }, request_id: answer.headers.get('request-id') });
    expect(body.request_id).toMatch(/^req_/);
    return body.error.message as string;
  };

  test('of a path, a method, a body or a key has the shape that callers know', async () => {
    await anthropics(await weir.post('{}', version, '/v1/messages/nothing'), 404, 'not_found_error');
    await anthropics(await weir.post('{}', {}, '/v1/messages/nothing'), 404, 'not_found_error');
    await anthropics(await fetch(`${weir.url}/v1/messages`, { headers: version }), 405, 'invalid_request_error');
    expect(await anthropics(await post('{"model":'), 400, 'invalid_request_error')).toMatch(/JSON/);
    expect(await anthropics(await post('[]'), 400, 'invalid_request_error')).toMatch(/object/);
    expect(await anthropics(await post({ model: 'local', messages: hello }), 400, 'invalid_request_error')).toMatch(/^max_tokens/);
    expect(
      await anthropics(await post({ model: 'local', max_tokens: 1, messages: [{ role: 'user', content: [{ type: 'text' }] }] }), 400, 'invalid_request_error'),
    ).toMatch(/^messages\[0\]\.content\[0\]\.text/);
    await anthropics(await post({ model: 'nobody', max_tokens: 1, messages: hello }), 404, 'not_found_error');
    await anthropics(
      await weir.post('x', { ...version, 'content-type': 'text/plain' }, '/v1/messages'),
      415,
      'invalid_request_error',
    );
    const locked = await Weir.configured('keys: [{ name: caller, secret: sk-caller }]\n', Weir.env(sim));
    try {
      const wrong: Record<string, string>[] = [{}, { 'x-api-key': 'sk-wrong' }, { authorization: 'Bearer sk-wrong' }];
      for (const headers of wrong)
        await anthropics(
          await locked.post({ model: 'local', max_tokens: 1, messages: hello }, { ...version, ...headers }, '/v1/messages'),
          401,
          'authentication_error',
        );
      expect(
        (await locked.post({ model: 'local', max_tokens: 1, messages: hello }, { 'x-api-key': 'sk-caller' }, '/v1/messages')).status,
      ).toBe(200);
    } finally {
      await locked.stop();
    }
  });

  test('while the local model is cold and nobody else may answer is overload', async () => {
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    const answer = await post({ model: 'local', max_tokens: 9, messages: hello }, { 'x-router-policy': 'local-only' });
    expect(answer.headers.get('retry-after')).toBe('7');
    await anthropics(answer, 529, 'overloaded_error');
    const cloud = await post({ model: 'local', max_tokens: 9, messages: hello });
    expect([cloud.status, cloud.headers.get('x-router-backend')]).toEqual([200, 'cloud']);
    expect(cloud.headers.get('x-router-reason')).toMatch(/^fallback:/);
    expect(((await cloud.json()) as any).model).toBe('local');
  });

  test('of too much text is one that agents act on', async () => {
    const words = 'all the words there are '.repeat(9000);
    const answer = await post({ model: 'local', max_tokens: 9, messages: ask(words) }, { 'x-router-policy': 'local-only' });
    expect(await anthropics(answer, 400, 'invalid_request_error')).toMatch(/prompt is too long/i);
  });

  test('429 brings its time', async () => {
    await sim.fault('vllm', { fault: 'status=429; retry-after=3', count: 9 });
    const answer = await post({ model: 'local', max_tokens: 9, messages: hello }, { 'x-router-policy': 'local-only' });
    expect(answer.headers.get('retry-after')).toBe('3');
    await anthropics(answer, 429, 'rate_limit_error');
  });

  test.each(['cut', 'end'])('in the middle of a stream is an event, and no message_stop: %s', async (fault) => {
    for (const [target, model] of [['vllm', 'local'], ['anthropic', 'cloud']] as const) {
      await sim.fault(target, { fault: `${fault}=1400`, count: 1 });
      const answer = await post({ model, max_tokens: 999, stream: true, messages: ask('Count from 1 to 200') });
      const text = await answer.text();
      const events = framesOf(text);
      expect(events.at(-1)).toMatchObject({ name: 'error', data: { type: 'error', error: { type: 'api_error' } } });
      expect(events.some(({ name }) => name === 'content_block_delta')).toBe(true);
      expect(text).not.toMatch(/message_stop|message_delta/);
      await sim.fault(target, null);
    }
  });
});

// --- fallback ----------------------------------------------------------------------

describe.each([
  ['local', 'vllm', 'cloud'],
  ['cloud', 'anthropic', 'local'],
] as const)('when %s fails before the first token', (model, target, next) => {
  test.each(['status=500', 'cut=0', 'error=0', 'empty', 'garbage=json'])('%s, the other one answers', async (fault) => {
    for (const stream of [false, true]) {
      await sim.fault(target, { fault, count: 1 });
      const answer = await post({ model, max_tokens: 999, stream, messages: ask('Count from 1 to 30') });
      const text = await answer.text();
      expect([answer.status, answer.headers.get('x-router-backend')], text).toEqual([200, next]);
      expect(answer.headers.get('x-router-reason')).toMatch(/^fallback:/);
      const said = stream ? messageOf(framesOf(text)) : JSON.parse(text);
      expect([said.model, said.content[0].text]).toEqual([model, Array.from({ length: 30 }, (_, i) => i + 1).join(', ')]);
      await localState(weir, 'warm');
    }
  });

  test('a pin holds', async () => {
    await sim.fault(target, { fault: 'status=500', count: 9 });
    const other = target === 'vllm' ? 'anthropic' : 'vllm';
    const before = (await sim.state(other)).requests;
    const answer = await post({ model, max_tokens: 999, messages: hello }, { 'x-router-policy': `${model}-only` });
    expect(answer.status).toBe(500);
    expect(((await answer.json()) as any).error.type).toBe('api_error');
    expect((await sim.state(other)).requests).toBe(before);
  });
});

test('what is left out for vLLM is named, and counted', async () => {
  const answer = await post({
    model: 'local',
    max_tokens: 9,
    metadata: { user_id: 'u' },
    context_management: { edits: [] },
    tools: [{ ...weather, defer_loading: true }],
    messages: hello,
  });
  const dropped = answer.headers.get('x-router-dropped')!.split(', ');
  expect(dropped).toEqual(expect.arrayContaining(['context_management', 'metadata.user_id', 'tools[].defer_loading']));
  expect((await sim.lastBody('vllm')).tools[0]).not.toHaveProperty('defer_loading');
});
