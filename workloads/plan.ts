// A plan by a frontier model, shown while it is written.
import { FILE, main, note, textOf, wholeNumber } from './lib/command.ts';
import { connect, servedBy, shown } from './lib/router.ts';

const HELP = `
usage: node plan.ts [options] [GOAL ...]

Has the cloud's model write a plan and prints it as it comes.

  GOAL ...        what to plan; without any, an example that is built in
  -f, --file F    the goal stands in this file; - is the standard input
  --max-tokens N  no longer than this (1500)
`;

const EXAMPLE = 'moving a web shop of ten services from one large server to Kubernetes without an hour of downtime';

await main({
  name: 'plan',
  help: HELP,
  options: { ...FILE, 'max-tokens': { type: 'string', default: '1500' } },
  async run(args, values) {
    const maxTokens = wholeNumber(values, 'max-tokens', 1, 100_000);
    const goal = await textOf(args, values, EXAMPLE);
    const began = performance.now();
    const since = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    const { data: stream, response } = await connect(values.retries)
      .chat.completions.create({
        model: 'cloud',
        stream: true,
        stream_options: { include_usage: true },
        messages: [
          { role: 'system', content: 'You write plans that a small team can follow: numbered steps, each with its result.' },
          { role: 'user', content: `Write a step by step plan for ${goal}` },
        ],
        max_tokens: maxTokens,
      })
      .withResponse();
    note(`plan: ${shown(servedBy(response))}`);

    let said = '';
    let finish: string | null = null;
    let tokens: number | undefined;
    try {
      for await (const { choices, usage } of stream) {
        const piece = choices[0]?.delta.content ?? '';
        if (piece !== '' && said === '') note(`plan: first words after ${since()}`);
        said += piece;
        process.stdout.write(piece);
        finish = choices[0]?.finish_reason ?? finish;
        tokens = usage?.completion_tokens ?? tokens;
      }
    } finally {
      if (said !== '') process.stdout.write('\n'); // also behind one that broke off
    }
    note(`plan: ${tokens ?? '?'} tokens in ${since()}`);
    if (finish === 'stop') return 0;
    note(`plan: it is not whole: ${finish === 'length' ? `longer than ${maxTokens} tokens` : `it ended with ${finish}`}`);
    return 1;
  },
});
