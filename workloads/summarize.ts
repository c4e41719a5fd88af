// Articles of any length, put into two sentences: the router decides by their
// length who does it, and says so.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, note, readInput } from './lib/command.ts';
import { connect, servedBy, shown } from './lib/router.ts';

const HELP = `
usage: node summarize.ts [options] [FILE ...]

Summarizes each file in two sentences and says who did it and why: model
"auto" keeps a short article at home and sends a long one to the cloud.

  FILE ...        the articles; - is the standard input; without any, a short
                  and a long one that are built in
`;

const builtIn = ['samples/short.txt', 'samples/long.txt'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

await main({
  name: 'summarize',
  help: HELP,
  options: {},
  async run(args, values) {
    const client = connect(values.retries);
    const files = args.length > 0 ? args : builtIn;
    // all of them are there before the first costs anything
    const articles = [];
    for (const file of files) articles.push({ file, article: (await readInput(file)).trim() });
    for (const [i, { file, article }] of articles.entries()) {
      const title = file === '-' ? 'standard input' : basename(file);
      note(`summarize: ${i + 1} of ${articles.length}: ${title}`);
      const { data, response } = await client.chat.completions
        .create({
          model: 'auto',
          messages: [{ role: 'user', content: `Summarize the following article in two sentences.\n\n${article}` }],
          max_tokens: 300,
        })
        .withResponse();
      const choice = data.choices[0];
      console.log(`${i === 0 ? '' : '\n'}${title}: ${article.length} characters`);
      console.log(`served by ${shown(servedBy(response))}\n`);
      console.log(choice?.message.content?.trim() || '(no answer)');
      if (choice?.finish_reason === 'length') console.log('(cut off: the answer was too long)');
      if (!choice?.message.content) return 1;
    }
    return 0;
  },
});
