// What a shell script needs to know of the configuration, on one line: name,
// region, and the stacks in the order in which they are made.
import { stackNames } from '../lib/stacks.ts';
import config from '../weir.config.ts';

process.stdout.write(`${config.name} ${config.region} ${stackNames.join(',')}\n`);
