import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { check } from '../lib/check.ts';
import type { WeirConfig } from '../lib/config.ts';
import { gpuPools } from '../lib/gpu-pools.ts';
import { placeholders } from '../lib/placeholders.ts';
import { configWith, type Partly } from './synth.ts';

test('the shipped configuration is a good one', () => {
  expect(() => check(configWith())).not.toThrow();
});

const zones = ['eu-central-1a', 'eu-central-1b', 'eu-central-1c'];

const refused: [string, Partly<WeirConfig>, string][] = [
  ['a name that no cluster can have', { name: 'Hybrid_LLM' }, 'name: 3 to 40 small letters'],
  ['a region that is none', { region: 'europe' }, 'region: europe is none'],
  ['an account of eleven digits', { account: '11112222333' }, 'account: twelve digits'],
  ['two zones', { availabilityZones: zones.slice(0, 2) }, 'availabilityZones: three different zones'],
  ['one zone three times', { availabilityZones: [zones[0]!, zones[0]!, zones[1]!] }, 'three different zones'],
  [
    'zones of another region',
    { availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'] },
    'availabilityZones: they must be zones of eu-central-1',
  ],
  ['no certificate', { router: { certificateArn: '' } }, 'router.certificateArn: the ARN of a certificate'],
  [
    'a certificate elsewhere',
    { router: { certificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/a-b' } },
    'router.certificateArn: the certificate must be in eu-central-1',
  ],
  ['a budget that tells nobody', { budget: { emails: [] } }, 'budget: an amount above 0'],
  ['a network that is too small', { network: { cidr: '10.0.0.0/24' } }, 'network.cidr: a range such as'],
  ['a network that is no range', { network: { cidr: '10.0.300.0/16' } }, 'network.cidr: a range such as'],
  ['a public network', { network: { cidr: '8.8.0.0/16' } }, 'network.cidr: not a private range'],
  ['a range that begins in the middle', { network: { cidr: '10.40.1.0/16' } }, 'not the first one of its range'],
  ['no way out', { network: { natGateways: 0 } }, 'network.natGateways: 1 to 3'],
  ['a retention that CloudWatch does not know', { cluster: { logDays: 31 } }, 'cluster.logDays: one of 1, 3, 5'],
  ['the same of flow logs', { network: { flowLogDays: 10 } }, 'network.flowLogDays: one of'],
  ['nobody who may look in', { cluster: { adminRoles: [] } }, 'cluster.adminRoles: at least one role'],
  [
    'a session as administrator',
    { cluster: { adminRoles: ['arn:aws:sts::111122223333:assumed-role/A/b'] } },
    'cluster.adminRoles: ARNs of IAM roles, not of sessions',
  ],
  ['one system node', { systemPool: { min: 1 } }, 'systemPool.min: at least 2'],
  ['more nodes wanted than allowed', { systemPool: { desired: 9 } }, 'min <= desired <= max must hold'],
  ['a small disk', { gpuPool: { diskGiB: 20 } }, 'gpuPool.diskGiB: at least 60'],
  ['an image that moves', { gpuPool: { imageAlias: 'al2023@latest' } }, 'gpuPool.imageAlias: a release such as'],
  ['a duration without a unit', { gpuPool: { emptyFor: '300' } }, 'gpuPool: durations are written'],
  ['no capacity', { gpuPool: { capacity: [] } }, "gpuPool.capacity: 'spot', 'on-demand' or both"],
  [
    'models that need more GPUs than there may be',
    { models: { chat: { maxReplicas: 5 } } },
    'gpuPool.maxGpus: the models may ask for 5 GPUs (gpus x maxReplicas), more than 4',
  ],
  [
    'a managed group without types',
    { gpuPool: { provisioner: 'managed' } },
    'gpuPool.instanceTypes: a managed group needs exact types',
  ],
  ['no family of instances', { gpuPool: { instanceFamilies: [] } }, 'gpuPool.instanceFamilies: at least one'],
];

describe('refused, with the field and the reason', () => {
  test.each(refused)('%s', (_, over, message) => {
    expect(() => check(configWith(over))).toThrow(message);
  });

  test('all that is wrong is told at once', () => {
    const config = configWith({ region: 'nowhere', systemPool: { min: 0 } });
    expect(() => check(config)).toThrow(/^weir\.config\.ts:\n {2}region: .*\n(.*\n)* {2}systemPool\.min: /);
  });
});

test('models of one size share a pool, others get their own, smaller nodes first', () => {
  const large = {
    name: 'large',
    prefix: 'large',
    maxModelLen: 8192,
    gpus: 4,
    gpuMemoryMiB: 40000,
    maxReplicas: 1,
  };
  const code = { ...configWith().models.chat, name: 'code', maxReplicas: 2 };
  const pools = gpuPools(configWith({ models: { large, code } }));
  expect(pools).toEqual([
    { name: 'gpu-1x20g', gpus: 1, gpuMemoryMiB: 20000, maxGpus: 6 },
    { name: 'gpu-4x40g', gpus: 4, gpuMemoryMiB: 40000, maxGpus: 4 },
  ]);
});

test('what stands for something else is told before a deployment', () => {
  const shipped = placeholders(configWith()).map(([path]) => path);
  expect(shipped).toEqual([
    'cluster.adminRoles.0',
    'router.domain',
    'router.certificateArn',
    'router.image.repository',
    'observability.langfuse.adminEmail',
    'budget.emails.0',
  ]);
  expect(placeholders({ a: ['llm.company.net', 7, undefined], b: { c: '444455556666' } })).toEqual([]);
});

test('npm run deploy asks for it before it calls AWS', () => {
  const ran = spawnSync('npm', ['run', '--silent', 'deploy'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    encoding: 'utf8',
  });
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain('weir.config.ts still has placeholders:\n  cluster.adminRoles.0: arn:aws:iam::111122223333');
});
