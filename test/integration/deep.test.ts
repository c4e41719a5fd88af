// Long conversations with many tools, in each format, on one tier or on both in
// turn: nothing is refused by the strict stand-ins, and no thought is lost.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localState, pixel, Sim, Weir } from './harness.ts';
import { chat, framesOf, message, plain, tool } from './speak.ts';

let sim: Sim;
let weir: Weir;
let showing: Weir; // with thinking_blocks

const keys = 'keys:\n  - { name: alice, secret: sk-alice }\n  - { name: bob, secret: sk-bob }\n';

beforeAll(async () => {
  sim = await Sim.start('--max-model-len', '1000000');
  const env = { ...Weir.env(sim), PROBE_INTERVAL: '1h' };
  weir = await Weir.configured(keys, env);
  showing = await Weir.configured(keys, { ...env, THINKING_BLOCKS: 'true' });
  await localState(weir, 'warm');
  await localState(showing, 'warm');
});
afterAll(async () => {
  await weir?.stop();
  await showing?.stop();
  await sim?.stop();
});

const alice = { authorization: 'Bearer sk-alice' };
const tools = [tool('get_weather', 'city'), tool('get_time', 'city'), tool('look_at', 'path')];

interface Result {
  id: string;
  text: string;
  image?: boolean;
}
interface Said {
  text: string;
  calls: { id: string; name: string; arguments: string }[];
}
/** What a client says next: a question, results, or both. */
interface Added {
  text?: string;
  results?: Result[];
}
interface Client {
  /** Its bytes pass to the cloud, mistakes and all. */
  isExact?: boolean;
  say(model: string, added: Added): Promise<Said>;
}

// --- clients --------------------------------------------------------------------

class ChatClient implements Client {
  readonly messages: any[] = [];
  constructor(
    readonly router: Weir,
    readonly stream: boolean,
    readonly keep: (said: any) => any,
    readonly headers: Record<string, string> = alice,
  ) {}

  async say(model: string, { text, results = [] }: Added): Promise<Said> {
    for (const { id, text, image } of results)
      this.messages.push({
        role: 'tool',
        tool_call_id: id,
        content: image ? [{ type: 'text', text }, { type: 'image_url', image_url: { url: pixel } }] : text,
      });
    if (text !== undefined) this.messages.push({ role: 'user', content: text });
    const said = await chat(
      this.router,
      { model, stream: this.stream, tools: tools.map((t) => t.chat), messages: this.messages },
      this.headers,
    );
    this.messages.push(this.keep(said));
    return {
      text: said.content ?? '',
      calls: (said.tool_calls ?? []).map((call: any) => ({ id: call.id, ...call.function })),
    };
  }
}

class MessagesClient implements Client {
  readonly isExact = true;
  readonly messages: any[] = [];
  constructor(
    readonly router: Weir,
    readonly stream: boolean,
  ) {}

  async say(model: string, { text, results = [] }: Added): Promise<Said> {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel.slice(pixel.indexOf(',') + 1) } };
    const content: any[] = results.map((result) => ({
      type: 'tool_result',
      tool_use_id: result.id,
      content: result.image ? [{ type: 'text', text: result.text }, image] : result.text,
    }));
    if (text !== undefined) content.push({ type: 'text', text });
    this.messages.push({ role: 'user', content });
    const said = await message(
      this.router,
      { model, stream: this.stream, tools: tools.map((t) => t.messages), messages: this.messages },
      alice,
    );
    this.messages.push({ role: 'assistant', content: said.content });
    return {
      text: said.content.filter((b: any) => b.type === 'text').map((b: any) => b.text).join(''),
      calls: said.content
        .filter((b: any) => b.type === 'tool_use')
        .map((b: any) => ({ id: b.id, name: b.name, arguments: JSON.stringify(b.input) })),
    };
  }
}

/** Keeps all items itself, with their encrypted content, without it, or leaves
 * them with the router. */
