// HybridLlmInference: KEDA, the weights and who may read them, vLLM.
import { describe, expect, test } from 'vitest';
import { charts, own, services, url } from '../lib/charts.ts';
import { poolLabel, poolName } from '../lib/gpu-pools.ts';
import { resolve } from '../lib/manifests.ts';
import type { WeirConfig } from '../lib/config.ts';
import { before, objects, ofType, one, releaseOf, releases, rendered } from './installed.ts';
import { configWith, stacksOf, type Partly } from './synth.ts';

const built = stacksOf();
const stack = built.inference;
const vllm = releaseOf(stack, 'vllm');
const all = rendered(own.vllm.folder, vllm);

const code = {
  name: 'qwen2.5-coder-7b-instruct',
  prefix: 'coder',
  maxModelLen: 16384,
  gpus: 1,
  gpuMemoryMiB: 20000,
  maxReplicas: 2,
};
const large = {
  name: 'qwen2.5-72b-instruct',
  prefix: 'large/72b',
  maxModelLen: 32768,
  gpus: 8,
  gpuMemoryMiB: 39000,
  maxReplicas: 1,
};

const withModels = (models: Partly<WeirConfig['models']>) =>
  stacksOf(configWith({ models, gpuPool: { maxGpus: 16 } } as Partly<WeirConfig>));

test('KEDA is there before what it scales, and nobody waits for weights', () => {
  const keda = releaseOf(stack, 'keda');
  expect(keda).toMatchObject({ version: charts.keda.version, namespace: 'keda', wait: true });
  expect(before(stack, vllm.id)).toContain(keda.id);
  expect(vllm).toMatchObject({ namespace: 'inference', wait: false, timeout: '900s' });
  expect(releases(stack)).toHaveLength(2);
});

describe('the triggers', () => {
  const spec = one(all, 'ScaledObject', 'vllm').spec;

  test('ask the Prometheus that is there', () => {
    const prometheus = releaseOf(built.observability, 'kube-prometheus-stack');
    expect(prometheus.values.fullnameOverride).toBe('kube-prometheus-stack');
    const asked = spec.triggers
      .filter(({ type }: any) => type === 'prometheus')
      .map(({ metadata }: any) => metadata.serverAddress);
    expect(asked).toEqual([url(services.prometheus), url(services.prometheus)]);
    expect(asked[0]).toBe(`http://${prometheus.release}-prometheus.${prometheus.namespace}.svc.cluster.local:9090`);
  });

  test('are demand, queue and office hours, from zero to the limit', () => {
    expect(spec.triggers.map(({ type }: any) => type)).toEqual(['prometheus', 'prometheus', 'cron']);
    expect(spec).toMatchObject({ minReplicaCount: 0, maxReplicaCount: 4 });
    const [demand, , hours] = spec.triggers.map(({ metadata }: any) => metadata);
    expect(demand.query).toContain('weir_local_wanted_total{namespace="router",backend="vllm"');
    expect(hours).toEqual({
      timezone: 'Europe/Berlin',
      start: '0 8 * * 1-5',
      end: '0 20 * * 1-5',
      desiredReplicas: '1',
    });
  });

  test('keep nothing warm if there are no office hours', () => {
    const bare = { ...configWith(), models: { chat: configWith().models.chat } };
    const spec = one(rendered(own.vllm.folder, releaseOf(stacksOf(bare).inference, 'vllm')), 'ScaledObject').spec;
    expect(spec.triggers.map(({ type }: any) => type)).toEqual(['prometheus', 'prometheus']);
  });
});

