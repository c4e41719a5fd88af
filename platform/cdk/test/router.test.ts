// HybridLlmRouter: what is installed, and what our chart makes of the values.
import { describe, expect, test } from 'vitest';
import { own, services, url } from '../lib/charts.ts';
import { before, objects, ofType, one, releaseOf, rendered } from './installed.ts';
import { configWith, stacksOf } from './synth.ts';

const shipped = stacksOf();
const stack = shipped.router;
const release = releaseOf(stack, 'weir');
const all = rendered(own.weir.folder, release);
const pod = one(all, 'Deployment').spec.template.spec;
const container = pod.containers[0];

const env = (name: string) => container.env.find((each: any) => each.name === name);

describe('the release', () => {
  test('is our own chart, into a namespace that the stack makes', () => {
    expect(release).toMatchObject({ namespace: 'router', wait: true, timeout: '900s', createNamespace: false });
    expect(release.chart).toBeUndefined();
    const home = one(
      objects(stack).map(({ object }) => object),
      'Namespace',
      'router',
    );
    expect(home.metadata.labels).toEqual({
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
      'elbv2.k8s.aws/pod-readiness-gate-inject': 'enabled',
    });
  });

  test('waits for its namespace and its Secret, and these for the values', () => {
    const earlier = before(stack, release.id);
    const ids = objects(stack).map(({ id }) => id);
    expect(ids).toHaveLength(2);
    for (const id of ids) expect(earlier).toContain(id);
    expect([...earlier].some((id) => id.startsWith('Callerdefault'))).toBe(true);
  });
});

describe('telemetry goes where the services really are', () => {
  test('the collector', () => {
    expect(env('OTEL_EXPORTER_OTLP_ENDPOINT').value).toBe('http://otel-collector.monitoring.svc.cluster.local:4317');
    expect(env('OTEL_EXPORTER_OTLP_PROTOCOL').value).toBe('grpc');
    const collector = releaseOf(shipped.observability, 'otel-collector');
    expect(collector.values.fullnameOverride).toBe(services.collector.name);
    expect(collector.namespace).toBe(services.collector.namespace);
  });

  test('Langfuse', () => {
    const langfuse = releaseOf(shipped.observability, 'langfuse');
    expect(env('LANGFUSE_BASE_URL').value).toBe('http://langfuse-web.langfuse.svc.cluster.local:3000');
    expect(url(services.langfuse)).toBe(
      `http://${langfuse.release}-web.${langfuse.namespace}.svc.cluster.local:3000`,
    );
  });

  test('vLLM', () => {
    const local = release.values.config.backends[0];
    expect(local.url).toBe('http://vllm.inference.svc.cluster.local:8000');
    expect(local.models[0]).toMatchObject({ name: 'qwen2.5-7b-instruct', context_window: 8192 });
  });
});

describe('callers', () => {
  const file = configOf(all);

  test('need a key: there is no open way to a paid API', () => {
    expect(file).toContain('keys:');
    expect(file).toContain('secret: ${WEIR_KEY_DEFAULT}');
    expect(env('WEIR_KEY_DEFAULT').valueFrom.secretKeyRef).toEqual({
      name: 'router-api-keys',
      key: 'WEIR_KEY_DEFAULT',
    });
  });

  test('without one the configuration is refused', () => {
    expect(() => stacksOf(configWith({ router: { callers: [] } }))).toThrow('router.callers');
    expect(() => stacksOf(configWith({ router: { callers: [{ name: 'Team A' }] } }))).toThrow('router.callers');
    expect(() => stacksOf(configWith({ router: { callers: [{ name: 'a' }, { name: 'a' }] } }))).toThrow(
      'router.callers',
    );
  });

  test('have each a key of their own, and a policy', () => {
    const config = configWith({ router: { callers: [{ name: 'web' }, { name: 'hr-tool', policy: 'local-only' }] } });
    const router = stacksOf(config).router;
    const { values } = releaseOf(router, 'weir');
    expect(values.config.keys).toEqual([
      { name: 'web', secret: '${WEIR_KEY_WEB}' },
      { name: 'hr-tool', secret: '${WEIR_KEY_HR_TOOL}', policy: 'local-only' },
    ]);
    const names = ofType(router, 'AWS::SecretsManager::Secret').map(({ Properties }) => Properties['Name']);
    expect(names).toEqual(['hybrid-llm/callers/web', 'hybrid-llm/callers/hr-tool']);
    expect(configOf(rendered(own.weir.folder, releaseOf(router, 'weir')))).toContain('policy: local-only');
  });
});

