// Before a deployment: what the shipped configuration only stands for must have
// been replaced.  The synthesis takes it, AWS would not.
import { placeholders } from '../lib/placeholders.ts';
import config from '../weir.config.ts';

const found = placeholders(config);
if (found.length > 0) {
  process.stderr.write(
    `weir.config.ts still has placeholders:\n${found.map(([path, value]) => `  ${path}: ${value}`).join('\n')}\n`,
  );
  process.exit(1);
}
