// Every object of every chart is sent to a real API server, and what is wrong
// is shown to be refused there.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { basename, join } from 'node:path';
import { ApiServer, type KubeObject, program, run } from './apiserver.ts';
import { allCharts, chartNamed, lint, only, render, valuesOf } from './charts.ts';
import { compute, disk, nodePool, podIn, restricted, scaledObject } from './samples.ts';

let server: ApiServer;

beforeAll(async () => {
  server = await ApiServer.start();
  // the namespaces as the platform makes them
  const { refused } = await server.check([restricted('router')]);
  expect(refused).toEqual([]);
});
afterAll(async () => {
  await server?.stop();
});

const cases = allCharts().flatMap((chart) =>
  valuesOf(chart).map((values) => ({ chart, values, title: `${chart.name} with ${basename(values)}` })),
);

test.each(cases)('helm lint has nothing against $title', async ({ chart, values }) => {
  expect(await lint(chart, values)).toBe('');
});

test.each(cases)('the server takes $title', async ({ chart, values }) => {
  const { text, objects } = await render(chart, values);
  const { accepted, refused } = await server.check(text, chart.namespace);
  expect(refused).toEqual([]);
  expect(accepted).toHaveLength(objects.length);
});

describe('a restricted namespace', () => {
  const files = valuesOf(chartNamed('weir')).map((values) => ({ values, title: basename(values) }));

  test.each(files)('admits the pods of the router with $title', async ({ values }) => {
    const { objects } = await render(chartNamed('weir'), values);
    const workload = objects.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')!;
    const helmTest = only(objects, 'Pod');
    const { accepted, refused } = await server.check([podIn(workload), helmTest], 'router');
    expect(refused).toEqual([]);
    expect(accepted).toEqual(['pod/sample', `pod/${helmTest.metadata.name}`]);
  });

  test.each([
    ['root', (pod: any) => (pod.spec.securityContext.runAsNonRoot = false), 'runAsNonRoot'],
    ['capabilities', (pod: any) => delete pod.spec.containers[0].securityContext.capabilities, 'capabilities'],
    ['seccomp', (pod: any) => delete pod.spec.securityContext.seccompProfile, 'seccompProfile'],
    ['the host', (pod: any) => (pod.spec.hostNetwork = true), 'hostNetwork'],
  ])('refuses one without %s', async (_, spoil, word) => {
    const { objects } = await render(chartNamed('weir'));
    const pod = podIn(only(objects, 'Deployment'));
    spoil(pod);
    const { accepted, refused } = await server.check([pod], 'router');
    expect(accepted).toEqual([]);
    expect(refused.join()).toContain('violates PodSecurity "restricted');
    expect(refused.join()).toContain(word);
  });

  test('warns of a Deployment whose pods it would refuse', async () => {
    const { objects } = await render(chartNamed('weir'));
    const deployment = only(objects, 'Deployment');
    delete deployment.spec.template.spec.securityContext;
    const { refused } = await server.check([deployment], 'router');
    expect(refused.join()).toContain('would violate PodSecurity');
  });
});

const wrong: [string, KubeObject, RegExp][] = [
  ['an unknown field', compute((spec) => (spec.replicaz = 2)), /replicaz/],
  ['an unknown field of a container', compute((spec) => (spec.template.spec.containers[0].imagePolicy = 'x')), /imagePolicy/],
  ['a word where a number belongs', compute((spec) => (spec.replicas = 'two')), /replicas/],
  ['labels that do not fit the selector', compute((spec) => (spec.template.metadata.labels = { app: 'b' })), /selector/],
  ['a preStop of no action', compute((spec) => (spec.template.spec.containers[0].lifecycle = { preStop: {} })), /preStop/],
  [
    'a sleep longer than the grace period',
    compute((spec) => {
      spec.template.spec.terminationGracePeriodSeconds = 10;
      spec.template.spec.containers[0].lifecycle = { preStop: { sleep: { seconds: 20 } } };
    }),
    /must be .*terminationGracePeriodSeconds/,
  ],
  ['a claim of no size', disk('much'), /quantit/],
  ['a ScaledObject with an unknown behaviour', scaledObject((spec) => (spec.fallback = { failureThreshold: 1, replicas: 1, behavior: 'panic' })), /panic|Unsupported value/],
  ['a ScaledObject without triggers', scaledObject((spec) => delete spec.triggers), /triggers/],
  ['a ScaledObject with an unknown field', scaledObject((spec) => (spec.coolDown = 1)), /coolDown/],
  ['a NodePool that breaks a rule of CEL', nodePool((spec) => (spec.template.metadata.labels['karpenter.sh/nodepool'] = 'own')), /karpenter.sh\/nodepool/],
  ['a NodePool with an unknown operator', nodePool((spec) => (spec.template.spec.requirements[0].operator = 'Is')), /operator/],
  ['a NodePool with an unknown policy', nodePool((spec) => (spec.disruption.consolidationPolicy = 'Always')), /consolidationPolicy/],
  [
    'an EC2NodeClass with a role and a profile',
    {
      apiVersion: 'karpenter.k8s.aws/v1',
      kind: 'EC2NodeClass',
      metadata: { name: 'wrong' },
      spec: {
        role: 'a',
        instanceProfile: 'b',
        amiSelectorTerms: [{ alias: 'al2023@v20260801' }],
        subnetSelectorTerms: [{ tags: { a: 'b' } }],
        securityGroupSelectorTerms: [{ tags: { a: 'b' } }],
      },
    },
    /role.*instanceProfile/,
  ],
  [
    'a ServiceMonitor without a selector',
    { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor', metadata: { name: 'wrong' }, spec: { endpoints: [] } },
    /selector/,
  ],
  [
    'a PrometheusRule with a wrong duration',
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'wrong' },
      spec: { groups: [{ name: 'a', rules: [{ alert: 'A', expr: '1', for: 'soon' }] }] },
    },
    /for/,
  ],
  [
    'an ExternalSecret with an unknown policy',
    {
      apiVersion: 'external-secrets.io/v1',
      kind: 'ExternalSecret',
      metadata: { name: 'wrong' },
      spec: { secretStoreRef: { name: 'a' }, target: { creationPolicy: 'Sometimes' } },
    },
    /creationPolicy/,
  ],
  ['a kind that nobody knows', { apiVersion: 'example.com/v1', kind: 'Unicorn', metadata: { name: 'wrong' } }, /Unicorn/],
];

