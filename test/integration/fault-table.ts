// What a caller sees, and what is counted, for every way in which a backend
// can go wrong: one row each.  fault-matrix.test.ts holds the router to it,
// docs/faults.md is made from it (scripts/faults).
//
// The rows are the agreement, not a record: they follow from docs/errors.md
// and from four sentences.
//
//   - Before the first token the next backend is tried, and the caller sees
//     nothing of the failure but X-Router-Reason.
//   - After it the stream ends with an error event and [DONE].
//   - What the request has caused is told to the caller as it is.
//   - While the only backend that a request may use cannot be reached, the
//     request waits, and then gets 503 with Retry-After.

/** The backend that is asked first: passed through to, or translated for. */
export type Backend = 'vllm' | 'anthropic';
/** How the caller wants the answer. */
export type Mode = 'whole' | 'stream';
/** another: a second backend may be asked; alone: there is none; pinned:
 * there is one, which the request's policy forbids. */
export type Situation = 'another' | 'alone' | 'pinned';

/** The format that the caller speaks. */
export type Door = 'chat' | 'messages' | 'responses';

export interface ErrorShape {
  status: number;
  type: string;
  code: string | null;
  retryAfter?: number;
}

export type Outcome =
  /** the whole right answer, from the first backend */
  | { kind: 'right' }
  /** a right answer in which nothing is said: the model's last word is there */
  | { kind: 'speechless' }
  /** the next backend answers: `fallback:CAUSE`; where there is none, the
   * error */
  | { kind: 'moves'; cause: string; error: ErrorShape }
  /** the next backend answers; where there is none, the request is held until
   * a probe finds the backend ready again, and served then */
  | { kind: 'held'; cause: string }
  /** the next backend answers; where there is none, the request is held in
   * vain: 503 with Retry-After */
  | { kind: 'not-ready'; cause: string }
  /** the caller is told, and nobody else is asked */
  | { kind: 'told'; error: ErrorShape }
  /** the answer has begun: its stream ends with this error and [DONE] */
  | { kind: 'breaks'; type: string; code: string | null };

export type When = 'before the first byte' | 'before the first token' | 'in the middle' | 'at the end';

export interface Row {
  /** as sim/README.md has it; `half` and `last` are bytes of the answer: half
   * of them, all but ten */
  fault: string;
  when: When;
  backends: Backend[];
  modes: Mode[];
  outcome: Outcome;
  /** it happens when the caller has the first tokens, which `fault` is for */
  then?: string;
}

const both: Backend[] = ['vllm', 'anthropic'];
const any: Mode[] = ['whole', 'stream'];

const right: Outcome = { kind: 'right' };
const server = (status: number, code: string | null = null, retryAfter?: number): ErrorShape => ({
  status,
  type: 'server_error',
  code,
  ...(retryAfter === undefined ? {} : { retryAfter }),
});
const caller = (status: number, code: string | null = null): ErrorShape => ({
  status,
  type: 'invalid_request_error',
  code,
});
const busy = (retryAfter?: number): ErrorShape => ({
  status: 429,
  type: 'rate_limit_error',
  code: 'rate_limit_exceeded',
  ...(retryAfter === undefined ? {} : { retryAfter }),
});
const moves = (cause: string, error: ErrorShape): Outcome => ({ kind: 'moves', cause, error });
const told = (error: ErrorShape): Outcome => ({ kind: 'told', error });
const held = (cause: string): Outcome => ({ kind: 'held', cause });
const notReady = (cause: string): Outcome => ({ kind: 'not-ready', cause });
const breaks = (code: string | null): Outcome => ({ kind: 'breaks', type: 'server_error', code });

const badAnswer = moves('bad_answer', server(502, 'upstream_bad_answer'));
const truncated = moves('truncated', server(502, 'upstream_stream_truncated'));
const silent = (cause: string): Outcome => moves(cause, server(504, 'upstream_timeout'));

function row(
  when: When,
  fault: string,
  backends: Backend[],
  modes: Mode[],
  outcome: Outcome,
  then?: string,
): Row {
  return { fault, when, backends, modes, outcome, ...(then === undefined ? {} : { then }) };
}

const connection: Row[] = [
  row('before the first byte', 'refuse=60', ['vllm'], any, notReady('connect')),
  row('before the first byte', 'refuse=60', ['anthropic'], any, moves('connect', server(502, 'upstream_unreachable'))),
  row('before the first byte', 'crash=60', ['vllm'], any, notReady('connect')),
  row('before the first byte', 'crash=60', ['anthropic'], any, moves('connect', server(502, 'upstream_unreachable'))),
  row('before the first byte', 'cold=60', ['vllm'], any, notReady('503')),
  row('before the first byte', 'cold=60', ['anthropic'], any, moves('503', server(503))),
  row('before the first byte', 'late=100', both, any, right),
  row('before the first byte', 'late=60000', both, any, silent('first_byte_timeout')),
  row('before the first byte', 'never', both, any, silent('first_byte_timeout')),
  row('before the first byte', 'garbage=http', both, any, badAnswer),
  row('before the first byte', 'split=1', both, any, right),
  row('before the first byte', 'close', both, any, right),
];

