// Writes every Kubernetes object of the synthesised stacks into a folder, one
// file each, for an API server to check:
//
//   npm run synth && npm run manifests -- FOLDER
//   kubectl apply --dry-run=server -f FOLDER
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileName, manifestsOf } from '../lib/manifests.ts';
import { stackNames } from '../lib/stacks.ts';

const [folder, assembly = fileURLToPath(new URL('../cdk.out', import.meta.url))] = process.argv.slice(2);
if (!folder) {
  process.stderr.write('usage: npm run manifests -- FOLDER [CDK_OUT]\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
let written = 0;
stackNames.forEach((stack, order) => {
  const template = JSON.parse(readFileSync(join(assembly, `${stack}.template.json`), 'utf8'));
  manifestsOf(template).forEach((placed, index) => {
    const name = fileName(`${order}-${stack}`, index, placed);
    writeFileSync(join(folder, name), `${JSON.stringify(placed.object, null, 2)}\n`);
    written += 1;
  });
});
process.stdout.write(`${written} objects in ${folder}\n`);
