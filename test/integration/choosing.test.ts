import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hello, long, pixel, Sim, weather, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim);
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

/** Who answered, as the response headers have it. */
async function decision(body: object, headers: Record<string, string> = {}, at = weir) {
  const answer = await at.post({ messages: hello, ...body }, headers);
  expect(answer.status).toBe(200);
  const json = (await answer.json()) as OpenAI.ChatCompletion;
  expect(json.object).toBe('chat.completion');
  return {
    backend: answer.headers.get('x-router-backend'),
    target: answer.headers.get('x-router-target'),
    served: answer.headers.get('x-router-model'),
    reason: answer.headers.get('x-router-reason'),
    echoed: json.model,
  };
}

describe('names', () => {
  test('local goes to the local tier', async () => {
    expect(await decision({ model: 'local' })).toEqual({
      backend: 'local',
      target: 'vllm',
      served: 'qwen2.5-7b',
      reason: 'explicit',
      echoed: 'local',
    });
  });

  test('the local model’s own name goes to the local tier', async () => {
    expect(await decision({ model: 'qwen2.5-7b' })).toMatchObject({
      backend: 'local',
      served: 'qwen2.5-7b',
      reason: 'explicit',
      echoed: 'qwen2.5-7b',
    });
  });

  test.each(['cloud', 'claude'])('%s goes to the cloud’s default model', async (model) => {
    expect(await decision({ model })).toEqual({
      backend: 'cloud',
      target: 'anthropic',
      served: 'claude-sonnet-4-6',
      reason: 'explicit',
      echoed: model,
    });
  });

  test.each(['claude-haiku-4-5', 'claude-opus-5-5', 'claude-haiku-4-5-20251001'])(
    '%s goes to the cloud under its own name',
    async (model) => {
      expect(await decision({ model })).toMatchObject({
        backend: 'cloud',
        served: model,
        reason: 'explicit',
        echoed: model,
      });
      expect((await sim.lastBody('anthropic')).model).toBe(model);
    },
  );

  test('an unknown name is refused with the known ones', async () => {
    const error = await weir
      .openai()
      .chat.completions.create({ model: 'gpt-4o', messages: hello })
      .catch((e) => e);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
      type: 'invalid_request_error',
    });
    expect(error.message).toContain('gpt-4o');
    expect(error.message).toContain('qwen2.5-7b');
    expect(error.requestID).toMatch(/^req_/);
  });
});

describe('auto', () => {
  test('a short request is local', async () => {
    expect(await decision({ model: 'auto' })).toMatchObject({
      backend: 'local',
      reason: 'rule:short',
      echoed: 'auto',
    });
  });

  test('no model at all is auto', async () => {
    expect(await decision({})).toMatchObject({ backend: 'local', reason: 'rule:short' });
    expect((await sim.lastBody('vllm')).model).toBe('qwen2.5-7b');
    expect(await decision({ model: null })).toMatchObject({ backend: 'local' });
  });

  test('about 1,075 tokens with max_tokens 2000 are for the cloud', async () => {
    expect(await decision({ model: 'auto', messages: long, max_tokens: 2000 })).toMatchObject({
      backend: 'cloud',
      served: 'claude-sonnet-4-6',
      reason: 'rule:long-prompt',
    });
  });

  test('a long answer is for the cloud, on the token', async () => {
    expect(await decision({ max_tokens: 512 })).toMatchObject({ backend: 'local' });
    expect(await decision({ max_tokens: 513 })).toMatchObject({
      backend: 'cloud',
      reason: 'rule:long-answer',
    });
    expect(await decision({ max_completion_tokens: 513, max_tokens: 5 })).toMatchObject({
      backend: 'cloud',
    });
  });

  test('the prompt threshold is on the token, over all text', async () => {
    const exactly = (chars: number) => [
      { role: 'system', content: 'x'.repeat(1000) },
      { role: 'user', content: [{ type: 'text', text: 'y'.repeat(chars - 1000) }] },
    ];
    expect(await decision({ messages: exactly(4000) })).toMatchObject({ backend: 'local' });
    expect(await decision({ messages: exactly(4001) })).toMatchObject({ backend: 'cloud' });
  });
});