const first = 'before the first byte';
const statuses: Row[] = [
  row(first, 'status=400', both, any, told(caller(400))),
  row(first, 'status=401', both, any, told(server(502, 'upstream_auth_error'))),
  row(first, 'status=402', ['vllm'], any, told(caller(402))),
  row(first, 'status=402', ['anthropic'], any, told({ status: 429, type: 'insufficient_quota', code: 'insufficient_quota' })),
  row(first, 'status=403', both, any, told(server(502, 'upstream_auth_error'))),
  row(first, 'status=404', both, any, told(caller(404, 'model_not_found'))),
  row(first, 'status=413', both, any, told(caller(413, 'request_too_large'))),
  row(first, 'status=422', both, any, told(caller(422))),
  row(first, 'status=429', both, any, moves('429', busy())),
  row(first, 'status=429; retry-after=1', both, any, moves('429', busy(1))),
  row(first, 'status=500', both, any, moves('500', server(500))),
  row(first, 'status=502', both, any, moves('502', server(502))),
  row(first, 'status=503', ['vllm'], any, held('503')),
  row(first, 'status=503', ['anthropic'], any, moves('503', server(503))),
  row(first, 'status=503; retry-after=1', ['vllm'], any, held('503')),
  row(first, 'status=503; retry-after=1', ['anthropic'], any, moves('503', server(503, null, 1))),
  row(first, 'status=504', both, any, moves('504', server(504))),
  row(first, 'status=529', ['vllm'], any, moves('529', server(529))),
  row(first, 'status=529', ['anthropic'], any, moves('529', server(503, 'overloaded', 5))),
  row(first, 'status=529; retry-after=1', ['anthropic'], any, moves('529', server(503, 'overloaded', 1))),
];

/* A whole answer has no first token of its own: nothing of it is sent before
 * all of it is there. */
const token = 'before the first token';
const beforeToken: Row[] = [
  row(token, 'empty', both, ['whole'], badAnswer),
  row(token, 'empty', both, ['stream'], truncated),
  row(token, 'garbage=json', both, any, badAnswer),
  row(token, 'silent', both, any, { kind: 'speechless' }),
  row(token, 'slow=100', both, any, right),
  row(token, 'slow=60000', both, ['whole'], silent('first_byte_timeout')),
  row(token, 'slow=60000', both, ['stream'], silent('first_token_timeout')),
  row(token, 'stall=0', both, ['whole'], silent('first_byte_timeout')),
  row(token, 'stall=0', both, ['stream'], silent('first_token_timeout')),
  row(token, 'error=0', both, ['whole'], moves('500', server(500))),
  row(token, 'error=0', ['vllm'], ['stream'], moves('stream_error', server(502))),
  row(token, 'error=0', ['anthropic'], ['stream'], moves('stream_error', server(503, 'overloaded'))),
  row(token, 'cut=0', both, any, truncated),
  row(token, 'end=0', both, any, truncated),
  row(token, 'cut=40', both, any, truncated),
  row(token, 'end=40', both, any, truncated),
  row(token, 'split=7', both, any, right),
];

const middle = 'in the middle';
const inTheMiddle: Row[] = [
  row(middle, 'stall=20', both, ['whole'], silent('first_byte_timeout')),
  row(middle, 'stall=20', both, ['stream'], breaks('upstream_timeout')),
  row(middle, 'error=20', both, ['whole'], moves('500', server(500))),
  row(middle, 'error=20', ['vllm'], ['stream'], breaks(null)),
  row(middle, 'error=20', ['anthropic'], ['stream'], breaks('overloaded')),
  row(middle, 'cut=half', both, ['whole'], truncated),
  row(middle, 'cut=half', both, ['stream'], breaks('upstream_stream_truncated')),
  row(middle, 'end=half', both, ['whole'], truncated),
  row(middle, 'end=half', both, ['stream'], breaks('upstream_stream_truncated')),
  row(middle, 'stall=20', both, ['stream'], breaks('upstream_stream_truncated'), 'crash=60'),
];

/* In a stream all has been said when its last words are cut off: the finish
 * reason is there. */
const end = 'at the end';
const atTheEnd: Row[] = [
  row(end, 'cut=last', both, ['whole'], truncated),
  row(end, 'cut=last', both, ['stream'], right),
  row(end, 'end=last', both, ['whole'], truncated),
  row(end, 'end=last', both, ['stream'], right),
  row(end, 'no-end', both, any, right),
  row(end, 'close', both, any, right),
];

