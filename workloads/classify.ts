// Reviews, each put into one word by the local model: they never touch the
// cloud.  An answer that is none of the words is shown as what it is.
import { fileURLToPath } from 'node:url';
import type OpenAI from 'openai';
import { FILE, main, note, readInput, wholeNumber } from './lib/command.ts';
import { inParallel } from './lib/parallel.ts';
import { Usage } from './lib/problem.ts';
import { connect, type Served, servedBy } from './lib/router.ts';
import { clip, table } from './lib/table.ts';

const HELP = `
usage: node classify.ts [options] [REVIEW ...]

Labels reviews with one word each. The requests are pinned to the local tier
(X-Router-Policy: local-only): no review leaves the house, whatever fails.

  REVIEW ...      the reviews; without any, ten that are built in
  -f, --file F    one review a line of this file; - is the standard input
  --labels A,B    the words to choose from (positive,negative,neutral)
  --parallel N    so many requests at a time (4)
`;

const builtIn = fileURLToPath(new URL('samples/reviews.txt', import.meta.url));

interface Row {
  review: string;
  label: string;
  isLabel: boolean;
  served: Served;
}

function promptFor(review: string, labels: string[]): string {
  const list = `${labels.slice(0, -1).join(', ')} or ${labels.at(-1)}`;
  return `Classify the review below as: ${list}. Answer with one word.\n\nReview: ${review}`;
}

async function classify(client: OpenAI, review: string, labels: string[], signal: AbortSignal): Promise<Row> {
  const { data, response } = await client.chat.completions
    .create(
      {
        model: 'local',
        messages: [{ role: 'user', content: promptFor(review, labels) }],
        max_tokens: 16,
        temperature: 0,
      },
      { headers: { 'X-Router-Policy': 'local-only' }, signal },
    )
    .withResponse();
  const said = data.choices[0]?.message.content ?? '';
  // models like to add a full stop, quotes or a capital
  const word = said.toLowerCase().replace(/^[\s"'`*]+|[\s"'`*.!]+$/g, '');
  const label = labels.find((each) => each.toLowerCase() === word);
  return { review, label: label ?? `? ${JSON.stringify(clip(said, 24))}`, isLabel: label !== undefined, served: servedBy(response) };
}

function summary(rows: Row[], labels: string[]): string {
  const counts = labels.map((label) => `${rows.filter((row) => row.label === label).length} ${label}`);
  const bad = rows.filter((row) => !row.isLabel).length;
  return `${rows.length} ${rows.length === 1 ? 'review' : 'reviews'}: ${counts.join(', ')}${bad === 0 ? '' : `, ${bad} answered with none of these words`}`;
}

function labelsOf(text: string): string[] {
  const labels = [...new Set(text.split(',').map((label) => label.trim()))].filter((label) => label !== '');
  if (labels.length < 2) throw new Usage(`--labels: read "${text}", expected two words or more, with commas between`);
  return labels;
}

async function reviewsOf(args: string[], file: string | undefined): Promise<string[]> {
  if (args.length > 0 && file !== undefined) throw new Usage('either reviews or --file, not both');
  if (args.length > 0) return args;
  const lines = (await readInput(file ?? builtIn)).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

await main({
  name: 'classify',
  help: HELP,
  options: {
    ...FILE,
    labels: { type: 'string', default: 'positive,negative,neutral' },
    parallel: { type: 'string', default: '4' },
  },
  async run(args, values) {
    const labels = labelsOf(String(values.labels));
    const width = wholeNumber(values, 'parallel', 1, 100);
    const reviews = await reviewsOf(args, values.file as string | undefined);
    const client = connect(values.retries);
    let done = 0;
    const rows = await inParallel(reviews, width, async (review, signal) => {
      const row = await classify(client, review, labels, signal);
      note(`classify: ${++done} of ${reviews.length}`);
      return row;
    });
    console.log(
      table(
        ['#', 'label', 'backend', 'model', 'review'],
        rows.map(({ review, label, served }, i) => [String(i + 1), label, served.backend, served.model, clip(review, 60)]),
      ),
    );
    console.log(`\n${summary(rows, labels)}`);
    return rows.every((row) => row.isLabel) ? 0 : 1;
  },
});
