// A small agent: a model that may use the tools of lib/tools.ts until it knows
// the answer.  Each turn is a request of its own, and the router decides anew.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type OpenAI from 'openai';
import { FILE, main, note, textOf, wholeNumber } from './lib/command.ts';
import { Problem } from './lib/problem.ts';
import { connect, servedBy, shown } from './lib/router.ts';
import { clip } from './lib/table.ts';
import { offered, use } from './lib/tools.ts';

const HELP = `
usage: node agent.ts [options] [QUESTION ...]

Answers a question with the help of tools that run here: a calculator, the
files of one folder (read, never written), and dates. Prints each call.

  QUESTION ...    without any, an example that is built in
  -f, --file F    the question stands in this file; - is the standard input
  --folder D      whose files it may read (samples)
  --turns N       gives up after so many requests (8)
`;

const samples = fileURLToPath(new URL('samples', import.meta.url));
const EXAMPLE = 'Read the file "minutes.txt", calculate 17 * 23 + 4 with the calculator, and which date is 90 days after 2026-11-26?';
const SYSTEM =
  'You answer questions. Use the tools for whatever they can find out, several at once where you can; never guess what a tool can tell. ' +
  'When you know enough, answer in a few plain sentences.';

type Message = OpenAI.ChatCompletionMessageParam;

/** One request; what it says joins the conversation. */
async function turn(client: OpenAI, messages: Message[], title: string): Promise<OpenAI.ChatCompletionMessage> {
  const { data, response } = await client.chat.completions
    .create({ model: 'auto', messages, tools: offered, max_tokens: 500 })
    .withResponse();
  const choice = data.choices[0];
  if (choice === undefined) throw new Problem('the answer is empty');
  note(`${title}: ${shown(servedBy(response))}`);
  if (choice.finish_reason === 'length') throw new Problem('the answer was cut off: it was too long');
  messages.push(choice.message);
  return choice.message;
}

function call(of: OpenAI.ChatCompletionMessageToolCall, folder: string): Message {
  // no other kind was offered
  const { name, arguments: args } = of.type === 'function' ? of.function : { name: of.custom.name, arguments: '' };
  const result = use(name, args, folder);
  note(`  ${name} ${clip(args, 100)}\n    ${clip(result, 100)}`);
  return { role: 'tool', tool_call_id: of.id, content: result };
}

await main({
  name: 'agent',
  help: HELP,
  options: { ...FILE, folder: { type: 'string', default: samples }, turns: { type: 'string', default: '8' } },
  async run(args, values) {
    const most = wholeNumber(values, 'turns', 1, 100);
    const folder = String(values.folder);
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Problem(`--folder: ${folder} is no folder`);
    const client = connect(values.retries);
    const messages: Message[] = [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: await textOf(args, values, EXAMPLE) },
    ];
    for (let n = 1; n <= most; n++) {
      const said = await turn(client, messages, `turn ${n}`);
      const calls = said.tool_calls ?? [];
      if (calls.length === 0) {
        if (!said.content) throw new Problem('the answer is empty');
        console.log(said.content.trim());
        return 0;
      }
      for (const each of calls) messages.push(call(each, folder));
    }
    throw new Problem(`no answer after ${most} turns; --turns allows more`);
  },
});
