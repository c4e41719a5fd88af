// Prints what the configuration costs in a month, as a table in Markdown.
//
//   npm run cost -- [--hours N]     N hours of full load in a month (160)
import { parseArgs } from 'node:util';
import { table } from '../lib/cost.ts';
import prices from '../prices.json' with { type: 'json' };
import config from '../weir.config.ts';

const { values } = parseArgs({ options: { hours: { type: 'string', default: '160' } } });
const hours = Number(values.hours);
if (!(hours >= 0 && hours <= 730)) {
  process.stderr.write('--hours: from 0 to 730, the hours of a month\n');
  process.exit(2);
}
process.stdout.write(table(config, prices, hours));
