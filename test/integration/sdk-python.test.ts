// Python's `openai` and `anthropic`: python/clients.py calls, this asserts.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { counted, tiers, useStage } from './clients.ts';

const stage = useStage();
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const python = at('../../.tools/python/bin/python');

const formats = ['chat', 'responses', 'messages'];
const common = ['text', 'stream', 'tools', 'parse', 'errors'];
const special = ['messages_runner', 'messages_count'];

/** All cases in one run: most of its time is spent on loading the SDKs. */
async function run(model: string): Promise<Record<string, any>> {
  const cases = [...formats.flatMap((format) => common.map((kind) => `${format}_${kind}`)), ...special];
  const { stdout } = await promisify(execFile)(
    python,
    [at('python/clients.py'), stage.url, model, ...cases],
    { env: { PATH: process.env.PATH ?? '' }, timeout: 60_000 },
  );
  return JSON.parse(stdout);
}

const results: Record<string, Record<string, any>> = {};
beforeAll(async () => {
  const all = await Promise.all(tiers.map(run));
  tiers.forEach((tier, i) => (results[tier] = all[i]!));
}, 120_000);

describe.each(tiers)('%s', (model) => {
  describe.each(formats)('%s', (format) => {
    const got = (kind: string) => results[model]![`${format}_${kind}`];

    test('text, its usage, and where it came from', () => {
      const { text, usage, backend } = got('text');
      expect(text).toMatch(counted);
      expect(usage.completion_tokens ?? usage.output_tokens).toBeGreaterThan(4);
      expect(backend).toBe(model);
    });

    test('a stream is the same text, with the same usage', () => {
      const { pieces, text, usage } = got('stream');
      expect(pieces.join('')).toBe(got('text').text);
      expect(pieces.length).toBeGreaterThan(2);
      expect(text).toBe(got('text').text);
      expect(usage).toMatchObject(
        Object.fromEntries(
          Object.entries(got('text').usage).filter(([key]) => /^(input|output|prompt|completion)_tokens$/.test(key)),
        ),
      );
    });

    test('two calls at once, and their results in the other order', () => {
      const { calls, text } = got('tools');
      expect(calls).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
      expect(text).toContain('7 degrees in Berlin');
      expect(text).toContain('19 degrees in Paris');
    });

    test('an object of a schema', () => {
      expect(got('parse')).toMatchObject({ name: 'Ada', age: expect.any(Number) });
    });

    test('errors are of the SDK’s own classes', () => {
      expect(got('errors')).toMatchObject({
        busy: { class: 'RateLimitError', status: 429 },
        nobody: { class: 'NotFoundError', status: 404, message: expect.stringContaining('nobody-has-it') },
        wrong: { class: 'BadRequestError', status: 400 },
      });
    });
  });

  test('the tool runner of Messages', () => {
    const { calls, text, roles } = results[model]!.messages_runner;
    expect(calls).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
    // no step without what was asked at first
    expect(roles).toEqual(['user', 'assistant', 'user']);
    expect(text).toContain('7 degrees in Berlin');
  });

  test('tokens are counted as they are charged', () => {
    const { counted, charged } = results[model]!.messages_count;
    expect(counted).toBeGreaterThan(3);
    expect(counted).toBe(charged);
  });
});
