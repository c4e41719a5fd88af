// What is named in two places is the same in both.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { charts } from '../cdk/lib/charts.ts';
import { tools } from './apiserver.ts';
import { chartNamed } from './charts.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('the chart’s router is the one of this tree', () => {
  const [, version] = /project\(weir VERSION ([\d.]+)/.exec(read('CMakeLists.txt'))!;
  expect(parse(readFileSync(join(chartNamed('weir').folder, 'Chart.yaml'), 'utf8')).appVersion).toBe(version);
});

test.each([
  ['github.com/kedacore/keda/v2', charts.keda.version],
  ['github.com/aws/karpenter-provider-aws', charts.karpenterCrds.version],
])('the definitions of %s are those that the stacks install', (module, version) => {
  expect(read('platform/apiserver/crds.txt')).toContain(`\n${module}@v${version} h1:`);
});

test('the API server and kubectl are of one version', () => {
  const [, server] = /\tk8s.io\/kubernetes (v\S+)/.exec(read('platform/apiserver/go.mod'))!;
  const said = execFileSync(join(tools, 'kubernetes/kubectl'), ['version', '--client', '--output=json'], { encoding: 'utf8' });
  expect(JSON.parse(said).clientVersion.gitVersion).toBe(server);
});
