// What an answer must be: the whole of it, in the format that was asked in.
import { type Event, framesOf } from '../integration/frames.ts';
import { counted, type Format, type RequestKind } from './kinds.ts';

/** right; failed: an error status; broken: a stream that ends with an error
 * event; or what is wrong with it. */
export type Verdict = 'right' | 'failed' | 'broken' | `wrong: ${string}`;

interface Said {
  text: string;
  name: string;
  args: string;
  /** as the format has it */
  finish: string | null;
}

const silence = (): Said => ({ text: '', name: '', args: '', finish: null });

/** How each format ends, with words and with a call. */
const ends: Record<Format, [words: string, call: string]> = {
  chat: ['stop', 'tool_calls'],
  messages: ['end_turn', 'tool_use'],
  responses: ['completed', 'completed'],
  embeddings: ['2', '2'],
};

function isRight(kind: RequestKind, said: Said): boolean {
  if (said.finish !== ends[kind.format][kind.calls ? 1 : 0]) return false;
  if (!kind.calls) return said.text === counted;
  return said.name === 'get_weather' && JSON.parse(said.args).city === 'Paris';
}

// --- whole ---------------------------------------------------------------------

const wholes: Record<Format, (body: any) => Said> = {
  chat: ({ choices: [{ message, finish_reason }] }) => {
    const call = message.tool_calls?.[0]?.function;
    return { text: message.content ?? '', name: call?.name ?? '', args: call?.arguments ?? '', finish: finish_reason };
  },
  messages: ({ content, stop_reason }) => {
    const call = content.find((block: any) => block.type === 'tool_use');
    const texts = content.filter((block: any) => block.type === 'text').map((block: any) => block.text);
    return { text: texts.join(''), name: call?.name ?? '', args: JSON.stringify(call?.input ?? {}), finish: stop_reason };
  },
  responses: ({ output, status }) => {
    const call = output.find((item: any) => item.type === 'function_call');
    const message = output.find((item: any) => item.type === 'message');
    return { text: message?.content[0].text ?? '', name: call?.name ?? '', args: call?.arguments ?? '', finish: status };
  },
  embeddings: ({ data }) => {
    const isVector = ({ embedding }: any) => embedding.length > 10 && embedding.every(Number.isFinite);
    return { ...silence(), text: data.every(isVector) ? counted : '', finish: String(data.length) };
  },
};

// --- streamed --------------------------------------------------------------------

/** Takes one event; true when it says that the rest will not come. */
type Take = (said: Said, event: Event) => boolean;

const takes: Record<Exclude<Format, 'embeddings'>, { take: Take; last: (event: Event) => boolean }> = {
  chat: {
    take: (said, { data }) => {
      if (data.error !== undefined) return true;
      const choice = data.choices?.[0];
      const call = choice?.delta.tool_calls?.[0]?.function;
      said.text += choice?.delta.content ?? '';
      said.name += call?.name ?? '';
      said.args += call?.arguments ?? '';
      said.finish = choice?.finish_reason ?? said.finish;
      return false;
    },
    last: ({ data }) => data === '[DONE]',
  },
  messages: {
    take: (said, { data }) => {
      said.text += data.delta?.text ?? '';
      said.args += data.delta?.partial_json ?? '';
      if (data.content_block?.type === 'tool_use') said.name += data.content_block.name;
      said.finish = data.delta?.stop_reason ?? said.finish;
      return data.type === 'error';
    },
    last: ({ data }) => data.type === 'message_stop' || data.type === 'error',
  },
  responses: {
    take: (said, { data }) => {
      if (data.type === 'response.output_text.delta') said.text += data.delta;
      if (data.type === 'response.function_call_arguments.delta') said.args += data.delta;
      if (data.type === 'response.output_item.added' && data.item.type === 'function_call') said.name += data.item.name;
      if (data.type === 'response.completed') said.finish = data.response.status;
      return data.type === 'error' || data.type === 'response.failed';
    },
    last: ({ data }) => ['response.completed', 'response.failed', 'error'].includes(data.type),
  },
};

function judgeStream(kind: RequestKind, body: string): Verdict {
  const { take, last } = takes[kind.format as keyof typeof takes];
  const events = framesOf(body);
  const end = events.at(-1);
  if (end === undefined || !last(end)) return 'wrong: it ends without its last event';
  const said = silence();
  for (const event of events)
    if (take(said, event)) return said.finish === null ? 'broken' : 'wrong: an error after the end';
  return isRight(kind, said) ? 'right' : `wrong: ${JSON.stringify(said)}`;
}

export function judge(kind: RequestKind, status: number, body: string): Verdict {
  try {
    if (status !== 200)
      return typeof JSON.parse(body).error.message === 'string' ? 'failed' : 'wrong: no error object';
    if (kind.stream) return judgeStream(kind, body);
    const said = wholes[kind.format](JSON.parse(body));
    return isRight(kind, said) ? 'right' : `wrong: ${JSON.stringify(said)}`;
  } catch (error) {
    return `wrong: ${String(error)}`;
  }
}