describe('the thresholds of the environment', () => {
  test('decide instead of the default ones', async () => {
    const other = await Weir.between(sim, {
      LOCAL_TOKEN_THRESHOLD: '2',
      LOCAL_MAX_TOKENS_THRESHOLD: '100',
    });
    try {
      const route = async (body: object) =>
        (await (await other.post(body, {}, '/v1/route')).json()) as any;
      expect(await route({ messages: [{ role: 'user', content: '12345678' }], max_tokens: 100 }))
        .toMatchObject({ backend: 'local', estimated_prompt_tokens: 2 });
      expect(await route({ messages: [{ role: 'user', content: '123456789' }], max_tokens: 100 }))
        .toMatchObject({ backend: 'cloud', reason: 'rule:long-prompt', estimated_prompt_tokens: 3 });
      expect(await route({ messages: hello.map((m) => ({ ...m, content: 'hi' })), max_tokens: 101 }))
        .toMatchObject({ backend: 'cloud', reason: 'rule:long-answer' });
    } finally {
      await other.stop();
    }
  });
});

describe('POST /v1/route', () => {
  test('it takes every format, by its name', async () => {
    const bodies = {
      chat: { messages: hello },
      responses: { input: 'Say hello' },
      messages: { max_tokens: 10, system: 'Be short', messages: hello },
      completions: { prompt: 'Say hello' },
    };
    for (const [format, body] of Object.entries(bodies)) {
      const answer = await weir.post({ model: 'local', ...body }, {}, `/v1/route?format=${format}`);
      expect(await answer.json()).toMatchObject({ requested: 'local', backend: 'local', reason: 'explicit' });
    }
    const wrong = await weir.post({ model: 'local', messages: hello }, {}, '/v1/route?format=soap');
    expect(wrong.status).toBe(400);
    expect(((await wrong.json()) as any).error.message).toContain('expected format=chat, responses, messages');
  });

  test('tells the decision and its reasons without calling anyone', async () => {
    const before = [(await sim.state('vllm')).requests, (await sim.state('anthropic')).requests];
    const answer = await weir.post({ model: 'auto', messages: long }, {}, '/v1/route');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      requested: 'auto',
      backend: 'cloud',
      target: 'anthropic',
      model: 'claude-sonnet-4-6',
      reason: 'rule:long-prompt',
      policy: null,
      estimated_prompt_tokens: 1075,
      max_tokens: 512,
      targets: [
        { backend: 'cloud', ready: true, replicas: [{ replica: 0, in_flight: 0 }] },
        { backend: 'local', target: 'vllm', reason: 'fallback', ready: true },
      ],
    });
    const chats = async (target: 'vllm' | 'anthropic') => (await sim.state(target)).last?.path;
    expect(await chats('anthropic')).not.toContain('route');
    expect((await sim.state('anthropic')).requests).toBe(before[1]);
  });

  test('refuses what a chat would refuse', async () => {
    const answer = await weir.post({ model: 'gpt-4o', messages: hello }, {}, '/v1/route');
    expect(answer.status).toBe(404);
  });
});

describe('pins', () => {
  test('local-only sends a long request to the local tier', async () => {
    expect(
      await decision({ messages: long, max_tokens: 2000 }, { 'x-router-policy': 'local-only' }),
    ).toMatchObject({ backend: 'local', reason: 'pin' });
  });

  test('cloud-only sends a short request to the cloud', async () => {
    expect(await decision({}, { 'x-router-policy': 'cloud-only' })).toMatchObject({
      backend: 'cloud',
      reason: 'pin',
    });
  });

  test('a name of the tier that the pin forbids is refused', async () => {
    const answer = await weir.post(
      { model: 'claude-haiku-4-5', messages: hello },
      { 'x-router-policy': 'local-only' },
    );
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'policy_conflict' } });
  });

  test('a policy that cannot be read does not mean anywhere', async () => {
    for (const policy of ['local', 'localonly', '', 'local-only, cloud-only']) {
      const answer = await weir.post({ messages: hello }, { 'x-router-policy': policy });
      expect(answer.status, policy).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { code: 'invalid_policy' } });
    }
  });
});

