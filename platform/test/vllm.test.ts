// The chart of the local tier: what it renders, what it refuses, and its copy
// of the weights, run by the system's shell.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer, type KubeObject } from './apiserver.ts';
import { chartNamed, lint, only, render, valuesOf } from './charts.ts';
import { renewed } from './readme.ts';
import { podIn, restricted } from './samples.ts';

const chart = chartNamed('vllm');
const files = valuesOf(chart).map((values) => ({ values, title: basename(values) }));
const file = (name: string) => `${chart.folder}/ci/${name}.yaml`;
const bucket = 'weights.bucket="example-models"';

const gibibytes = (text: string) => Number(/^(\d+)Gi$/.exec(text)![1]);
const ofKind = (objects: KubeObject[], kind: string) => objects.filter((object) => object.kind === kind);
const argument = (container: any, name: string): string | undefined =>
  container.args.find((arg: string) => arg.startsWith(`--${name}=`))?.split('=')[1];

/** The Deployments, with what is asked of them here. */
function tiers(objects: KubeObject[]) {
  return ofKind(objects, 'Deployment').map((deployment) => {
    const { spec, metadata } = deployment.spec.template;
    const [container] = spec.containers;
    const volume = (name: string) => spec.volumes.find((one: any) => one.name === name);
    return { deployment, name: deployment.metadata.name, pod: spec, labels: metadata.labels, annotations: metadata.annotations, container, volume };
  });
}

describe.each(files)('with $title', ({ values }) => {
  test('helm lint finds nothing', async () => {
    expect(await lint(chart, values)).toBe('');
  });

  test('each model has its own Deployment, Service, budget and ScaledObject, and none meets another’s pods', async () => {
    const { objects } = await render(chart, values);
    const names = (kind: string) => ofKind(objects, kind).map(({ metadata }) => metadata.name);
    const deployments = tiers(objects);
    expect(names('Service')).toEqual(names('Deployment'));
    expect(names('PodDisruptionBudget')).toEqual(names('Deployment'));
    if (values !== file('plain')) expect(names('ScaledObject')).toEqual(names('Deployment'));
    for (const { name } of deployments) {
      const { selector } = only(objects, 'Service', name).spec;
      const met = deployments.filter(({ labels }) => Object.entries(selector).every(([key, value]) => labels[key] === value));
      expect(met.map((one) => one.name)).toEqual([name]);
      expect(only(objects, 'PodDisruptionBudget', name).spec.selector.matchLabels).toEqual(selector);
      expect(only(objects, 'Deployment', name).spec.selector.matchLabels).toEqual(selector);
    }
  });

  test('KEDA alone says how many there are', async () => {
    const { objects } = await render(chart, values);
    for (const { deployment } of tiers(objects)) {
      const isScaled = ofKind(objects, 'ScaledObject').length > 0;
      expect('replicas' in deployment.spec).toBe(!isScaled);
    }
  });

  test('a pod has the GPUs that vLLM computes on, and a node that has them', async () => {
    const { objects } = await render(chart, values);
    for (const { container, pod } of tiers(objects)) {
      const { requests, limits } = container.resources;
      expect(limits['nvidia.com/gpu']).toBe(argument(container, 'tensor-parallel-size'));
      expect(requests['nvidia.com/gpu']).toBe(limits['nvidia.com/gpu']);
      expect(pod.tolerations).toContainEqual({ key: 'nvidia.com/gpu', operator: 'Equal', value: 'present', effect: 'NoSchedule' });
      if (values !== file('plain')) expect(pod.nodeSelector['node.kubernetes.io/purpose']).toBe('gpu-inference');
    }
  });

  test('what it keeps fits: shared memory into memory, weights onto the disk', async () => {
    const { objects } = await render(chart, values);
    for (const { container, volume } of tiers(objects)) {
      const { requests, limits } = container.resources;
      expect(volume('shm').emptyDir.medium).toBe('Memory');
      expect(gibibytes(volume('shm').emptyDir.sizeLimit)).toBeLessThan(gibibytes(limits.memory) / 4);
      if (volume('models').emptyDir) expect(requests['ephemeral-storage']).toBe(volume('models').emptyDir.sizeLimit);
    }
  });

  test('minutes of loading are no reason to kill it', async () => {
    const { objects } = await render(chart, values);
    for (const { deployment, container } of tiers(objects)) {
      const { startupProbe, livenessProbe } = container;
      const loading = startupProbe.periodSeconds * startupProbe.failureThreshold;
      expect(loading).toBeGreaterThanOrEqual(600);
      expect(deployment.spec.progressDeadlineSeconds).toBeGreaterThan(2 * loading);
      expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBeGreaterThanOrEqual(120);
    }
  });

  test('it goes in peace, and within the two minutes that a Spot node leaves', async () => {
    const { objects } = await render(chart, values);
    for (const { pod, container, deployment, annotations } of tiers(objects)) {
      const preStop = container.lifecycle.preStop.sleep.seconds;
      const drain = Number(argument(container, 'shutdown-timeout'));
      expect(drain).toBeGreaterThan(0);
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(preStop + drain);
      expect(pod.terminationGracePeriodSeconds).toBeLessThanOrEqual(120);
      expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxSurge: 0, maxUnavailable: 1 });
      expect(annotations['karpenter.sh/do-not-disrupt']).toBe('true');
    }
  });

  test('it fetches nothing, and no Service of its namespace configures it', async () => {
    const { objects } = await render(chart, values);
    for (const { pod, container } of tiers(objects)) {
      expect(container.env).toContainEqual({ name: 'HF_HUB_OFFLINE', value: '1' });
      expect(pod.enableServiceLinks).toBe(false);
      expect(container.args[0]).toMatch(/^\/models\//);
      expect(container.volumeMounts.find(({ mountPath }: any) => mountPath === '/models').readOnly).toBe(true);
    }
  });

  test('no image is pinned to what moves', async () => {
    const { text } = await render(chart, values);
    const images = [...text.matchAll(/^ +image: (.*)$/gm)].map(([, image]) => image!);
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toMatch(/^[^@:]+(:v?\d+\.\d+\.\d+|@sha256:[0-9a-f]{64})$/);
  });
});

