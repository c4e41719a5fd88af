// W3C Trace Context through the router: what callers send, what backends get
// and what comes back.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawBackend } from './backend.ts';
import { chatRequest, hello, Raw, Weir } from './harness.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';
const parent = (flags: string, version = '00') => `${version}-${trace}-${span}-${flags}`;

/** One backend of each tier; both speak like OpenAI's. */
let near: RawBackend;
let far: RawBackend;
let weir: Weir | undefined;
/** The heads of what they were asked, in order. */
let asked: { who: string; lines: string[] }[];

const chat = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});

const says = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** Notes what it is asked; the first `failures` answers are a 500. */
function listen(who: string, backend: RawBackend, failures = 0): void {
  let left = failures;
  backend.answer = (socket, request) => {
    asked.push({ who, lines: request.split('\r\n\r\n')[0]!.split('\r\n') });
    socket.write(left-- > 0 ? says('500 Oops', '{"error":{}}') : says('200 OK', chat));
  };
}

beforeEach(async () => {
  asked = [];
  near = await RawBackend.open();
  far = await RawBackend.open();
  listen('near', near);
  listen('far', far);
});
afterEach(async () => {
  await weir?.stop();
  weir = undefined;
  near.close();
  far.close();
});

async function start(
  env: Record<string, string> = {},
  options: { near?: string; far?: string; more?: string } = {},
): Promise<Weir> {
  weir = await Weir.configured(
    `backends:
  - { name: near, tier: local, url: ${near.url}, models: [{ name: m }]${options.near ?? ''} }
  - { name: far, tier: cloud, dialect: openai, url: ${far.url}, models: [{ name: c }], default_model: c${options.far ?? ''} }
${options.more ?? ''}`,
    env,
  );
  return weir;
}

/** The values of a header that a backend got, as often as it is there. */
function got(name: string, at = 0): string[] {
  return asked[at]!.lines
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());
}

/** The parts of the only traceparent that a backend got. */
function parts(at = 0): { trace: string; span: string; flags: string } {
  const values = got('traceparent', at);
  expect(values).toHaveLength(1);
  return split(values[0]!);
}

function split(value: string | null): { trace: string; span: string; flags: string } {
  const found = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])$/.exec(value ?? '');
  expect(found, `a traceparent: ${value}`).not.toBeNull();
  return { trace: found![1]!, span: found![2]!, flags: found![3]! };
}

async function ask(headers: Record<string, string> = {}, model = 'm'): Promise<Response> {
  const answer = await weir!.post({ model, messages: hello }, headers);
  expect(answer.status).toBe(200);
  await answer.text();
  return answer;
}

/** With header lines that fetch would not send so. */
async function askRaw(lines: string): Promise<void> {
  const raw = await Raw.open(weir!.port);
  raw.send(chatRequest({ model: 'm', messages: hello }).replace('Host: test\r\n', `Host: test\r\n${lines}`));
  expect((await raw.answer()).status).toBe(200);
  raw.close();
}