describe('the Secret of the pods', () => {
  const copy = one(
    objects(stack).map(({ object }) => object),
    'ExternalSecret',
    'router-api-keys',
  );

  test('has every key that the pods read', () => {
    const keys = [
      ...copy.spec.data.map(({ secretKey }: any) => secretKey),
      ...Object.keys(copy.spec.target.template.data),
    ];
    const read = container.env
      .filter((each: any) => each.valueFrom?.secretKeyRef)
      .map((each: any) => each.valueFrom.secretKeyRef);
    expect(read.length).toBeGreaterThan(0);
    for (const { name, key } of read) {
      expect(name).toBe(copy.metadata.name);
      expect(keys).toContain(key);
    }
  });

  test('has the project keys in the form that Langfuse was started with', () => {
    const there = one(
      objects(shipped.observability).map(({ object }) => object),
      'ExternalSecret',
      'langfuse-secrets',
    );
    const { data } = copy.spec.target.template;
    expect(data.LANGFUSE_PUBLIC_KEY).toBe(there.spec.target.template.data['public-key']);
    expect(data.LANGFUSE_SECRET_KEY).toBe(there.spec.target.template.data['secret-key']);
    const remote = (from: any, key: string) =>
      from.spec.data.find((each: any) => each.secretKey === key).remoteRef.key;
    for (const key of ['public', 'secret']) expect(remote(copy, key)).toBe(remote(there, key));
  });
});