class ResponsesClient implements Client {
  readonly items: any[] = [];
  previous?: string;
  constructor(
    readonly router: Weir,
    readonly stream: boolean,
    readonly mode: 'encrypted' | 'forgetful' | 'stored',
    readonly headers: Record<string, string> = alice,
  ) {}

  async say(model: string, { text, results = [] }: Added): Promise<Said> {
    const added: any[] = results.map((result) => ({
      type: 'function_call_output',
      call_id: result.id,
      output: result.image
        ? [{ type: 'input_text', text: result.text }, { type: 'input_image', image_url: pixel, detail: 'auto' }]
        : result.text,
    }));
    if (text !== undefined) added.push({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
    this.items.push(...added);
    const answer = await this.router.post(
      {
        model,
        stream: this.stream,
        tools: tools.map((t) => t.responses),
        ...(this.mode === 'stored'
          ? { input: added, ...(this.previous ? { previous_response_id: this.previous } : {}) }
          : { input: this.items, store: false }),
        ...(this.mode === 'encrypted' ? { include: ['reasoning.encrypted_content'] } : {}),
      },
      this.headers,
      '/v1/responses',
    );
    const body = await answer.text();
    expect(answer.status, body).toBe(200);
    const response = this.stream ? framesOf(body).at(-1)!.data.response : JSON.parse(body);
    expect(response.status).toBe('completed');
    this.previous = response.id;
    this.items.push(...response.output.filter((item: any) => this.mode !== 'forgetful' || item.type !== 'reasoning'));
    return {
      text: response.output
        .filter((item: any) => item.type === 'message')
        .flatMap((item: any) => item.content.map((part: any) => part.text))
        .join(''),
      calls: response.output
        .filter((item: any) => item.type === 'function_call')
        .map((item: any) => ({ id: item.call_id, name: item.name, arguments: item.arguments })),
    };
  }
}

const clients: [string, (stream: boolean) => Client][] = [
  ['Chat, standard members only', (stream) => new ChatClient(weir, stream, plain)],
  [
    'Chat, with thinking_blocks',
    (stream) =>
      new ChatClient(showing, stream, ({ thinking_blocks, ...said }) => ({
        ...plain(said),
        ...(thinking_blocks ? { thinking_blocks } : {}),
      })),
  ],
  ['Messages', (stream) => new MessagesClient(weir, stream)],
  ['Responses, encrypted_content', (stream) => new ResponsesClient(weir, stream, 'encrypted')],
  ['Responses, reasoning dropped', (stream) => new ResponsesClient(weir, stream, 'forgetful')],
  ['Responses, previous_response_id', (stream) => new ResponsesClient(weir, stream, 'stored')],
];

// --- what the cloud has thought -----------------------------------------------------

const isThought = (block: any) => /thinking/.test(block.type);
const shapeOf = (content: any[]) => content.filter((b) => b.type !== 'text' || b.text.trim() !== '').map((b) => b.type);

/** What the stand-in said: it says the same when it is asked again. */
async function saidByCloud(): Promise<any[]> {
  const body = { ...(await sim.lastBody('anthropic')), stream: false };
  const answer = await fetch(`${sim.anthropic}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as any).content;
}

/** All turns with calls that the cloud has answered, by the first call's id. */
type Thoughts = Map<string, any[]>;

/** They are all in the request that the stand-in has just had. */
async function checkThoughts(thoughts: Thoughts): Promise<number> {
  const { messages } = await sim.lastBody('anthropic');
  let found = 0;
  for (const { role, content } of messages) {
    if (role !== 'assistant' || !Array.isArray(content)) continue;
    const original = thoughts.get(content.find((block: any) => block.type === 'tool_use')?.id);
    if (original === undefined) continue;
    found++;
    expect(content.filter(isThought)).toEqual(original.filter(isThought));
    expect(shapeOf(content)).toEqual(shapeOf(original));
  }
  return found;
}

// --- one conversation ---------------------------------------------------------------

/** Results as clients send them that are careless: out of order, and, where
 * the router puts that right, one missing or one twice. */
function careless(calls: Said['calls'], turn: number, isExact: boolean, more: string): Result[] {
  const results = calls.map(({ id }, i) => ({ id, text: `result ${turn}.${i}${more}`, image: turn % 4 === 2 && i === 0 }));
  if (turn % 3 === 1) results.reverse();
  if (isExact) return results;
  if (turn % 5 === 3 && results.length > 1) results.pop();
  if (turn % 5 === 4) results.push({ ...results[0]!, text: 'said twice' });
  return results;
}

async function converse(
  client: Client,
  tierOf: (turn: number) => string,
  turns: number,
  think: number,
  more = '',
): Promise<void> {
  const thoughts: Thoughts = new Map();
  let asks = 0;
  for (let turn = 0; turn < turns; turn++) {
    const calls = 1 + (turn % 4);
    const asked = await client.say(tierOf(asks), {
      text: `What is the weather and the time in Paris? Turn ${turn}\n[[sim: calls=${calls}; think=${think}]]`,
    });
    expect(asked.calls).toHaveLength(calls);
    for (const call of asked.calls) JSON.parse(call.arguments);
    if (tierOf(asks) === 'cloud') {
      expect(await checkThoughts(thoughts)).toBe(thoughts.size);
      const said = await saidByCloud();
      expect(said.filter(isThought)).toHaveLength(think);
      thoughts.set(asked.calls[0]!.id, said);
    }
    asks++;
    const told = await client.say(tierOf(asks), { results: careless(asked.calls, turn, client.isExact ?? false, more) });
    expect(told.calls).toEqual([]);
    expect(told.text).toMatch(/result|said twice/);
    if (tierOf(asks) === 'cloud') expect(await checkThoughts(thoughts)).toBe(thoughts.size);
    asks++;
  }
}

describe.each(clients)('%s', (_name, open) => {
  describe.each([false, true])('stream: %s', (stream) => {
    test('a long conversation on the local tier', () => converse(open(stream), () => 'local', 22, 1), 60_000);
    test('a long conversation on the cloud tier', () => converse(open(stream), () => 'cloud', 22, 2), 60_000);
    test('one that changes the tier at every turn, and within them', async () => {
      await converse(open(stream), (n) => ['local', 'cloud', 'cloud', 'cloud', 'local'][n % 5]!, 22, 2);
    }, 60_000);
    // above 256 KB a request is read, and written, on another thread
    test('one with much text in it', async () => {
      await converse(open(stream), (n) => ['local', 'cloud', 'cloud'][n % 3]!, 6, 2, ' lorem ipsum'.repeat(5000));
    }, 60_000);
  });
});

// --- what is whose ----------------------------------------------------------------

const question = { text: 'What is the weather in Paris?\n[[sim: calls=2; think=2]]' };

test('a thought is not brought back for another key, nor for an edited message', async () => {
  const client = new ChatClient(weir, false, plain);
  const { calls } = await client.say('cloud', question);
  const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sunny' }));
  const body = { model: 'cloud', tools: tools.map((t) => t.chat), messages: [...client.messages, ...results] };
  const thoughtsSeen = async (headers: Record<string, string>, changed: any = body) => {
    await chat(weir, changed, headers);
    const { messages } = await sim.lastBody('anthropic');
    return messages[1].content.filter(isThought).length;
  };
  expect(await thoughtsSeen(alice)).toBe(2);
  expect(await thoughtsSeen({ authorization: 'Bearer sk-bob' })).toBe(0);
  const edited = structuredClone(body);
  edited.messages[1].content = `${edited.messages[1].content ?? ''} And so on.`;
  expect(await thoughtsSeen(alice, edited)).toBe(0);
  // nor by another model, which would refuse it
  expect(await thoughtsSeen(alice, { ...body, model: 'claude-opus-4-8' })).toBe(0);
  expect(await thoughtsSeen(alice)).toBe(2);
});