describe('the pods', () => {
  const pod = one(all, 'Deployment', 'vllm').spec.template.spec;

  test('run on the nodes of their pool, with GPUs', () => {
    const model = configWith().models.chat;
    expect(pod.nodeSelector).toEqual({ 'node.kubernetes.io/purpose': 'gpu-inference', [poolLabel]: poolName(model) });
    expect(pod.tolerations).toEqual([
      { key: 'nvidia.com/gpu', operator: 'Equal', value: 'present', effect: 'NoSchedule' },
    ]);
    expect(pod.containers[0].resources.limits['nvidia.com/gpu']).toBe('1');
  });

  test('copy the weights from the bucket with their role', () => {
    const source = pod.initContainers[0].env.find(({ name }: any) => name === 'SOURCE').value;
    expect(source).toMatch(/^s3:\/\/dummy-models\w+\/qwen2.5-7b-instruct$/);
    expect(pod.serviceAccountName).toBe('vllm');
    const association = ofType(stack, 'AWS::EKS::PodIdentityAssociation');
    expect(association).toHaveLength(1);
    expect(association[0]!.Properties).toMatchObject({ Namespace: 'inference', ServiceAccount: 'vllm' });
  });

  test('are found by the router and by Prometheus', () => {
    expect(one(all, 'Service', 'vllm').spec.ports[0].port).toBe(8000);
    expect(all.filter(({ kind }) => kind === 'PodMonitor')).toHaveLength(1);
    const policy = one(all, 'NetworkPolicy');
    expect(JSON.stringify(policy.spec.ingress)).toContain('"kubernetes.io/metadata.name":"router"');
  });

  test('comply with the strictest level of their namespace', () => {
    const home = one(
      objects(stack).map(({ object }) => object),
      'Namespace',
      'inference',
    );
    expect(home.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of [...pod.containers, ...pod.initContainers])
      expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
  });
});

describe('the role', () => {
  const statements = (of = stack) =>
    ofType(of, 'AWS::IAM::Policy').flatMap(({ Properties }) => Properties['PolicyDocument'].Statement as any[]);

  test('lists and reads one folder, and decrypts with one key', () => {
    const [list, read, decrypt, ...more] = statements();
    expect(more).toEqual([]);
    expect(list).toMatchObject({
      Action: 's3:ListBucket',
      Condition: { StringLike: { 's3:prefix': ['qwen2.5-7b-instruct', 'qwen2.5-7b-instruct/*'] } },
    });
    expect(read.Action).toBe('s3:GetObject');
    expect(resolve(read.Resource)).toMatch(/^dummy-models\w+-arn\/qwen2.5-7b-instruct\/\*$/);
    expect(decrypt.Action).toBe('kms:Decrypt');
    expect(resolve(decrypt.Resource)).toMatch(/^dummy-modelskey\w+-arn$/);
  });

  test('is for pods alone', () => {
    const roles = ofType(stack, 'AWS::IAM::Role');
    expect(roles).toHaveLength(1);
    expect(roles[0]!.Properties['AssumeRolePolicyDocument'].Statement).toEqual([
      {
        Action: ['sts:AssumeRole', 'sts:TagSession'],
        Effect: 'Allow',
        Principal: { Service: 'pods.eks.amazonaws.com' },
      },
    ]);
  });

  test('is named by the service account with IRSA', () => {
    const irsa = stacksOf(configWith({ identity: 'irsa' })).inference;
    expect(ofType(irsa, 'AWS::EKS::PodIdentityAssociation')).toEqual([]);
    const { values } = releaseOf(irsa, 'vllm');
    expect(values.serviceAccount.annotations['eks.amazonaws.com/role-arn']).toMatch(/^dummy-vllmaccountrole\w+-arn$/);
    const [trust] = ofType(irsa, 'AWS::IAM::Role').map(
      ({ Properties }) => Properties['AssumeRolePolicyDocument'].Statement[0],
    );
    expect(trust.Action).toBe('sts:AssumeRoleWithWebIdentity');
    expect(trust.Condition.StringEquals).toBeDefined();
    expect(statements(irsa).every(({ Action }) => Action !== '*')).toBe(true);
  });

  test('reads the folders of all models', () => {
    const { inference } = withModels({ code, large });
    const read = statements(inference).find(({ Action }) => Action === 's3:GetObject');
    const folders = read.Resource.map((each: unknown) => resolve(each).replace(/^dummy-\w+-arn/, ''));
    expect(folders.sort()).toEqual(['/coder/*', '/large/72b/*', '/qwen2.5-7b-instruct/*']);
  });
});

