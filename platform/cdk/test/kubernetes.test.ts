// What the stacks put into the cluster, judged by a real API server that knows
// the kinds of Karpenter, External Secrets, KEDA and the Prometheus Operator.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer } from '../../test/apiserver.ts';
import { manifestsOf, type KubernetesObject } from '../lib/manifests.ts';
import { stackNames } from '../lib/stacks.ts';
import shipped from '../weir.config.ts';
import { configWith, scratch, stacksOf, templateOf, turned } from './synth.ts';

const model = shipped.models.chat;
const configurations = {
  shipped,
  turned,
  'with more models, on Spot alone': configWith({
    models: {
      code: { ...model, name: 'code', prefix: 'code', gpuMemoryMiB: 40000 },
      large: { ...model, name: 'large', prefix: 'large', gpus: 8, gpuMemoryMiB: 40000, maxReplicas: 1 },
    },
    gpuPool: { maxGpus: 16, capacity: ['spot'] },
  }),
};

function objectsOf(config: typeof shipped): KubernetesObject[] {
  const { app: _, ...stacks } = stacksOf(config);
  return Object.values(stacks).flatMap((stack) => manifestsOf(templateOf(stack).toJSON()).map(({ object }) => object));
}

let server: ApiServer;
beforeAll(async () => {
  server = await ApiServer.start();
});
afterAll(() => server?.stop());

describe('a real API server takes every object', () => {
  test.each(Object.entries(configurations))('%s', async (_, config) => {
    const objects = objectsOf(config);
    const { accepted, refused } = await server.check(objects);
    expect(refused).toEqual([]);
    expect(accepted).toHaveLength(objects.length);
  });

  test('among them those of every controller', () => {
    const kinds = objectsOf(shipped).map(({ kind }) => kind);
    for (const kind of ['StorageClass', 'ClusterSecretStore', 'EC2NodeClass', 'NodePool', 'ExternalSecret'])
      expect(kinds).toContain(kind);
  });
});

describe('and would refuse', () => {
  test('a pool that is never consolidated', async () => {
    const wrong = structuredClone(objectsOf(shipped).find(({ kind }) => kind === 'NodePool')) as any;
    wrong.spec.disruption.consolidationPolicy = 'Sometimes';
    expect((await server.check([wrong])).refused.join()).toMatch(/consolidationPolicy/);
  });

  test('nodes of two roles: rules of its kind are evaluated', async () => {
    const wrong = structuredClone(objectsOf(shipped).find(({ kind }) => kind === 'EC2NodeClass')) as any;
    wrong.spec.instanceProfile = 'another';
    expect((await server.check([wrong])).refused.join()).toMatch(/instanceProfile/);
  });
});

test('the objects can be written down as files, in the order of the stacks', () => {
  const { app } = stacksOf();
  const [from, to] = [app.synth().directory, scratch()];
  const program = fileURLToPath(new URL('../bin/manifests.ts', import.meta.url));
  const said = execFileSync(process.execPath, [program, to, from], { encoding: 'utf8' });
  const files = readdirSync(to).sort();
  expect(said).toBe(`${files.length} objects in ${to}\n`);
  expect(files).toHaveLength(objectsOf(shipped).length);
  const kinds = files.map((name) => JSON.parse(readFileSync(join(to, name), 'utf8')).kind as string);
  expect(kinds.indexOf('StorageClass')).toBeLessThan(kinds.indexOf('NodePool'));
  expect(files[0]).toMatch(new RegExp(`^2-${stackNames[2]!.toLowerCase()}-00-storageclass-gp3\\.json$`));
});
