// The `openai` SDK for Node on what only local backends have: completions and
// embeddings.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { count, counted, failure, useStage } from './clients.ts';
import { Weir } from './harness.ts';

const stage = useStage();
const client = () => stage.weir.openai({ fetch: stage.fetch });

test('a completion, whole and streamed', async () => {
  const body = { model: 'local', prompt: count, max_tokens: 100 };
  const whole = await client().completions.create(body);
  expect(whole).toMatchObject({ object: 'text_completion', model: 'local' });
  expect(whole.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop' });
  expect(whole.choices[0]!.text).toMatch(counted);
  expect(whole.usage!.completion_tokens).toBeGreaterThan(4);
  let text = '';
  for await (const chunk of await client().completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]!.text;
    expect(chunk.usage).toBeUndefined(); // nobody has asked
  }
  expect(text).toBe(whole.choices[0]!.text);
  expect(stage.backends).toEqual(['local', 'local']);
});

test('embeddings, one vector for each text, in the SDK’s own encoding and as numbers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-plain-'));
  const file = join(folder, 'weir.yaml');
  writeFileSync(
    file,
    `backends:
  - name: vectors
    tier: local
    url: ${stage.sim.vllm}
    models: [{ name: embedder, upstream: qwen2.5-7b, serves: embeddings }]
`,
  );
  const weir = await Weir.start({}, '--config', file);
  try {
    const { embeddings } = weir.openai({ fetch: stage.fetch });
    const body = { model: 'embedder', input: ['a weir', 'a basin'] };
    const packed = await embeddings.create(body);
    const plain = await embeddings.create({ ...body, encoding_format: 'float' });
    expect(packed).toMatchObject({ object: 'list', model: 'embedder' });
    expect(packed.data.map((one) => one.index)).toEqual([0, 1]);
    expect(packed.data[0]!.embedding.length).toBeGreaterThan(7);
    expect(packed.data[0]!.embedding).not.toEqual(packed.data[1]!.embedding);
    packed.data.forEach((one, i) =>
      one.embedding.forEach((number, j) => expect(number).toBeCloseTo(plain.data[i]!.embedding[j]!, 5)),
    );
    expect(packed.usage.prompt_tokens).toBeGreaterThan(1);
    expect(stage.backends).toEqual(['local', 'local']);
  } finally {
    await weir.stop();
    rmSync(folder, { recursive: true });
  }
});

test.each(['completions', 'embeddings'] as const)('%s on the cloud are refused, and the message says why', async (kind) => {
  const error = await failure(
    kind === 'completions'
      ? client().completions.create({ model: 'cloud', prompt: count })
      : client().embeddings.create({ model: 'cloud', input: count }),
  );
  expect(error).toBeInstanceOf(OpenAI.APIError);
  expect(error.status).toBeGreaterThanOrEqual(400);
  expect(error.message).toMatch(new RegExp(kind.slice(0, -1)));
});