describe('the bucket', () => {
  test('is encrypted with a key that rotates, closed, versioned, logged and kept', () => {
    const [bucket] = Object.values(ofType(stack, 'AWS::S3::Bucket')).filter(
      ({ Properties }) => Properties['LoggingConfiguration'],
    );
    expect(bucket!.DeletionPolicy).toBe('Retain');
    const { BucketEncryption, VersioningConfiguration, PublicAccessBlockConfiguration } = bucket!.Properties;
    const [rule] = BucketEncryption.ServerSideEncryptionConfiguration;
    expect(rule.ServerSideEncryptionByDefault.SSEAlgorithm).toBe('aws:kms');
    expect(rule.BucketKeyEnabled).toBe(true);
    expect(VersioningConfiguration.Status).toBe('Enabled');
    expect(Object.values(PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
    const [key] = ofType(stack, 'AWS::KMS::Key');
    expect(key!.Properties['EnableKeyRotation']).toBe(true);
    expect(key!.DeletionPolicy).toBe('Retain');
  });

  test('may be one that exists, with its key', () => {
    const bucketKeyArn = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';
    const { inference } = withModels({ bucket: 'our-models', bucketKeyArn });
    expect(ofType(inference, 'AWS::S3::Bucket')).toEqual([]);
    expect(ofType(inference, 'AWS::KMS::Key')).toEqual([]);
    expect(releaseOf(inference, 'vllm').values.weights.bucket).toBe('our-models');
    const decrypt = statementOf(inference, 'kms:Decrypt');
    expect(decrypt.Resource).toBe(bucketKeyArn);
    expect(() => withModels({ bucketKeyArn })).toThrow('models.bucketKeyArn');
    expect(() => withModels({ chat: { prefix: '/qwen/' } })).toThrow('prefix');
  });
});

describe('more models', () => {
  const more = withModels({ code, large, image: { repository: 'registry.example/vllm', tag: 'v0.32.0' } });
  const release = releaseOf(more.inference, 'vllm');
  const objectsOf = rendered(own.vllm.folder, release);

  test('have Deployments, Services and triggers of their own', () => {
    const names = (kind: string) => objectsOf.filter((each) => each.kind === kind).map((each) => each.metadata.name);
    for (const kind of ['Deployment', 'Service', 'ScaledObject'])
      expect(names(kind)).toEqual(['vllm', 'vllm-code', 'vllm-large']);
    for (const name of ['vllm', 'vllm-code', 'vllm-large'])
      expect(one(objectsOf, 'Deployment', name).spec.template.spec.containers[0].image).toBe(
        'registry.example/vllm:v0.32.0',
      );
  });

  test('are backends of the router, by the names that their triggers ask for', () => {
    const { backends } = releaseOf(more.router, 'weir').values.config;
    expect(backends.map(({ name, url }: any) => [name, url])).toEqual([
      ['vllm', 'http://vllm.inference.svc.cluster.local:8000'],
      ['code', 'http://vllm-code.inference.svc.cluster.local:8000'],
      ['large', 'http://vllm-large.inference.svc.cluster.local:8000'],
      ['anthropic', 'https://api.anthropic.com'],
    ]);
    for (const { name, url } of backends.slice(0, 3)) {
      const service = new URL(url).hostname.split('.')[0]!;
      const demand = one(objectsOf, 'ScaledObject', service).spec.triggers[0].metadata.query;
      expect(demand).toContain(`backend="${name}"`);
    }
  });

  test('and the large one spans the GPUs of one node of its pool', () => {
    const pod = one(objectsOf, 'Deployment', 'vllm-large').spec.template.spec;
    expect(pod.containers[0].args).toContain('--tensor-parallel-size=8');
    expect(pod.containers[0].args).toContain('--max-model-len=32768');
    expect(pod.containers[0].resources.limits['nvidia.com/gpu']).toBe('8');
    expect(pod.nodeSelector[poolLabel]).toBe(poolName(large));
    expect(pod.affinity).toBeUndefined();
    const four = withModels({ large: { ...large, gpus: 4 } });
    const smaller = one(rendered(own.vllm.folder, releaseOf(four.inference, 'vllm')), 'Deployment', 'vllm-large');
    expect(smaller.spec.template.spec.containers[0].resources.requests).toMatchObject({ cpu: '20', memory: '100Gi' });
  });
});

function statementOf(of: typeof stack, action: string): any {
  return ofType(of, 'AWS::IAM::Policy')
    .flatMap(({ Properties }) => Properties['PolicyDocument'].Statement as any[])
    .find(({ Action }) => Action === action);
}
