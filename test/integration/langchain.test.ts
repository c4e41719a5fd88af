// LangChain, on each of the three formats.
import { ChatAnthropic } from '@langchain/anthropic';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { type AIMessageChunk, type BaseMessage, HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { describe, expect, test } from 'vitest';
import {
  ada, busy, City, count, counted, degrees, failure, Person, tiers, twoCities, useStage,
} from './clients.ts';

const stage = useStage();

function onOpenai(model: string, useResponsesApi: boolean): ChatOpenAI {
  return new ChatOpenAI({
    model,
    useResponsesApi,
    apiKey: 'sk-caller',
    maxRetries: 0,
    configuration: { baseURL: `${stage.url}/v1`, fetch: stage.fetch },
  });
}

const formats: [string, (model: string) => ChatOpenAI | ChatAnthropic][] = [
  ['Chat Completions', (model) => onOpenai(model, false)],
  ['Responses', (model) => onOpenai(model, true)],
  [
    'Messages',
    (model) =>
      new ChatAnthropic({
        model,
        apiKey: 'sk-caller',
        anthropicApiUrl: stage.url,
        maxRetries: 0,
        clientOptions: { fetch: stage.fetch },
      }),
  ],
];

const weather = tool(async ({ city }: { city: string }) => degrees(city), {
  name: 'get_weather',
  description: 'Current weather of a city',
  schema: City,
});

describe.each(formats)('%s', (_, at) => {
  describe.each(tiers)('%s', (model) => {
    test('text, its usage, and where it came from', async () => {
      const answer = await at(model).invoke(count);
      expect(answer.text).toMatch(counted);
      expect(answer.usage_metadata!.output_tokens).toBeGreaterThan(4);
      expect(stage.backends).toEqual([model]);
    });

    test('a stream is the same text, with usage', async () => {
      const whole = await at(model).invoke(count);
      let sum: AIMessageChunk | undefined;
      let pieces = 0;
      for await (const chunk of await at(model).stream(count)) {
        sum = sum === undefined ? chunk : sum.concat(chunk);
        pieces++;
      }
      expect(sum!.text).toBe(whole.text);
      expect(pieces).toBeGreaterThan(2);
      // on Messages it adds what message_start has already counted
      const first = sum!.usage_metadata!.output_tokens - whole.usage_metadata!.output_tokens;
      expect(first).toBeGreaterThanOrEqual(0);
      expect(first).toBeLessThanOrEqual(at(model) instanceof ChatAnthropic ? 1 : 0);
    });

    test('the loop of tools, with two calls at once', async () => {
      const bound = (at(model) as BaseChatModel).bindTools!([weather]);
      const messages: BaseMessage[] = [new HumanMessage(twoCities)];
      const first = (await bound.invoke(messages)) as AIMessageChunk;
      const calls = first.tool_calls!;
      expect(calls.map((call) => call.args)).toEqual([{ city: 'Berlin' }, { city: 'Paris' }]);
      messages.push(first);
      for (const call of calls) messages.push((await weather.invoke(call)) as ToolMessage);
      const second = (await bound.invoke(messages)) as AIMessageChunk;
      expect(second.text).toContain('7 degrees in Berlin');
      expect(second.text).toContain('19 degrees in Paris');
      expect(stage.backends).toEqual([model, model]);
    });

    test('an object of a schema', async () => {
      const structured = (at(model) as BaseChatModel).withStructuredOutput(Person);
      expect(await structured.invoke(ada)).toMatchObject({ name: 'Ada' });
    });
  });

  test('a backend that is busy is an error with its status', async () => {
    const error = await failure(at('cloud').invoke(`${count}\n${busy}`));
    expect(error.status ?? error.code).toBe(429);
  });
});
