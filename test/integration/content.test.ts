import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pixel, Sim, Weir } from './harness.ts';

let sim: Sim;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  sim = await Sim.start();
  weir = await Weir.between(sim);
  client = weir.openai();
});
afterAll(async () => {
  await weir?.stop();
  await sim?.stop();
});

const pdf = `data:application/pdf;base64,${Buffer.from('%PDF-1.4\n%äöü').toString('base64')}`;

describe.each(['local', 'cloud'])('%s', (model) => {
  test('takes an image', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is in this image?' },
            { type: 'image_url', image_url: { url: pixel, detail: 'low' } },
          ],
        },
      ],
    });
    expect(answer.choices[0]!.message.content).toMatch(/png/i);
  });

  test('answers in the shape of a JSON schema, whole and streamed', async () => {
    const body = {
      model,
      messages: [{ role: 'user' as const, content: 'Describe a person named Ada' }],
      response_format: {
        type: 'json_schema' as const,
        json_schema: {
          name: 'person',
          strict: true,
          schema: {
            type: 'object',
            properties: {
              name: { type: 'string' },
              age: { type: 'integer', minimum: 0 },
              tags: { type: 'array', items: { type: 'string' } },
            },
            required: ['name', 'age', 'tags'],
            additionalProperties: false,
          },
        },
      },
    };
    const whole = await client.chat.completions.parse(body);
    const parsed = whole.choices[0]!.message.parsed as any;
    expect(typeof parsed.name).toBe('string');
    expect(Number.isInteger(parsed.age)).toBe(true);
    expect(Array.isArray(parsed.tags)).toBe(true);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(JSON.parse(text)).toEqual(parsed);
  });

  test('answers with a JSON object when asked for one', async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Give me JSON about a cat' }],
      response_format: { type: 'json_object' },
    });
    expect(typeof JSON.parse(answer.choices[0]!.message.content!)).toBe('object');
  });
});

describe('for the cloud', () => {
  test('a wrongly declared image type is set right from the bytes', async () => {
    await client.chat.completions.create({
      model: 'cloud',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is in this image?' },
            { type: 'image_url', image_url: { url: pixel.replace('image/png', 'image/jpg') } },
          ],
        },
      ],
    });
    const body = await sim.lastBody('anthropic');
    expect(body.messages[0].content[1].source).toMatchObject({
      type: 'base64',
      media_type: 'image/png',
    });
  });

  test('files become documents', async () => {
    const answer = await client.chat.completions.create({
      model: 'cloud',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { filename: 'a.pdf', file_data: pdf } },
            {
              type: 'file',
              file: {
                filename: 'n.txt',
                file_data: `data:text/plain;base64,${Buffer.from('Grüße').toString('base64')}`,
              },
            },
            { type: 'text', text: 'Summarize the file' },
          ],
        },
      ],
    });
    expect(answer.choices[0]!.finish_reason).toBe('stop');
    const body = await sim.lastBody('anthropic');
    expect(body.messages[0].content.slice(0, 2)).toEqual([
      {
        type: 'document',
        title: 'a.pdf',
        source: { type: 'base64', media_type: 'application/pdf', data: pdf.split(',')[1] },
      },
      {
        type: 'document',
        title: 'n.txt',
        source: { type: 'text', media_type: 'text/plain', data: 'Grüße' },
      },
    ]);
  });

  test.each([
    ['audio', { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }],
    ['a plain http image', { type: 'image_url', image_url: { url: 'http://example.org/a.png' } }],
    ['a file by id', { type: 'file', file: { file_id: 'file-1' } }],
    ['a bitmap', { type: 'image_url', image_url: { url: 'data:image/bmp;base64,Qk0=' } }],
    ['broken Base64', { type: 'image_url', image_url: { url: 'data:image/png;base64,%%%' } }],
  ])('%s is refused here, with its place', async (_what, part) => {
    const before = (await sim.state('anthropic')).requests;
    const answer = await weir.post({
      model: 'cloud',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, part] }],
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: {
        type: 'invalid_request_error',
        code: 'unsupported_content',
        param: 'messages[0].content[1]',
      },
    });
    expect((await sim.state('anthropic')).requests).toBe(before);
  });

  test('more than one answer is refused here', async () => {
    const answer = await weir.post({
      model: 'cloud',
      n: 2,
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: { code: 'unsupported_value', param: 'n' },
    });
  });
});

test('a body of several megabytes is served by both', async () => {
  const text = 'word '.repeat(600_000);
  for (const model of ['local', 'cloud']) {
    const answer = await weir.post({
      model,
      messages: [
        { role: 'user', content: text },
        { role: 'assistant', content: 'Noted.' },
        { role: 'user', content: 'Say hello' },
      ],
    });
    // the local stand-in's context is smaller than that: it says so itself
    if (model === 'local') {
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { code: 'context_length_exceeded' } });
    } else {
      expect(answer.status).toBe(200);
    }
  }
});
