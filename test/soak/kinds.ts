// The requests of the soak: who asks for what, in which of the formats.
import { weather } from '../integration/harness.ts';

export type BackendName = 'near-0' | 'near-1' | 'far';
export type Format = 'chat' | 'messages' | 'responses' | 'embeddings';

export interface RequestKind {
  name: string;
  share: number;
  format: Format;
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

const local = { format: 'chat', stream: false, model: 'local', wantsLocal: true, allowed: everyone } as const;
const auto = { ...local, model: 'auto' } as const;
const cloud = { ...local, model: 'cloud', wantsLocal: false, allowed: ['far'] as BackendName[] } as const;
const stream = { stream: true } as const;
const calls = { calls: true } as const;
const messages = { format: 'messages' } as const;
const responses = { format: 'responses' } as const;

// the first two are what the peak is looked for with
export const kinds: RequestKind[] = [
  { name: 'whole', share: 15, ...local },
  { name: 'stream', share: 20, ...local, ...stream },
  { name: 'auto, stream', share: 8, ...auto, ...stream },
  { name: 'tool call, whole', share: 4, ...local, ...calls },
  { name: 'tool call, stream', share: 4, ...local, ...stream, ...calls },
  { name: 'pinned local, stream', share: 6, ...local, ...stream, policy: 'local-only', allowed: near },
  { name: 'pinned cloud, whole', share: 3, ...cloud, policy: 'cloud-only' },
  { name: 'cloud, stream', share: 5, ...cloud, ...stream },
  { name: 'cloud, tool call', share: 3, ...cloud, ...stream, ...calls },
  { name: 'messages', share: 4, ...local, ...messages },
  { name: 'messages, stream', share: 5, ...auto, ...messages, ...stream },
  { name: 'messages, tool call', share: 3, ...local, ...messages, ...stream, ...calls },
  { name: 'messages, cloud', share: 3, ...cloud, ...messages, ...stream },
  { name: 'responses', share: 4, ...local, ...responses },
  { name: 'responses, stream', share: 5, ...auto, ...responses, ...stream },
  { name: 'responses, tool call', share: 3, ...cloud, ...responses, ...stream, ...calls },
  { name: 'embeddings', share: 5, ...local, format: 'embeddings', model: 'bge-m3', allowed: near },
  { name: 'leaves a stream', share: 5, ...local, ...stream, leaves: 5 },
  { name: 'leaves messages', share: 2, ...cloud, ...messages, ...stream, leaves: 5 },
  { name: 'leaves early', share: 3, ...local, leaves: 5 },
];

export const paths: Record<Format, string> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
  embeddings: '/v1/embeddings',
};

const COUNTING = 'Count from 1 to 30';
const ASKING = 'What is the weather in Paris?';
export const counted = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');

const { name, description, parameters } = weather.function;
const toolOf: Record<Exclude<Format, 'embeddings'>, object> = {
  chat: weather,
  messages: { name, description, input_schema: parameters },
  responses: { type: 'function', name, description, parameters, strict: false },
};

function bodyObject({ format, model, stream, calls }: RequestKind): object {
  if (format === 'embeddings') return { model, input: [COUNTING, description] };
  const content = calls ? ASKING : COUNTING;
  const head = { model, stream, ...(calls ? { tools: [toolOf[format]] } : {}) };
  if (format === 'responses') return { ...head, input: content };
  return { ...head, messages: [{ role: 'user', content }], ...(format === 'messages' ? { max_tokens: 500 } : {}) };
}

const bodies = new Map(kinds.map((kind) => [kind, JSON.stringify(bodyObject(kind))]));
export const bodyOf = (kind: RequestKind): string => bodies.get(kind)!;

export function pick(random: () => number): RequestKind {
  let at = random() * kinds.reduce((total, kind) => total + kind.share, 0);
  return kinds.find((kind) => (at -= kind.share) < 0) ?? kinds[0]!;
}