describe('a restricted namespace', () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await ApiServer.start();
    expect((await server.check([restricted('inference')])).refused).toEqual([]);
  });
  afterAll(() => server?.stop());

  test.each(files)('admits the pods with $title', async ({ values }) => {
    const { objects } = await render(chart, values);
    for (const { deployment } of tiers(objects)) {
      const { accepted, refused } = await server.check([podIn(deployment)], 'inference');
      expect(refused).toEqual([]);
      expect(accepted).toEqual(['pod/sample']);
    }
  });
});

describe('the triggers', () => {
  const triggersOf = (objects: KubeObject[], name: string) => only(objects, 'ScaledObject', name).spec.triggers;

  test('each model wakes by its own demand, and counts its own queue', async () => {
    const { objects } = await render(chart, file('two-models'));
    for (const [name, backend, model] of [
      ['vllm', 'vllm', 'qwen2.5-7b-instruct'],
      ['vllm-code', 'code', 'qwen2.5-coder-7b-instruct'],
    ] as const) {
      const [demand, queue] = triggersOf(objects, name);
      const selectors = (query: string) => [...query.matchAll(/\{([^}]*)\}/g)].map(([, labels]) => labels!);
      for (const labels of selectors(demand.metadata.query))
        expect(labels).toContain(`namespace="router",backend="${backend}"`);
      expect(selectors(demand.metadata.query)).toHaveLength(2);
      for (const labels of selectors(queue.metadata.query))
        expect(labels).toBe(`namespace="inference",model_name="${model}"`);
      const container = tiers(objects).find((tier) => tier.name === name)!.container;
      expect(argument(container, 'served-model-name')).toBe(model);
    }
  });

  test('no demand is no number only where vLLM sleeps', async () => {
    const { objects } = await render(chart, file('default'));
    const [demand, queue, warm] = triggersOf(objects, 'vllm');
    expect([demand.metadata.ignoreNullValues, queue.metadata.ignoreNullValues]).toEqual(['false', 'true']);
    expect([demand.metadata.activationThreshold, queue.metadata.activationThreshold]).toEqual(['0', '0']);
    expect(warm).toMatchObject({ type: 'cron', metadata: { timezone: 'Europe/Berlin', desiredReplicas: '1' } });
  });

  test('the next replica is asked for before the first is full', async () => {
    const { objects } = await render(chart, file('large'));
    for (const { name, container } of tiers(objects)) {
      const [, queue] = triggersOf(objects, name);
      expect(Number(queue.metadata.threshold)).toBeLessThan(Number(argument(container, 'max-num-seqs')));
    }
  });

  test('the window holds four scrapes, the cooldown a cold start', async () => {
    const { objects } = await render(chart, file('default'));
    const { spec } = only(objects, 'ScaledObject');
    const window = Number(/\[(\d+)m\]/.exec(spec.triggers[0].metadata.query)![1]) * 60;
    expect(window).toBeGreaterThanOrEqual(4 * 30);
    expect(spec.cooldownPeriod).toBeGreaterThanOrEqual(480);
  });

  test('the large model is not woken blindly', async () => {
    const { objects } = await render(chart, file('large'));
    expect(only(objects, 'ScaledObject', 'vllm').spec.fallback.replicas).toBe(1);
    expect(only(objects, 'ScaledObject', 'vllm-large').spec.fallback).toBeUndefined();
    expect(triggersOf(objects, 'vllm-large').map(({ type }: any) => type)).toEqual(['prometheus', 'prometheus']);
  });
});