describe('a code model beside the general one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-choosing-'));
  let code: Sim;
  let pair: Weir;

  beforeAll(async () => {
    code = await Sim.start('--model', 'Qwen/Qwen2.5-Coder-32B-Instruct');
    const file = join(folder, 'weir.yaml');
    writeFileSync(
      file,
      `backends:
  - name: general
    tier: local
    url: ${sim.vllm}
    models: [{ name: qwen2.5-7b, context_window: 1000, max_output: 400, images: false, thinking: false }]
  - name: coder
    tier: local
    url: ${code.vllm}
    models:
      - { name: coder, upstream: Qwen/Qwen2.5-Coder-32B-Instruct, context_window: 32768, images: false }
  - name: vectors
    tier: local
    url: ${code.vllm}
    models: [{ name: embed, serves: embeddings }]
  - name: anthropic
    tier: cloud
    url: ${sim.anthropic}
    api_key: sk-test
    default_model: claude-sonnet-4-6
rules:
  - name: agents
    when: { tool: '^(Bash|Edit|apply_patch|shell)$' }
    use: coder
  - name: small-claude
    when: { model: 'claude-haiku-*' }
    use: coder
  - name: code
    when: { text: '(?i)\\b(python|typescript|stack trace)\\b' }
    use: coder
`,
    );
    pair = await Weir.start({}, '--config', file);
  });
  afterAll(async () => {
    await pair?.stop();
    await code?.stop();
    rmSync(folder, { recursive: true });
  });

  const served = 'Qwen/Qwen2.5-Coder-32B-Instruct';
  const tool = (name: string) => ({ ...weather, function: { ...weather.function, name } });
  const seen = (image: boolean) => [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        ...(image ? [{ type: 'image_url', image_url: { url: pixel } }] : []),
      ],
    },
  ];
  const route = async (body: object, headers: Record<string, string> = {}) =>
    (await (await pair.post({ messages: hello, ...body }, headers, '/v1/route')).json()) as any;

  test('what speaks of code goes to the code model', async () => {
    const about = [{ role: 'user', content: 'Explain this stack trace' }];
    expect(await decision({ messages: about }, {}, pair)).toEqual({
      backend: 'local',
      target: 'coder',
      served,
      reason: 'rule:code',
      echoed: 'auto',
    });
    expect((await code.lastBody('vllm')).messages).toEqual(about);
    expect(await decision({}, {}, pair)).toMatchObject({ target: 'general', reason: 'rule:short' });
  });

  test('what brings the tools of a coding agent goes to the code model', async () => {
    const tools = [tool('get_weather'), tool('Bash')];
    expect(await decision({ tools }, {}, pair)).toMatchObject({ served, reason: 'rule:agents' });
    expect(await decision({ tools: [tool('BashOutput')] }, {}, pair)).toMatchObject({
      target: 'general',
    });
  });

  test('a name of the cloud can be given to the code model', async () => {
    expect(await decision({ model: 'claude-haiku-4-5' }, {}, pair)).toEqual({
      backend: 'local',
      target: 'coder',
      served,
      reason: 'rule:small-claude',
      echoed: 'claude-haiku-4-5',
    });
    expect(await decision({ model: 'claude-opus-4-8' }, {}, pair)).toMatchObject({
      backend: 'cloud',
      served: 'claude-opus-4-8',
      reason: 'explicit',
    });
    expect(await decision({ model: 'coder' }, {}, pair)).toMatchObject({ reason: 'explicit' });
    // where the policy forbids the rule's model, the name means what it says
    expect(
      await decision({ model: 'claude-haiku-4-5' }, { 'x-router-policy': 'cloud-only' }, pair),
    ).toMatchObject({ backend: 'cloud', served: 'claude-haiku-4-5', reason: 'explicit' });
  });

  test('what the first local model cannot take goes to the next, then to the cloud', async () => {
    expect(await decision({ model: 'local', messages: long }, {}, pair)).toMatchObject({
      target: 'coder',
      served,
      reason: 'fit:context',
    });
    expect(
      await decision({ model: 'local', max_tokens: 401 }, {}, pair),
    ).toMatchObject({ target: 'coder', reason: 'fit:output' });
    expect(
      await decision({ model: 'local', reasoning_effort: 'low' }, {}, pair),
    ).toMatchObject({ target: 'coder', reason: 'fit:thinking' });
    // neither has eyes
    expect(await decision({ model: 'local', messages: seen(true) }, {}, pair)).toMatchObject({
      backend: 'cloud',
      served: 'claude-sonnet-4-6',
      reason: 'fit:images',
    });
    expect(await decision({ model: 'local', messages: seen(false) }, {}, pair)).toMatchObject({
      target: 'general',
      reason: 'explicit',
    });
    // one model was named: that one, or the cloud
    expect(await decision({ model: 'qwen2.5-7b', messages: long }, {}, pair)).toMatchObject({
      backend: 'cloud',
      reason: 'fit:context',
    });
  });

  test('the route tells who was passed over', async () => {
    expect(await route({ model: 'local', messages: seen(true) })).toMatchObject({
      reason: 'fit:images',
      passed_over: [
        { target: 'general', model: 'qwen2.5-7b', cause: 'images' },
        {
          target: 'coder',
          model: 'coder',
          cause: 'images',
          says: 'The model "coder" takes no images and no files, and the request has 1.',
        },
      ],
    });
    expect(await route({})).toMatchObject({ passed_over: [] });
  });

  test('what may not leave the tier and does not fit is refused by name', async () => {
    const pinned = { 'x-router-policy': 'local-only' };
    const ask = (body: object) => pair.openai({ defaultHeaders: pinned }).chat.completions
      .create({ messages: hello, ...body } as any)
      .catch((e) => e);
    const context = await ask({ model: 'qwen2.5-7b', messages: long });
    expect(context).toBeInstanceOf(OpenAI.BadRequestError);
    expect(context).toMatchObject({
      code: 'context_length_exceeded',
      param: 'messages',
      type: 'invalid_request_error',
    });
    expect(context.message).toContain(
      'The maximum context length of the model "qwen2.5-7b" is 1000 tokens, ' +
        'and the prompt has about 1075 (estimated).',
    );
    expect(await ask({ model: 'qwen2.5-7b', max_completion_tokens: 401 })).toMatchObject({
      status: 400,
      code: 'unsupported_value',
      param: 'max_completion_tokens',
    });
    expect(await ask({ model: 'local', messages: seen(true) })).toMatchObject({
      status: 400,
      code: 'unsupported_content',
      param: 'messages',
    });
    // near the window the server itself judges: 980 and 100 would be too many
    const near = [{ role: 'user', content: long[0]!.content.slice(0, 3920) }];
    expect(
      await decision({ model: 'qwen2.5-7b', messages: near, max_tokens: 100 }, pinned, pair),
    ).toMatchObject({ target: 'general', reason: 'explicit' });
  });

  test('a model that serves no chat is refused with those that do', async () => {
    const error = await pair
      .openai()
      .chat.completions.create({ model: 'embed', messages: hello })
      .catch((e) => e);
    expect(error).toMatchObject({ status: 400, code: 'unsupported_value', param: 'model' });
    expect(error.message).toContain(
      'The model "embed" serves embeddings, not chat. Models that serve chat: ' +
        'auto, local, cloud, claude, claude-*, qwen2.5-7b, coder, claude-sonnet-4-6.',
    );
    const card = await pair.openai().models.retrieve('embed');
    expect(card).toMatchObject({ serves: ['embeddings'] });
    const anthropic = await fetch(`${pair.url}/v1/models`, {
      headers: { 'anthropic-version': '2023-06-01' },
    });
    const ids = ((await anthropic.json()) as any).data.map((model: any) => model.id);
    expect(ids).toContain('coder');
    expect(ids).not.toContain('embed');
  });
});
