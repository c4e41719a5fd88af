/** The stand-in takes what Langfuse's own libraries send, and nothing that is
 * wrong: so what it takes from the router, Langfuse would take, too. */
import { LangfuseSpanProcessor } from '@langfuse/otel';
import { propagateAttributes, setLangfuseTracerProvider, startObservation } from '@langfuse/tracing';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { Langfuse as Client } from 'langfuse';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { keys, Langfuse } from './langfuse-stand-in.ts';

let langfuse: Langfuse;

beforeAll(async () => {
  langfuse = await Langfuse.open();
});
afterAll(async () => {
  await langfuse?.close();
});
afterEach(() => langfuse.reset());

test('spans of the library for OpenTelemetry', async () => {
  const provider = new BasicTracerProvider({
    spanProcessors: [
      new LangfuseSpanProcessor({
        ...keys,
        baseUrl: langfuse.url,
        environment: 'production',
        release: 'v7',
        additionalHeaders: { 'x-langfuse-ingestion-version': '4' },
      }),
    ],
  });
  setLangfuseTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  await propagateAttributes(
    { userId: 'u-1', sessionId: 's-1', tags: ['a', 'b'], traceName: 'chat.completions', version: '0.1.0' },
    async () => {
      const began = new Date();
      startObservation(
        'chat.completions',
        {
          model: 'claude-haiku-4-5',
          modelParameters: { temperature: 0.5, max_tokens: 20 },
          usageDetails: { input: 5, output: 3, cache_read_input_tokens: 2, total: 10 },
          costDetails: { total: 0.0012345 },
          completionStartTime: began,
          level: 'WARNING',
          statusMessage: 'fallback:connect',
          metadata: { router_backend: 'cloud', router_tries: 2 },
          input: [{ role: 'user', content: 'h' }],
          output: { content: 'ok' },
        },
        { asType: 'generation', startTime: began },
      ).end();
    },
  );
  await provider.forceFlush();
  await provider.shutdown();
  expect(langfuse.seen).toMatchObject([{ path: '/api/public/otel/v1/traces', status: 200, count: 1 }]);
  expect(langfuse.observations).toMatchObject([
    {
      type: 'generation',
      name: 'chat.completions',
      traceName: 'chat.completions',
      model: 'claude-haiku-4-5',
      parameters: { temperature: 0.5, max_tokens: 20 },
      usage: { input: 5, output: 3, cache_read_input_tokens: 2, total: 10 },
      cost: { total: 0.0012345 },
      level: 'WARNING',
      message: 'fallback:connect',
      environment: 'production',
      release: 'v7',
      version: '0.1.0',
      user: 'u-1',
      session: 's-1',
      tags: ['a', 'b'],
      input: [{ role: 'user', content: 'h' }],
      output: { content: 'ok' },
      metadata: { router_backend: 'cloud' },
    },
  ]);
});

test('events of the library for the batch interface', async () => {
  const client = new Client({ ...keys, baseUrl: langfuse.url, environment: 'production', release: 'v7', flushAt: 10 });
  const trace = client.trace({ name: 'chat.completions', userId: 'u-1', sessionId: 's-1', tags: ['a'], version: '0.1.0' });
  const began = new Date();
  trace.generation({
    name: 'chat.completions',
    startTime: began,
    completionStartTime: began,
    endTime: new Date(),
    model: 'qwen2.5-7b',
    modelParameters: { temperature: 0.5 },
    usageDetails: { input: 5, output: 3, total: 8 },
    costDetails: { total: 0.1 },
    level: 'ERROR',
    statusMessage: 'connect: refused',
    metadata: { router_backend: 'local' },
    input: 'h',
    output: 'ok',
  });
  await client.shutdownAsync();
  expect(langfuse.seen).toMatchObject([{ path: '/api/public/ingestion', status: 207, count: 2 }]);
  expect(langfuse.observations).toMatchObject([
    {
      traceId: trace.id,
      name: 'chat.completions',
      traceName: 'chat.completions',
      model: 'qwen2.5-7b',
      usage: { input: 5, output: 3, total: 8 },
      cost: { total: 0.1 },
      level: 'ERROR',
      message: 'connect: refused',
      environment: 'production',
      release: 'v7',
      user: 'u-1',
      session: 's-1',
      tags: ['a'],
      metadata: { router_backend: 'local' },
    },
  ]);
});