test('the router and Prometheus are let in, and nobody else', async () => {
  const { objects } = await render(chart, file('default'));
  const { ingress, policyTypes, podSelector } = only(objects, 'NetworkPolicy').spec;
  const from = (namespace: string, name: string) => ({
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    podSelector: { matchLabels: { 'app.kubernetes.io/name': name } },
  });
  expect(policyTypes).toEqual(['Ingress', 'Egress']);
  expect(ingress).toEqual([
    { from: [from('router', 'weir'), from('monitoring', 'prometheus')], ports: [{ protocol: 'TCP', port: 8000 }] },
  ]);
  for (const { labels } of tiers(objects)) expect(labels).toMatchObject(podSelector.matchLabels);
});

test('the role is for the copy of the weights alone', async () => {
  const { objects } = await render(chart, file('two-models'));
  for (const { annotations, container, pod } of tiers(objects)) {
    expect(annotations['eks.amazonaws.com/skip-containers']).toBe(container.name);
    expect(pod.automountServiceAccountToken).toBe(false);
  }
  expect(only(objects, 'ServiceAccount').metadata.annotations).toHaveProperty(['eks.amazonaws.com/role-arn']);
});

test.each([
  ['no bucket and no volume', [], /say weights.bucket, or weights.existingClaim/],
  ['a word that is not there', [bucket, 'defaults.maxModelLength=1'], /maxModelLength/],
  ['a model without a name', [bucket, 'models.other={"enabled":true,"servedName":"a","backend":"b"}'], /name/],
  ['a tag that moves', [bucket, 'defaults.image.tag="latest"'], /tag/],
  ['a digest that is none', [bucket, 'weights.image.digest="sha256:12"'], /digest/],
  ['a threshold that a sign of life would reach', [bucket, 'defaults.scaling.demand.threshold="0.05"'], /threshold/],
  ['an activation above a sign of life', [bucket, 'models.chat.scaling={"demand":{"activationThreshold":"0.1"}}'], /activationThreshold/],
  ['hours of six fields', [bucket, 'defaults.scaling.warm=[{"timezone":"Europe/Berlin","start":"0 0 8 * * 1","end":"0 20 * * *","replicas":1}]'], /start/],
  ['hours in no time zone', [bucket, 'defaults.scaling.warm=[{"start":"0 8 * * 1","end":"0 20 * * *","replicas":1}]'], /timezone/],
  ['a model of no GPU', [bucket, 'models.chat.gpus=0'], /gpus/],
])('it refuses %s', async (_, sets, says) => {
  await expect(render(chart, undefined, sets)).rejects.toThrow(says);
});

test('what a model says wins over the defaults, also when it is nothing', async () => {
  const { objects } = await render(chart, undefined, [bucket, 'models.chat.scaling={"warm":[],"maxReplicas":7}']);
  const { spec } = only(objects, 'ScaledObject');
  expect(spec.triggers.map(({ name }: any) => name)).toEqual(['demand', 'queue']);
  expect([spec.maxReplicaCount, spec.cooldownPeriod]).toEqual([7, 600]);
});

test('docs/scaling.md shows the queries that are shipped', async () => {
  const { objects } = await render(chart, file('default'));
  const manual = readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8');
  const shown = [...manual.matchAll(/```promql\n(.*)\n```/g)].map(([, query]) => query);
  const shipped = only(objects, 'ScaledObject').spec.triggers.filter(({ type }: any) => type === 'prometheus');
  expect(shown).toEqual(shipped.map(({ metadata }: any) => metadata.query));
});

test('the README’s table is fresh (node platform/test/readme.ts platform/helm/vllm)', () => {
  const { is, should } = renewed(chart.folder);
  expect(is).toBe(should);
});