describe('a caller’s trace', () => {
  test('goes on, with a span for the request and one for the try', async () => {
    await start();
    const answer = await ask({ traceparent: parent('03'), tracestate: 'rojo=1,congo=t61rcWkgMzE' });
    const back = split(answer.headers.get('traceparent'));
    const there = parts();
    expect([back.trace, there.trace]).toEqual([trace, trace]);
    expect([back.flags, there.flags]).toEqual(['03', '03']);
    expect(new Set([span, back.span, there.span]).size).toBe(3);
    expect(got('tracestate')).toEqual(['rojo=1,congo=t61rcWkgMzE']);
    const line = await weir!.logged(answer.headers.get('x-request-id')!);
    expect(line.trace).toBe(trace);
  });

  test('of two tries both are in it, under spans of their own', async () => {
    await start();
    listen('near', near, 1);
    const answer = await ask({ traceparent: parent('01'), tracestate: 'a=1' }, 'local');
    expect(answer.headers.get('x-router-reason')).toBe('fallback:500');
    expect(asked.map((a) => a.who)).toEqual(['near', 'far']);
    expect(got('traceparent', 1)).toEqual([]); // the cloud is told nothing
    expect(parts(0)).toMatchObject({ trace, flags: '01' });
  });

  test('reaches a cloud backend that is to have it, in a fallback too', async () => {
    await start({}, { far: ', traceparent: true' });
    listen('near', near, 1);
    const answer = await ask({ traceparent: parent('01'), tracestate: 'a=1' }, 'local');
    const spans = [split(answer.headers.get('traceparent')).span, parts(0).span, parts(1).span];
    expect(new Set([span, ...spans]).size).toBe(4);
    expect([parts(0).trace, parts(1).trace]).toEqual([trace, trace]);
    expect(got('tracestate', 1)).toEqual(['a=1']);
  });

  test('does not reach a local backend that is not to have it', async () => {
    await start({}, { near: ', traceparent: false' });
    const answer = await ask({ traceparent: parent('01'), tracestate: 'a=1' });
    expect(split(answer.headers.get('traceparent')).trace).toBe(trace);
    expect([...got('traceparent'), ...got('tracestate')]).toEqual([]);
  });

  test.each([
    ['not recorded', parent('00'), '00'],
    ['recorded', parent('01'), '01'],
    ['with a random id', parent('02'), '02'],
    ['with bits that nobody knows yet', parent('fd'), '01'],
    ['of a later version', parent('01-what-comes', 'cc'), '01'],
  ])('keeps its flags: %s', async (_what, traceparent, flags) => {
    await start();
    const answer = await ask({ traceparent });
    expect(parts()).toMatchObject({ trace, flags });
    expect(split(answer.headers.get('traceparent'))).toMatchObject({ trace, flags });
  });

  test('goes on for streams as for whole answers', async () => {
    await start();
    near.answer = (socket, request) => {
      asked.push({ who: 'near', lines: request.split('\r\n\r\n')[0]!.split('\r\n') });
      const chunk = JSON.stringify({
        id: 'x', object: 'chat.completion.chunk', model: 'm',
        choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }],
      });
      const body = `data: ${chunk}\n\ndata: [DONE]\n\n`;
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    };
    const answer = await weir!.post(
      { model: 'm', messages: hello, stream: true },
      { traceparent: parent('01') },
    );
    expect(await answer.text()).toContain('Hi');
    expect(parts()).toMatchObject({ trace, flags: '01' });
  });

  test('is named in a refusal, too', async () => {
    await start();
    const answer = await weir!.post('{', { traceparent: parent('01') });
    expect(answer.status).toBe(400);
    expect(split(answer.headers.get('traceparent'))).toMatchObject({ trace, flags: '01' });
  });
});

describe('a trace begins here', () => {
  test('when nobody sends one', async () => {
    await start();
    const answer = await ask({ tracestate: 'a=1' });
    const back = split(answer.headers.get('traceparent'));
    expect(back.flags).toBe('03'); // recorded, and all of the id is random
    expect(parts()).toMatchObject({ trace: back.trace, flags: '03' });
    expect(parts().span).not.toBe(back.span);
    expect(got('tracestate')).toEqual([]); // whose, without a trace?
    await ask();
    expect(parts(1).trace).not.toBe(back.trace);
  });

  test.each([
    ['another version’s marker', parent('01', 'ff')],
    ['upper case', parent('01').toUpperCase()],
    ['no trace', `00-${'0'.repeat(32)}-${span}-01`],
    ['no span', `00-${trace}-${'0'.repeat(16)}-01`],
    ['too much for version 00', parent('01-x')],
    ['too little', parent('0')],
    ['nothing', ' '],
  ])('when what is sent is none: %s', async (_what, traceparent) => {
    await start();
    await ask({ traceparent, tracestate: 'a=1' });
    expect(parts().trace).not.toBe(trace);
    expect(parts().flags).toBe('03');
    expect(got('tracestate')).toEqual([]);
  });

  test('when there are two', async () => {
    await start();
    await askRaw(`traceparent: ${parent('01')}\r\nTraceparent: ${parent('01')}\r\n`);
    expect(parts().trace).not.toBe(trace);
  });
});

