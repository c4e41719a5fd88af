// Prints the table of docs/faults.md (scripts/faults puts it there).
import {
  type Backend,
  brokenInMessages,
  expected,
  type Expected,
  inMessages,
  type Mode,
  type Row,
  rows,
  type Situation,
} from './fault-table.ts';

const names: Record<Backend, string> = { vllm: 'vLLM', anthropic: 'Anthropic' };

/** "local failed, cloud ok": the tries and how they ended. */
function triesOf({ counts }: Expected): string {
  return Object.keys(counts)
    .flatMap((name) => {
      const found = /^weir_tries_total\{tier="(\w+)",result="(\w+)"\}$/.exec(name);
      return found ? [`${found[1]} ${found[2]}`] : [];
    })
    .join(', ');
}

function answerOf(want: Expected): string {
  const { error } = want;
  const code = error === undefined ? '' : ` \`${error.code ?? error.type}\``;
  const retry = error?.retryAfter === undefined ? '' : `, Retry-After ${error.retryAfter}`;
  switch (want.answer) {
    case 'error':
      return `${want.status}${code}${retry}`;
    case 'broken':
      return `begins, then error event${code}, [DONE]`;
    case 'speechless':
      return '200, nothing said';
    default:
      return want.reason.startsWith('fallback:')
        ? `${want.tier} answers, \`${want.reason}\``
        : 'the whole answer';
  }
}

function seen(row: Row, backend: Backend, situation: Situation): string {
  const want = expected(row, backend, situation);
  const held = want.counts['weir_local_wanted_total{backend="vllm",served="held"}'] === 1 ? 'held, then ' : '';
  return `${held}${answerOf(want)} (${triesOf(want)})`;
}

/** What Messages says in place of an error in OpenAI's words. */
function inOtherWords(row: Row, backend: Backend): string {
  const { answer, status, error } = expected(row, backend, 'alone');
  if (answer === 'broken') return `event \`error\` \`${brokenInMessages(error!.code)}\``;
  if (answer !== 'error') return '';
  const isStreamError = row.fault.startsWith('error=') && row.modes.includes('stream');
  const said = inMessages({ status, ...error! }, isStreamError);
  return `${said.status} \`${said.type}\`${said.retryAfter === undefined ? '' : `, Retry-After ${said.retryAfter}`}`;
}

const modesOf = (modes: Mode[]) => (modes.length === 2 ? '' : modes[0] === 'whole' ? ', whole' : ', stream');

const lines = rows.flatMap((row) =>
  row.backends.map((backend) => {
    const fault = row.then === undefined ? `\`${row.fault}\`` : `\`${row.fault}\`, then \`${row.then}\``;
    const cells = [
      `${fault} ${row.when}`,
      `${names[backend]}${modesOf(row.modes)}`,
      seen(row, backend, 'another'),
      seen(row, backend, 'alone'),
      inOtherWords(row, backend),
    ];
    return `| ${cells.join(' | ')} |`;
  }),
);

console.log(
  [
    '| fault | asked first | another backend may answer | alone, or pinned | the same error in Messages |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n'),
);