// --- what it refuses --------------------------------------------------------------------

const headers = {
  authorization: `Basic ${btoa(`${keys.publicKey}:${keys.secretKey}`)}`,
  'content-type': 'application/json',
  'x-langfuse-ingestion-version': '4',
};

/** A span that is right, with some of it changed. */
function body(change: object, attributes: object[] = []): object {
  const span = {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    name: 'chat.completions',
    kind: 2,
    startTimeUnixNano: '1795654923000000000',
    endTimeUnixNano: '1795654925500000000',
    attributes: [{ key: 'langfuse.observation.type', value: { stringValue: 'generation' } }, ...attributes],
    ...change,
  };
  const scope = { name: 'weir', version: '0.1.0' };
  return { resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope, spans: [span] }] }] };
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

test.each([
  ['nothing', body({}), {}, 200],
  ['keys', body({}), { authorization: 'Basic eDp5' }, 401],
  ['the content type', body({}), { 'content-type': 'text/plain' }, 400],
  ['the version of ingestion', body({}), { 'x-langfuse-ingestion-version': '5' }, 400],
  ['a trace id', body({ traceId: '4BF92F3577B34DA6A3CE929D0E0E4736' }), {}, 400],
  ['a span id', body({ spanId: '0000000000000000' }), {}, 400],
  ['a time', body({ startTimeUnixNano: 1795654923000000000 }), {}, 400],
  ['the order of times', body({ startTimeUnixNano: '1795654926000000000' }), {}, 400],
  ['a member', body({ output: 'x' }), {}, 400],
  ['an attribute', body({}, [text('langfuse.observation.model', 'x')]), {}, 400],
  ['an attribute of others', body({}, [text('gen_ai.request.model', 'x')]), {}, 400],
  ['two attributes of one name', body({}, [text('user.id', 'x'), text('user.id', 'y')]), {}, 400],
  ['the level', body({}, [text('langfuse.observation.level', 'error')]), {}, 400],
  ['a date', body({}, [text('langfuse.observation.completion_start_time', 'yesterday')]), {}, 400],
  ['usage', body({}, [text('langfuse.observation.usage_details', '{"input":5,"output":1,"total":7}')]), {}, 400],
  ['cost', body({}, [text('langfuse.observation.cost_details', '{"total":"1"}')]), {}, 400],
  ['the environment', body({}, [text('langfuse.environment', 'langfuse-x')]), {}, 400],
  ['a user', body({}, [text('user.id', 'x'.repeat(201))]), {}, 400],
  ['metadata', body({}, [text('langfuse.observation.metadata', '[1]')]), {}, 400],
])('what is wrong with %s', async (_what, json, other, status) => {
  const answer = await fetch(`${langfuse.url}/api/public/otel/v1/traces`, {
    method: 'POST',
    headers: { ...headers, ...other },
    body: JSON.stringify(json),
  });
  expect(answer.status).toBe(status);
  expect(langfuse.observations).toHaveLength(status === 200 ? 1 : 0);
  expect(langfuse.problems).toHaveLength(status === 400 ? 1 : 0);
  langfuse.problems.length = 0;
});

test('a span that comes twice is a problem', async () => {
  for (let i = 0; i < 2; i++)
    await fetch(`${langfuse.url}/api/public/otel/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body({})) });
  expect(langfuse.problems).toEqual(['00f067aa0ba902b7 came twice']);
  langfuse.problems.length = 0;
});

test('events have a fate each', async () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const timestamp = '2026-11-26T01:02:03.000Z';
  const trace = { id: 'e-1', timestamp, type: 'trace-create', body: { id, timestamp } };
  const generation = { id: 'e-2', timestamp, type: 'generation-create', body: { id: 'g', traceId: id, name: 'n' } };
  const answer = await fetch(`${langfuse.url}/api/public/ingestion`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ batch: [trace, generation, { ...trace, id: 'e-3', type: 'trace-made' }] }),
  });
  expect(answer.status).toBe(207);
  expect(await answer.json()).toMatchObject({
    successes: [{ id: 'e-1', status: 201 }],
    errors: [
      { id: 'e-2', status: 400 }, // it has no startTime
      { id: 'e-3', status: 400 },
    ],
  });
  expect(langfuse.problems).toHaveLength(2);
  langfuse.problems.length = 0;
});
