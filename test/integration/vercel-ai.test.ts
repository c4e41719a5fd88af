// The Vercel AI SDK, on each of the three formats.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError, generateText, type LanguageModel, Output, stepCountIs, streamText, tool,
} from 'ai';
import { describe, expect, test } from 'vitest';
import {
  ada, busy, City, count, counted, degrees, failure, Person, tiers, twoCities, useStage,
} from './clients.ts';

// it tells on the console which names of models it does not know
(globalThis as { AI_SDK_LOG_WARNINGS?: boolean }).AI_SDK_LOG_WARNINGS = false;

const stage = useStage();
const openai = () =>
  createOpenAI({ baseURL: `${stage.url}/v1`, apiKey: 'sk-caller', fetch: stage.fetch });
const anthropic = () =>
  createAnthropic({ baseURL: `${stage.url}/v1`, apiKey: 'sk-caller', fetch: stage.fetch });

const formats: [string, (model: string) => LanguageModel][] = [
  ['Chat Completions', (model) => openai().chat(model)],
  ['Responses', (model) => openai().responses(model)],
  ['Messages', (model) => anthropic()(model)],
];

const tools = {
  get_weather: tool({
    description: 'Current weather of a city',
    inputSchema: City,
    execute: async ({ city }) => degrees(city),
  }),
};

describe.each(formats)('%s', (_, at) => {
  describe.each(tiers)('%s', (model) => {
    test('text, its usage, and where it came from', async () => {
      const answer = await generateText({ model: at(model), system: 'Be terse.', prompt: count });
      expect(answer.text).toMatch(counted);
      expect(answer.finishReason).toBe('stop');
      expect(answer.usage.inputTokens).toBeGreaterThan(3);
      expect(answer.usage.outputTokens).toBeGreaterThan(4);
      expect(stage.backends).toEqual([model]);
    });

    test('a stream is the same text, with usage', async () => {
      const whole = await generateText({ model: at(model), prompt: count });
      const stream = streamText({ model: at(model), prompt: count });
      let text = '';
      let pieces = 0;
      for await (const piece of stream.textStream) {
        text += piece;
        pieces++;
      }
      expect(text).toBe(whole.text);
      expect(pieces).toBeGreaterThan(2);
      expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
    });

    test('the loop of tools, whole and streamed, with two calls at once', async () => {
      const body = { model: at(model), prompt: twoCities, tools, stopWhen: stepCountIs(3) };
      const whole = await generateText(body);
      const [first] = whole.steps;
      expect(whole.steps).toHaveLength(2);
      expect(first!.finishReason).toBe('tool-calls');
      expect(first!.toolCalls.map((call) => call.input)).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
      expect(whole.text).toContain('7 degrees in Berlin');
      expect(whole.text).toContain('19 degrees in Paris');
      const stream = streamText(body);
      await stream.consumeStream();
      expect((await stream.steps)[0]!.toolCalls.map((call) => call.input)).toEqual([
        { city: 'Berlin' },
        { city: 'Paris' },
      ]);
      expect(await stream.text).toBe(whole.text);
      expect(stage.backends).toEqual([model, model, model, model]);
    });

    test('an object of a schema, whole and streamed', async () => {
      const body = { model: at(model), prompt: ada, output: Output.object({ schema: Person }) };
      const whole = await generateText(body);
      expect(whole.output).toMatchObject({ name: 'Ada' });
      const stream = streamText(body);
      expect(await stream.output).toEqual(whole.output);
    });
  });

  test('a backend that is busy is an APICallError that may be tried again', async () => {
    const error = await failure(
      generateText({ model: at('cloud'), prompt: `${count}\n${busy}`, maxRetries: 0 }),
    );
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ statusCode: 429, isRetryable: true });
    expect(error.message).toMatch(/rate limit/i);
  });
});

test.each([true, false])('Responses: reasoning goes back to Claude among tools (store: %s)', async (store) => {
  const answer = await generateText({
    model: openai().responses('claude-opus-4-8'),
    prompt: twoCities,
    tools,
    stopWhen: stepCountIs(3),
    providerOptions: { openai: { forceReasoning: true, reasoningEffort: 'high', reasoningSummary: 'auto', store } },
  });
  expect(answer.steps[0]!.reasoningText).toMatch(/\w/);
  expect(answer.text).toContain('7 degrees in Berlin');
  const { messages } = await stage.sim.lastBody('anthropic');
  expect(messages[1].content[0]).toMatchObject({ type: 'thinking', signature: expect.stringMatching(/.{8}/) });
});

test('Messages: thinking goes back to Claude among tools', async () => {
  const answer = await generateText({
    model: anthropic()('claude-opus-4-8'),
    prompt: twoCities,
    tools,
    stopWhen: stepCountIs(3),
    providerOptions: { anthropic: { thinking: { type: 'adaptive' }, effort: 'high' } },
  });
  expect(answer.text).toContain('7 degrees in Berlin');
  const { messages } = await stage.sim.lastBody('anthropic');
  expect(messages[1].content[0]).toMatchObject({ type: 'thinking', signature: expect.stringMatching(/.{8}/) });
});