describe('the load balancer', () => {
  const { annotations } = one(all, 'Ingress').metadata;
  const alb = (name: string) => annotations[`alb.ingress.kubernetes.io/${name}`];

  test('speaks TLS with our certificate, inside, to those who may', () => {
    expect(one(all, 'Ingress').spec.ingressClassName).toBe('alb');
    expect(one(all, 'Ingress').spec.rules[0].host).toBe('llm.example.com');
    expect(alb('certificate-arn')).toMatch(/^arn:aws:acm:/);
    expect(alb('ssl-policy')).toBe('ELBSecurityPolicy-TLS13-1-2-2021-06');
    expect(alb('ssl-redirect')).toBe('443');
    expect(alb('scheme')).toBe('internal');
    expect(alb('inbound-cidrs')).toBe('10.0.0.0/8');
    expect(alb('target-type')).toBe('ip');
    expect(alb('wafv2-acl-arn')).toBeUndefined();
  });

  test('holds long streams, and lets them end', () => {
    const grace = pod.terminationGracePeriodSeconds;
    expect(alb('load-balancer-attributes')).toContain('idle_timeout.timeout_seconds=300');
    const delay = Number(/deregistration_delay.timeout_seconds=(\d+)/.exec(alb('target-group-attributes'))?.[1]);
    expect(delay).toBeGreaterThanOrEqual(300);
    expect(delay).toBeLessThanOrEqual(grace);
    expect(grace).toBeGreaterThanOrEqual(20 + 300);
    expect(container.lifecycle.preStop.sleep.seconds).toBe(20);
    expect(configOf(all)).toContain('drain: 300s');
  });

  test('takes the longest stream of the configuration', () => {
    const router = stacksOf(configWith({ router: { longestStreamSeconds: 900 } })).router;
    const objectsOf = rendered(own.weir.folder, releaseOf(router, 'weir'));
    const ingress = one(objectsOf, 'Ingress').metadata.annotations;
    expect(ingress['alb.ingress.kubernetes.io/load-balancer-attributes']).toContain('timeout_seconds=900');
    expect(one(objectsOf, 'Deployment').spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(920);
  });

  test('stands in the public subnets with a web ACL, if it is said so', () => {
    const arn = 'arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/weir/1';
    const config = configWith({
      router: { scheme: 'internet-facing', inboundCidrs: ['203.0.113.0/24'], webAclArn: arn },
    });
    const built = stacksOf(config);
    const outside = releaseOf(built.router, 'weir');
    const ingress = one(rendered(own.weir.folder, outside), 'Ingress').metadata.annotations;
    expect(ingress['alb.ingress.kubernetes.io/scheme']).toBe('internet-facing');
    expect(ingress['alb.ingress.kubernetes.io/wafv2-acl-arn']).toBe(arn);
    expect(ingress['alb.ingress.kubernetes.io/inbound-cidrs']).toBe('203.0.113.0/24');
    const cidrs = (subnets: readonly { ipv4CidrBlock: string }[]) => subnets.map((subnet) => subnet.ipv4CidrBlock);
    expect(outside.values.networkPolicy.ingress.cidrs).toEqual(cidrs(built.network.vpc.publicSubnets));
    expect(release.values.networkPolicy.ingress.cidrs).toEqual(cidrs(shipped.network.vpc.privateSubnets));
    expect(outside.values.networkPolicy.ingress.cidrs).toHaveLength(3);
  });
});

describe('the pods', () => {
  test('are several, spread, and never all away', () => {
    expect(one(all, 'HorizontalPodAutoscaler').spec).toMatchObject({ minReplicas: 2, maxReplicas: 6 });
    expect(one(all, 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
    expect(pod.topologySpreadConstraints.map((each: any) => each.topologyKey)).toContain(
      'topology.kubernetes.io/zone',
    );
  });

  test('are scraped by a ServiceMonitor alone', () => {
    expect(one(all, 'ServiceMonitor').metadata.name).toBe('weir');
    const annotations = one(all, 'Deployment').spec.template.metadata.annotations ?? {};
    expect(Object.keys(annotations).filter((key) => key.startsWith('prometheus.io/'))).toEqual([]);
  });

  test('may reach what they need and no more', () => {
    const { egress, policyTypes } = one(all, 'NetworkPolicy').spec;
    expect(policyTypes).toEqual(expect.arrayContaining(['Ingress', 'Egress']));
    const ports = egress.flatMap((rule: any) => rule.ports.map(({ port }: any) => port));
    expect(new Set(ports)).toEqual(new Set([53, 8000, 4317, 4318, 3000, 443]));
  });

  test('run the image of the configuration, by digest if there is one', () => {
    expect(container.image).toBe('111122223333.dkr.ecr.eu-central-1.amazonaws.com/weir:1.0.0');
    const digest = `sha256:${'a'.repeat(64)}`;
    const image = { repository: 'weir', tag: '1.0.0', digest };
    const router = stacksOf(configWith({ router: { image } })).router;
    const deployment = one(rendered(own.weir.folder, releaseOf(router, 'weir')), 'Deployment');
    expect(deployment.spec.template.spec.containers[0].image).toContain(digest);
  });
});

test('without Langfuse nothing asks for its keys', () => {
  const router = stacksOf(configWith({ observability: { langfuse: { enabled: false } } })).router;
  const bare = releaseOf(router, 'weir');
  const copy = one(
    objects(router).map(({ object }) => object),
    'ExternalSecret',
  );
  expect(copy.spec.data.map(({ secretKey }: any) => secretKey)).toEqual(['ANTHROPIC_API_KEY', 'WEIR_KEY_DEFAULT']);
  expect(copy.spec.target.template).toBeUndefined();
  expect(JSON.stringify(rendered(own.weir.folder, bare))).not.toContain('LANGFUSE');
});

function configOf(objectsOf: readonly any[]): string {
  return one(objectsOf, 'ConfigMap', 'weir').data['weir.yaml'];
}
