// Judges manifests by a real Kubernetes API server, as if they were applied:
// with unknown fields, CEL and admission, and the kinds of KEDA, Karpenter, the
// Prometheus Operator and External Secrets.
//
//   platform/test/validate [--namespace NAME] FILE|FOLDER|-...
//
// The YAML and JSON files of a folder are judged together, and so is all that
// is named: a Namespace in one file says by its labels what pods in another may
// do.  NAME (default) is for objects that name no namespace.  The exit status
// is 1 if anything was refused, or warned of.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ApiServer, type KubeObject, parseObjects } from './apiserver.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { namespace: { type: 'string', default: 'default' }, help: { type: 'boolean', short: 'h' } },
});
if (values.help || positionals.length === 0) {
  console.error('usage: platform/test/validate [--namespace NAME] FILE|FOLDER|-...');
  process.exit(values.help ? 0 : 2);
}

const filesOf = (path: string): string[] =>
  path === '-' || !statSync(path).isDirectory()
    ? [path]
    : readdirSync(path, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ya?ml|json)$/.test(name))
        .sort()
        .map((name) => join(path, name));

const inputs = positionals.flatMap(filesOf).map((path) => {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  try {
    return { path, text, objects: parseObjects(text) };
  } catch (error) {
    console.error(`${path}: ${(error as Error).message}`);
    process.exit(1);
  }
});
const namespaces: KubeObject[] = inputs.flatMap(({ objects }) => objects.filter(({ kind }) => kind === 'Namespace'));

const server = await ApiServer.start();
try {
  await server.check(namespaces, values.namespace);
  for (const { path, text, objects } of inputs) {
    const { accepted, refused } = await server.check(text, values.namespace);
    console.log(`${path}: ${accepted.length} of ${objects.length} objects are right`);
    for (const line of refused) console.error(`${path}: ${line}`);
    if (refused.length > 0) process.exitCode = 1;
  }
} finally {
  await server.stop();
}