export const rows: Row[] = [...connection, ...statuses, ...beforeToken, ...inTheMiddle, ...atTheEnd];

// --- the same in the words of Messages -----------------------------------------------

/** An error as callers of Messages see it: Anthropic's status and type. */
export interface MessagesError {
  status: number;
  type: string;
  retryAfter?: number;
}

/** An error in place of an answer; `isStreamError`: the backend's stream said
 * it. */
export function inMessages({ status, code, retryAfter }: ErrorShape, isStreamError: boolean): MessagesError {
  const known: Record<number, string> = {
    402: 'billing_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    504: 'timeout_error',
  };
  // what OpenAI's clients know as a used-up quota
  if (code === 'insufficient_quota') return { status: 402, type: 'billing_error' };
  // the router's own key, and what a stream has said, are no matter of load
  const isLoad = status === 503 || status === 529 || (status === 502 && code !== 'upstream_auth_error' && !isStreamError);
  if (isLoad) return { status: 529, type: 'overloaded_error', retryAfter: retryAfter ?? 5 };
  const type = known[status];
  const retry = retryAfter === undefined ? {} : { retryAfter };
  if (type !== undefined) return { status, type, ...retry };
  if (status < 500) return { status: status === 422 ? 400 : status, type: 'invalid_request_error', ...retry };
  return { status: code === 'upstream_auth_error' ? 502 : 500, type: 'api_error', ...retry };
}

/** The type of the error event that ends a stream of Messages. */
export function brokenInMessages(code: string | null): string {
  if (code === 'upstream_timeout') return 'timeout_error';
  return code === 'overloaded' ? 'overloaded_error' : 'api_error';
}

// --- what one cell of the matrix comes to ------------------------------------

export interface Expected {
  /** 200, or the status of the error */
  status: number;
  answer: 'right' | 'speechless' | 'error' | 'broken';
  tier: 'local' | 'cloud';
  reason: string;
  error?: Omit<ErrorShape, 'status'>;
  /** differences of counters; what is not named stays */
  counts: Record<string, number>;
}

const tierOf = { vllm: 'local', anthropic: 'cloud' } as const;

const tries = (tier: string, result: string) => `weir_tries_total{tier="${tier}",result="${result}"}`;
const requests = (tier: string, outcome: string) =>
  `weir_requests_total{tier="${tier}",outcome="${outcome}"}`;
const wanted = (served: string) => `weir_local_wanted_total{backend="vllm",served="${served}"}`;

/** Only requests that were wanted local count as such. */
function count(backend: Backend, served: string, ...names: string[]): Record<string, number> {
  const all = backend === 'vllm' ? [...names, wanted(served)] : names;
  return Object.fromEntries(all.map((name) => [name, 1]));
}

function failed(backend: Backend, error: ErrorShape, served: string): Expected {
  const tier = tierOf[backend];
  const { status, ...shape } = error;
  const outcome = status < 500 ? 'client_error' : 'error';
  return {
    status,
    answer: 'error',
    tier,
    reason: 'explicit',
    error: shape,
    counts: count(backend, served, tries(tier, 'failed'), requests(tier, outcome)),
  };
}

function fallback(backend: Backend, cause: string): Expected {
  const tier = tierOf[backend];
  const next = tier === 'local' ? 'cloud' : 'local';
  return {
    status: 200,
    answer: 'right',
    tier: next,
    reason: `fallback:${cause}`,
    counts: count(backend, next, tries(tier, 'failed'), tries(next, 'ok'), requests(next, 'ok')),
  };
}

export const notReadyError: ErrorShape = {
  status: 503,
  type: 'server_error',
  code: 'backend_not_ready',
  retryAfter: 9,
};

export function expected(row: Row, backend: Backend, situation: Situation): Expected {
  const outcome = row.outcome;
  const tier = tierOf[backend];
  switch (outcome.kind) {
    case 'right':
    case 'speechless':
      return {
        status: 200,
        answer: outcome.kind,
        tier,
        reason: 'explicit',
        counts: count(backend, tier, tries(tier, 'ok'), requests(tier, 'ok')),
      };
    case 'told':
      return failed(backend, outcome.error, tier);
    case 'breaks':
      return {
        status: 200,
        answer: 'broken',
        tier,
        reason: 'explicit',
        error: { type: outcome.type, code: outcome.code },
        counts: count(backend, tier, tries(tier, 'failed'), requests(tier, 'error')),
      };
    default:
      break;
  }
  if (situation === 'another') return fallback(backend, outcome.cause);
  if (outcome.kind === 'moves') return failed(backend, outcome.error, tier);
  if (outcome.kind === 'not-ready') return failed(backend, notReadyError, 'refused');
  return {
    status: 200,
    answer: 'right',
    tier,
    reason: 'explicit',
    counts: count(backend, 'held', tries(tier, 'failed'), tries(tier, 'ok'), requests(tier, 'ok')),
  };
}
