// The requests of the soak, and what each must bring.
import { weather } from '../integration/harness.ts';

export type BackendName = 'near-0' | 'near-1' | 'far';

export interface RequestKind {
  name: string;
  share: number;
  stream: boolean;
  /** the caller leaves after so many events, or so many ms when it is whole */
  leaves?: number;
  policy?: 'local-only' | 'cloud-only';
  model: string;
  wantsLocal: boolean;
  /** who may answer it */
  allowed: BackendName[];
  calls?: boolean;
}

const everyone: BackendName[] = ['near-0', 'near-1', 'far'];
const near: BackendName[] = ['near-0', 'near-1'];
const local = { model: 'local', wantsLocal: true, allowed: everyone };

export const kinds: RequestKind[] = [
  { name: 'whole', share: 20, stream: false, ...local },
  { name: 'stream', share: 25, stream: true, ...local },
  { name: 'auto, stream', share: 10, stream: true, model: 'auto', wantsLocal: true, allowed: everyone },
  { name: 'tool call, whole', share: 5, stream: false, calls: true, ...local },
  { name: 'tool call, stream', share: 5, stream: true, calls: true, ...local },
  { name: 'pinned local, stream', share: 8, stream: true, policy: 'local-only', model: 'local', wantsLocal: true, allowed: near },
  { name: 'pinned cloud, whole', share: 4, stream: false, policy: 'cloud-only', model: 'cloud', wantsLocal: false, allowed: ['far'] },
  { name: 'cloud, stream', share: 8, stream: true, model: 'cloud', wantsLocal: false, allowed: ['far'] },
  { name: 'cloud, tool call', share: 5, stream: true, calls: true, model: 'cloud', wantsLocal: false, allowed: ['far'] },
  { name: 'leaves a stream', share: 7, stream: true, leaves: 5, ...local },
  { name: 'leaves early', share: 3, stream: false, leaves: 5, ...local },
];

const counting = [{ role: 'user', content: 'Count from 1 to 30' }];
const asking = [{ role: 'user', content: 'What is the weather in Paris?' }];
const counted = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');

export function bodyOf(kind: RequestKind): string {
  return JSON.stringify({
    model: kind.model,
    stream: kind.stream,
    messages: kind.calls ? asking : counting,
    ...(kind.calls ? { tools: [weather] } : {}),
  });
}

/** right; failed: an error status; broken: a stream that ends with an error
 * event; left: as planned; or what is wrong with it. */
export type Verdict = 'right' | 'failed' | 'broken' | 'left' | `wrong: ${string}`;

interface Said {
  text: string;
  name: string;
  args: string;
  finish: string | null;
}

function isRight(kind: RequestKind, said: Said): Verdict {
  if (!kind.calls)
    return said.text === counted && said.finish === 'stop' ? 'right' : `wrong: ${JSON.stringify(said)}`;
  const isCall = said.name === 'get_weather' && said.finish === 'tool_calls';
  return isCall && /Paris/.test(JSON.parse(said.args).city) ? 'right' : `wrong: ${JSON.stringify(said)}`;
}

function judgeWhole(kind: RequestKind, body: string): Verdict {
  const { message, finish_reason } = JSON.parse(body).choices[0];
  const call = message.tool_calls?.[0]?.function;
  return isRight(kind, {
    text: message.content ?? '',
    name: call?.name ?? '',
    args: call?.arguments ?? '',
    finish: finish_reason,
  });
}

function judgeStream(kind: RequestKind, body: string): Verdict {
  const events = [...body.matchAll(/^data: (.*)$/gm)].map((found) => found[1]!);
  const said: Said = { text: '', name: '', args: '', finish: null };
  if (events.at(-1) !== '[DONE]') return 'wrong: no [DONE]';
  for (const data of events.slice(0, -1)) {
    const event = JSON.parse(data);
    if (event.error !== undefined) return said.finish === null ? 'broken' : 'wrong: an error after the end';
    const choice = event.choices[0];
    const call = choice?.delta.tool_calls?.[0]?.function;
    said.text += choice?.delta.content ?? '';
    said.name += call?.name ?? '';
    said.args += call?.arguments ?? '';
    said.finish = choice?.finish_reason ?? said.finish;
  }
  return isRight(kind, said);
}

export function judge(kind: RequestKind, status: number, body: string): Verdict {
  try {
    if (status !== 200)
      return typeof JSON.parse(body).error.message === 'string' ? 'failed' : 'wrong: no error object';
    return kind.stream ? judgeStream(kind, body) : judgeWhole(kind, body);
  } catch (error) {
    return `wrong: ${String(error)}`;
  }
}