test.each(wrong)('the server refuses %s', async (_, object, words) => {
  const { accepted, refused } = await server.check([object]);
  expect(accepted).toEqual([]);
  expect(refused.join('\n')).toMatch(words);
});

test('what is right beside it is still taken, and the samples are right', async () => {
  const right = [compute(() => {}), disk('1Gi'), scaledObject(() => {}), nodePool(() => {})];
  const { accepted, refused } = await server.check([...right, wrong[0]![1]]);
  expect(accepted).toHaveLength(right.length);
  expect(refused.join('\n')).toContain('replicaz');
});

test('each object is judged in its own namespace', async () => {
  const own = (name: string, namespace?: string) => {
    const object = compute(() => {});
    return { ...object, metadata: { ...object.metadata, name, ...(namespace ? { namespace } : {}) } };
  };
  const { accepted, refused } = await server.check([
    own('here'),
    own('there', 'free'),
    own('strict', 'tight'),
    restricted('tight'),
  ]);
  expect(accepted).toEqual(['here', 'there', 'strict'].map((name) => `deployment.apps/${name}`).concat('namespace/tight'));
  expect(refused.join()).toMatch(/^Warning: would violate PodSecurity "restricted/);
});

test('it ends with who started it, and leaves nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'apiserver-alone-'));
  const { code, out } = await run(program, [folder]); // whose standard input ends at once
  expect(out).toBe('ready\n');
  expect(code).toBe(0);
  expect(existsSync(folder)).toBe(false);
});

describe('the real helm', () => {
  const sets = ['config.backends=[{"name":"vllm","tier":"local","url":"http://vllm","models":[{"name":"a"}]}]', 'secret.keys=[]'];
  const all = ['deployment', 'statefulset', 'service', 'configmap', 'networkpolicy', 'poddisruptionbudget'];
  const there = async () =>
    (await server.list(all, 'llm')).filter((name) => name !== 'configmap/kube-root-ca.crt').sort();

  test('installs the router, turns it into a StatefulSet, and removes it', async () => {
    await server.check([restricted('llm')]);
    const helm = (...args: string[]) => server.helm(['--namespace', 'llm', ...args]);
    const chart = chartNamed('weir');
    const values = sets.flatMap((set) => ['--set-json', set]);

    const installed = await helm('install', 'weir', chart.folder, ...values);
    expect(installed).toContain('kubectl -n llm rollout status deployment/weir');
    expect(installed).toContain('A pod that goes takes 270 s at most');
    const objects = ['configmap/weir', 'deployment.apps/weir', 'networkpolicy.networking.k8s.io/weir'];
    const rest = ['poddisruptionbudget.policy/weir', 'service/weir'];
    expect(await there()).toEqual([...objects, ...rest]);

    const upgraded = await helm('upgrade', 'weir', chart.folder, ...values, '--set-json', 'persistence.enabled=true');
    expect(upgraded).toContain('rollout status statefulset/weir');
    expect(await there()).toEqual(
      [...objects.toSpliced(1, 1), ...rest, 'service/weir-headless', 'statefulset.apps/weir'],
    );

    await helm('uninstall', 'weir');
    expect(await there()).toEqual([]);
  });
});
