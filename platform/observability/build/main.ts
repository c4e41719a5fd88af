// Writes the dashboards anew, or with --check says which ones are stale:
//   node platform/observability/build/main.ts [--check]
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cost } from './cost.ts';
import { dashboard } from './grafana.ts';
import { inference } from './inference.ts';
import { router } from './router.ts';
import { scaling } from './scaling.ts';
import { spell } from './variables.ts';

const folder = fileURLToPath(new URL('../dashboards/', import.meta.url));
let isStale = false;
for (const board of [router, cost, inference, scaling]) {
  const file = `${folder}${board.uid}.json`;
  const text = `${JSON.stringify(spell(dashboard(board)), null, 2)}\n`;
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is stale: node platform/observability/build/main.ts`);
    isStale = true;
  }
}
process.exitCode = isStale ? 1 : 0;