describe('tracestate', () => {
  test('of several fields becomes one', async () => {
    await start();
    await askRaw(`traceparent: ${parent('01')}\r\ntracestate: a=1\r\nTraceState: b=2,,c=3\r\n`);
    expect(got('tracestate')).toEqual(['a=1,b=2,,c=3']);
  });

  test.each(['A=1', 'a', 'a=1,b=', 'a=1,=2', Array.from({ length: 33 }, (_, i) => `k${i}=1`).join()])(
    'that is none is dropped, and the trace goes on: %s',
    async (tracestate) => {
      await start();
      await ask({ traceparent: parent('01'), tracestate });
      expect(parts().trace).toBe(trace);
      expect(got('tracestate')).toEqual([]);
    },
  );

  test('that is too long loses whole members', async () => {
    await start();
    const member = (key: string, length: number) => `${key}=${'x'.repeat(length - 2)}`;
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const long = keys.map((key) => member(key, key === 'b' ? 200 : 110));
    await ask({ traceparent: parent('01'), tracestate: long.join() });
    expect(got('tracestate')).toEqual([[long[0], ...long.slice(2)].join()]);
  });
});

describe('who decides what is recorded', () => {
  const flagsOf = async (traceparent?: string): Promise<string> => {
    asked.length = 0;
    const answer = await ask(traceparent ? { traceparent } : {});
    expect(split(answer.headers.get('traceparent')).flags).toBe(parts().flags);
    return parts().flags;
  };

  test.each([
    // sampler, without a parent, of one that is recorded, of one that is not
    ['always_on', '03', '01', '01'],
    ['always_off', '02', '00', '00'],
    ['parentbased_always_on', '03', '01', '00'],
    ['parentbased_always_off', '02', '01', '00'],
    ['nonsense', '03', '01', '00'],
  ])('%s', async (sampler, none, yes, no) => {
    await start({ OTEL_TRACES_SAMPLER: sampler });
    expect([await flagsOf(), await flagsOf(parent('01')), await flagsOf(parent('00'))]).toEqual([none, yes, no]);
    const warned = weir!.log.some((line) => line.includes('OTEL_TRACES_SAMPLER'));
    expect(warned).toBe(sampler === 'nonsense');
  });

  test('a ratio, by the id', async () => {
    await start({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' });
    const of = (id: string) => flagsOf(`00-${id}-${span}-00`);
    expect(await of(`${'0'.repeat(18)}80000000000000`)).toBe('01');
    expect(await of(`${'f'.repeat(18)}7fffffffffffff`)).toBe('00');
  });

  test('a caller’s decision can be left out of account', async () => {
    await start({ TELEMETRY_INCOMING_TRACE: 'resample', OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    expect(await flagsOf(parent('03'))).toBe('02');
    expect(parts().trace).toBe(trace);
  });

  test('and so can its trace', async () => {
    await start({}, { more: 'telemetry: { incoming_trace: restart }\n' });
    await ask({ traceparent: parent('00'), tracestate: 'a=1' });
    expect(parts().trace).not.toBe(trace);
    expect(parts().flags).toBe('03');
    expect(got('tracestate')).toEqual([]);
  });
});

describe('what the environment switches off', () => {
  test('the SDK: a caller’s context passes as it came, and none begins here', async () => {
    await start({ OTEL_SDK_DISABLED: 'true' });
    await ask({ traceparent: parent('03'), tracestate: 'a=1' });
    expect(got('traceparent')).toEqual([parent('03')]);
    expect(got('tracestate')).toEqual(['a=1']);
    await ask();
    expect(got('traceparent', 1)).toEqual([]);
  });

  test('the propagators: nothing comes in or goes out', async () => {
    await start({ OTEL_PROPAGATORS: 'none' });
    const answer = await ask({ traceparent: parent('01'), tracestate: 'a=1' });
    expect([...got('traceparent'), ...got('tracestate')]).toEqual([]);
    expect(split(answer.headers.get('traceparent')).trace).not.toBe(trace);
  });

  test('baggage goes nowhere in any case', async () => {
    await start({ OTEL_PROPAGATORS: 'tracecontext,baggage' });
    await ask({ traceparent: parent('01'), baggage: 'who=me' });
    expect(parts().trace).toBe(trace);
    expect(asked[0]!.lines.join('\n')).not.toContain('who=me');
  });
});

test('a bad setting is named, with what may stand there', async () => {
  await expect(start({ TELEMETRY_INCOMING_TRACE: 'trust' })).rejects.toThrow(
    /TELEMETRY_INCOMING_TRACE: read "trust", expected continue, resample or restart/,
  );
});
