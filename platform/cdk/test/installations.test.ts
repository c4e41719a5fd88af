// What holds for everything that any of the stacks puts into the cluster.
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { charts, own, services, type Chart } from '../lib/charts.ts';
import { stackNames } from '../lib/stacks.ts';
import { secretName, secretStore } from '../lib/secrets.ts';
import { objects, ofType, releaseOf, releases } from './installed.ts';
import { configWith, stacksOf } from './synth.ts';

const config = configWith({ observability: { langfuse: { database: 'rds' } } });
const built = stacksOf(config);
const stacks = [built.addons, built.inference, built.observability, built.router];
const everything = stacks.flatMap(releases);

describe('every release', () => {
  const table = new Map<string, Chart>(Object.values(charts).map((chart) => [chart.release, chart]));
  const ours = new Set<string>(Object.values(own).map(({ release }) => release));

  test.each(everything.map((each) => [each.release, each] as const))(
    '%s is pinned and waits no longer than the handler lives',
    (name, it) => {
      expect(it.createNamespace).toBe(false);
      expect(Number(it.timeout.replace('s', ''))).toBeLessThanOrEqual(900);
      if (ours.has(name)) return expect(it.chart).toBeUndefined();
      const { repository, chart, version, namespace } = table.get(name)!;
      expect(it).toMatchObject({ repository, chart, version, namespace, wait: true });
    },
  );

  test('names one exact version of a chart', () => {
    for (const { version, repository } of Object.values(charts)) {
      expect(version).toMatch(/^v?\d+\.\d+\.\d+$/);
      expect(repository).toMatch(/^(https|oci):\/\//);
    }
  });
});

test('the Services of the table are those of the releases', () => {
  const named = (release: string) => releaseOf(built.observability, release);
  expect(services.prometheus.name).toBe(`${named('kube-prometheus-stack').values.fullnameOverride}-prometheus`);
  expect(services.grafana.name).toBe(`${named('kube-prometheus-stack').release}-grafana`);
  expect(services.collector.name).toBe(named('otel-collector').values.fullnameOverride);
  expect(services.tempo.name).toBe(named('tempo').release);
  expect(services.langfuse.name).toBe(`${named('langfuse').release}-web`);
  expect(services.tempo.port).toBe(3200);
});

describe('no secret is written down', () => {
  const suspicious = /(password|passwd|secret|token|salt|encryptionkey|apikey|api_key|access_?key)$/i;
  // What may stand behind such a key: the name of a Secret, a variable, nothing.
  const names = new Set(objects(built.observability, 'ExternalSecret').map(({ object }) => object.metadata.name));

  function leaves(value: unknown, path: string[] = []): [string[], string][] {
    if (typeof value === 'string') return [[path, value]];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
  }

  test.each(everything.map((each) => [each.release, each] as const))('in the values of %s', (_name, { values }) => {
    for (const [path, value] of leaves(values)) {
      if (!suspicious.test(path.at(-1)!) || value === '') continue;
      const known = names.has(value) || /^\$\{[A-Z_]+\}$/.test(value) || /^existing/i.test(path.at(-1)!);
      expect(known, `${path.join('.')}: ${value}`).toBe(true);
    }
    for (const each of values.langfuse?.additionalEnv ?? [])
      if (/PASSWORD|SECRET|_KEY$/.test(each.name)) expect(each.value).toBeUndefined();
  });

  test.each(stackNames.map((name) => [name]))('in the template of %s', (name) => {
    const stack = built.app.node.findChild(name) as (typeof stacks)[number];
    const template = JSON.stringify(Template.fromStack(stack).toJSON());
    expect(template).not.toMatch(/changeme|sk-ant-|sk-lf-[0-9a-f]|pk-lf-[0-9a-f]|BEGIN [A-Z ]*PRIVATE KEY/i);
    expect(objects(stack, 'Secret')).toEqual([]);
    for (const { Properties } of ofType(stack, 'AWS::SecretsManager::Secret')) {
      expect(Properties['SecretString']).toBeUndefined();
      expect(Properties['GenerateSecretString']).toBeDefined();
      expect(Properties['Name']).toMatch(new RegExp(`^${config.name}/`));
    }
  });

  test('and what External Secrets copies exists, but for the key from Anthropic', () => {
    const made = stacks
      .flatMap((stack) => ofType(stack, 'AWS::SecretsManager::Secret'))
      .map(({ Properties }) => Properties['Name']);
    expect(new Set(made).size).toBe(made.length);
    const wanted = stacks
      .flatMap((stack) => objects(stack, 'ExternalSecret'))
      .flatMap(({ object }) => {
        expect(object.apiVersion).toBe('external-secrets.io/v1');
        expect(object.spec.secretStoreRef).toEqual({ kind: 'ClusterSecretStore', name: secretStore });
        return object.spec.data.map((each: any) => each.remoteRef.key as string);
      });
    const missing = [...new Set(wanted)].filter((name) => !made.includes(name));
    expect(missing).toEqual([secretName(config, 'anthropic')]);
    expect(made.filter((name) => !wanted.includes(name))).toEqual([]);
  });
});

test('no policy of a workload allows every action, or an action on everything', () => {
  for (const stack of [built.inference, built.observability, built.router])
    for (const { Properties } of ofType(stack, 'AWS::IAM::Policy'))
      for (const { Effect, Action, Resource } of Properties['PolicyDocument'].Statement as any[]) {
        expect(Effect).toBe('Allow');
        expect([Action].flat().filter((each) => each.includes('*'))).toEqual([]);
        expect([Resource].flat()).not.toContain('*');
      }
});

test('the stacks come in the order in which what they need exists', () => {
  const needs = (stack: (typeof stacks)[number]) => stack.dependencies.map(({ stackName }) => stackName);
  expect(needs(built.observability)).toContain('HybridLlmAddons');
  expect(needs(built.inference)).toContain('HybridLlmObservability');
  expect(needs(built.router)).toContain('HybridLlmInference');
});
