import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatRequest, hello, Raw, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim, { MAX_BODY_BYTES: '1MiB', BODY_TIMEOUT: '1s', HEAD_TIMEOUT: '1s' });
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const head = (length: number, extra = '') =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${extra}\r\n`;

/** Sends a body on a connection, and shows that it serves the next request. */
async function refuses(
  body: string | Uint8Array,
  expected: { status: number; code: string; param?: string | null; message: RegExp },
) {
  const bytes = Buffer.from(body);
  const raw = await Raw.open(weir.port);
  raw.socket.write(head(bytes.length));
  raw.socket.write(bytes);
  const answer = await raw.answer();
  expect(answer.status).toBe(expected.status);
  expect(answer.headers['content-type']).toBe('application/json');
  const { error } = JSON.parse(answer.body);
  expect(error.type).toBe('invalid_request_error');
  expect(error.code).toBe(expected.code);
  expect(error.message).toMatch(expected.message);
  if (expected.param !== undefined) expect(error.param).toBe(expected.param);
  raw.send(chatRequest({ model: 'local', messages: hello }));
  expect((await raw.answer()).status).toBe(200);
  raw.close();
}

const ok = '"messages":[{"role":"user","content":"Say hello"}]';

describe('JSON that is none', () => {
  test.each([
    ['nothing', '', /no body/],
    ['blank', '  \n ', /no body/],
    ['cut off', `{${ok}`, /line 1, column 52/],
    ['a stray comma on line 2', `{\n${ok},,}`, /line 2, column 52/],
    ['single quotes', "{'model':'local'}", /line 1, column 2/],
    ['two values', `{${ok}} {}`, /line 1/],
    ['a NUL byte', `{${ok},"x":"a\u0000b"}`, /line 1/],
    ['NaN', `{${ok},"temperature":NaN}`, /line 1/],
    ['bare text', 'Say hello', /line 1, column 1/],
  ])('%s', async (_what, body, message) => {
    await refuses(body, { status: 400, code: 'invalid_json', param: null, message });
  });

  test('invalid UTF-8', async () => {
    const body = Buffer.concat([
      Buffer.from('{"model":"local","messages":[{"role":"user","content":"'),
      Buffer.from([0xc3, 0x28, 0xff]),
      Buffer.from('"}]}'),
    ]);
    await refuses(body, { status: 400, code: 'invalid_json', message: /UTF-8.*line 1, column 56/ });
  });

  test('nested too deep', async () => {
    await refuses(`{${ok},"x":${'['.repeat(200)}${']'.repeat(200)}}`, {
      status: 400,
      code: 'invalid_json',
      message: /128 levels/,
    });
    await refuses('['.repeat(500_000), { status: 400, code: 'invalid_json', message: /128 levels/ });
  });

  test('too many values', async () => {
    const big = await Weir.between(sim, { MAX_BODY_BYTES: '8MiB' });
    try {
      const answer = await big.post(`{${ok},"x":[${'1,'.repeat(1_100_000)}1]}`);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('1000000 values');
    } finally {
      await big.stop();
    }
  });
});

describe('values of the wrong type', () => {
  test.each([
    ['the whole body', '[1]', null, /must be a JSON object, got an array/],
    ['model', `{${ok},"model":7}`, 'model', /expected a string, got the number 7/],
    ['messages', '{"messages":"hi"}', 'messages', /expected an array, got the string "hi"/],
    ['a message', '{"messages":[5]}', 'messages[0]', /expected an object, got the number 5/],
    ['a role', '{"messages":[{"role":true}]}', 'messages[0].role', /expected a string, got true/],
    ['content', '{"messages":[{"role":"user","content":{}}]}', 'messages[0].content', /a string or an array/],
    [
      'a part',
      '{"messages":[{"role":"user","content":["x"]}]}',
      'messages[0].content[0]',
      /expected an object, got the string "x"/,
    ],
    [
      'a text',
      '{"messages":[{"role":"user","content":[{"type":"text","text":[]}]}]}',
      'messages[0].content[0].text',
      /expected a string, got an array/,
    ],
    ['max_tokens', `{${ok},"max_tokens":"ten"}`, 'max_tokens', /expected a whole number, got the string "ten"/],
    ['a huge max_tokens', `{${ok},"max_tokens":1e400}`, 'max_tokens', /got the number 1e400/],
    ['temperature', `{${ok},"temperature":"hot"}`, 'temperature', /expected a number/],
    ['stream', `{${ok},"stream":"yes"}`, 'stream', /true or false/],
    ['tools', `{${ok},"tools":{}}`, 'tools', /expected an array, got an object/],
    ['a tool', `{${ok},"tools":[{"type":"function","function":4}]}`, 'tools[0].function', /expected an object/],
    ['stop', `{${ok},"stop":[1]}`, 'stop[0]', /expected a string/],
    ['response_format', `{${ok},"response_format":"json"}`, 'response_format', /expected an object/],
    ['stream_options', `{${ok},"stream_options":[]}`, 'stream_options', /expected an object/],
  ])('%s', async (_what, body, param, message) => {
    await refuses(body, { status: 400, code: 'invalid_type', param, message });
  });
});

describe('values that cannot be used', () => {
  test.each([
    ['a role', '{"messages":[{"role":"robot"}]}', 'messages[0].role', /one of system.*got "robot"/],
    ['a tool choice', `{${ok},"tool_choice":"maybe"}`, 'tool_choice', /got "maybe"/],
    ['an effort', `{${ok},"reasoning_effort":"some"}`, 'reasoning_effort', /got "some"/],
    ['no messages', '{"messages":[]}', 'messages', /at least one/],
    ['a field twice', `{"model":"local",${ok},"model":"cloud"}`, 'model', /twice/],
  ])('%s', async (_what, body, param, message) => {
    await refuses(body, { status: 400, code: 'invalid_value', param, message });
  });

  test.each([
    ['messages', '{"model":"local"}', 'messages'],
    ['messages, null', '{"messages":null}', 'messages'],
    ['a role', '{"messages":[{"content":"x"}]}', 'messages[0].role'],
    ['a part’s type', '{"messages":[{"role":"user","content":[{}]}]}', 'messages[0].content[0].type'],
    ['a tool’s name', `{${ok},"tools":[{"type":"function","function":{}}]}`, 'tools[0].function.name'],
  ])('%s is missing', async (_what, body, param) => {
    await refuses(body, {
      status: 400,
      code: 'missing_required_parameter',
      param,
      message: /required/,
    });
  });

  test('a result without its call', async () => {
    await refuses(
      '{"model":"cloud","messages":[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"zz","content":"1"}]}',
      {
        status: 400,
        code: 'invalid_value',
        param: 'messages[1].tool_call_id',
        message: /no tool call with the id "zz"/,
      },
    );
  });
});

describe('bodies', () => {
  test('a wrong content type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx']) {
      const answer = await weir.post({ messages: hello }, { 'content-type': type });
      expect(answer.status).toBe(415);
      expect(await answer.json()).toMatchObject({ error: { code: 'unsupported_media_type' } });
    }
    const fine = await weir.post(
      { model: 'local', messages: hello },
      { 'content-type': 'Application/JSON; charset=utf-8' },
    );
    expect(fine.status).toBe(200);
  });

  test('a compressed body', async () => {
    const answer = await weir.post({ messages: hello }, { 'content-encoding': 'gzip' });
    expect(answer.status).toBe(415);
  });

  test('too large, and it says so before the body has come', async () => {
    const raw = await Raw.open(weir.port);
    raw.send(head(1024 * 1024 + 1));
    const answer = await raw.answer();
    expect(answer.status).toBe(413);
    expect(answer.headers.connection).toBe('close');
    expect(JSON.parse(answer.body).error.code).toBe('request_too_large');
    await raw.whenClosed();
  });

  test('too large, in chunks', async () => {
    const raw = await Raw.open(weir.port);
    raw.send(
      'POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (let i = 0; i < 9; i++) raw.send(`20000\r\n${' '.repeat(0x20000)}\r\n`);
    const answer = await raw.answer();
    expect(answer.status).toBe(413);
    await raw.whenClosed();
  });

  test('the largest that is allowed', async () => {
    const text = 'x'.repeat(1024 * 1024 - 100);
    const answer = await weir.post(
      { model: 'cloud', messages: [{ role: 'user', content: text }] },
      {},
      '/v1/route',
    );
    expect(answer.status).toBe(200);
  });

  test('a body that ends early', async () => {
    const raw = await Raw.open(weir.port);
    raw.send(head(100) + '{"messages":');
    raw.socket.end();
    const answer = await raw.answer();
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).error.code).toBe('body_truncated');
  });

  test('a body that never comes', async () => {
    const raw = await Raw.open(weir.port);
    raw.send(head(100) + '{"messages":');
    const answer = await raw.answer();
    expect(answer.status).toBe(408);
    await raw.whenClosed();
  });

  test('a head that never ends', async () => {
    const raw = await Raw.open(weir.port);
    raw.send('POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nX-Slow: ');
    const answer = await raw.answer();
    expect(answer.status).toBe(408);
    await raw.whenClosed();
  });

  test('a head that is too large', async () => {
    const raw = await Raw.open(weir.port);
    raw.send(`GET /health HTTP/1.1\r\nHost: t\r\nX-Big: ${'a'.repeat(70_000)}\r\n\r\n`);
    const answer = await raw.answer();
    expect(answer.status).toBe(431);
    await raw.whenClosed();
  });

  test('too many headers', async () => {
    const raw = await Raw.open(weir.port);
    const many = Array.from({ length: 200 }, (_, i) => `X-${i}: 1\r\n`).join('');
    raw.send(`GET /health HTTP/1.1\r\n${many}\r\n`);
    expect((await raw.answer()).status).toBe(431);
  });
});

describe('framing that two readers could take for two messages', () => {
  const line = 'POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n';
  test.each([
    ['both lengths', `${line}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `${line}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ['a signed length', `${line}Content-Length: +5\r\n\r\nhello`],
    ['a length that is none', `${line}Content-Length: 5x\r\n\r\nhello`],
    ['a line that is continued', `${line}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`],
    ['white space before the colon', `${line}Content-Length : 5\r\n\r\nhello`],
    ['a bare LF', `${line.replaceAll('\r\n', '\n')}Content-Length: 0\n\n`],
    ['a NUL in a header', `${line}X-A: a\0b\r\n\r\n`],
    ['a chunk size that is none', `${line}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
    ['another coding', `${line}Transfer-Encoding: gzip, chunked, gzip\r\n\r\n`],
    ['no HTTP at all', 'hello there\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s is refused, and the connection closed', async (_what, bytes) => {
    const raw = await Raw.open(weir.port);
    raw.send(bytes);
    const answer = await raw.answer();
    expect(answer.status).toBe(400);
    expect(answer.headers.connection).toBe('close');
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'bad_http' } });
    await raw.whenClosed();
  });
});

test('after all that the router is well', async () => {
  const answer = await weir.post({ model: 'local', messages: hello });
  expect(answer.status).toBe(200);
});
