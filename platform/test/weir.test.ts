// The router's chart: what it renders, what it refuses, and that the real
// router takes the configuration that it writes.
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { KubeObject } from './apiserver.ts';
import { chartNamed, only, render, valuesOf } from './charts.ts';
import { checkConfig, podOf, workloadOf } from './router.ts';

const chart = chartNamed('weir');
const files = [undefined, ...valuesOf(chart)].map((values) => ({
  values,
  title: values ? basename(values) : 'its own values',
}));
const file = (name: string) => `${chart.folder}/ci/${name}.yaml`;

const bytes = (text: string): number => {
  const [, number, unit] = /^(\d+)(Mi|Gi|MiB|GiB)$/.exec(text)!;
  return Number(number) * (unit!.startsWith('G') ? 2 ** 30 : 2 ** 20);
};
const seconds = (text: string): number => Number(/^(\d+)s$/.exec(text)![1]);

/** The options in force, by name, as `weir check` prints them. */
function inForce(out: string): Record<string, string> {
  const options = out.matchAll(/^([a-z_.[\]0-9]+) +(.+?) +(?:default|environment [A-Z_]+|\S+:\d+)$/gm);
  return Object.fromEntries([...options].map(([, name, value]) => [name, value]));
}

const selects = (labels: Record<string, string>, object: KubeObject): boolean =>
  Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value);

describe.each(files)('with $title', ({ values }) => {
  test('weir check takes the configuration, and has nothing to say', async () => {
    const { objects } = await render(chart, values);
    const { code, err, out } = await checkConfig(podOf(objects));
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(inForce(out)['listen.port']).toBe('8080');
  });

  test('the times of a pod’s end add up', async () => {
    const { objects } = await render(chart, values);
    const { spec, container, ...pod } = podOf(objects);
    const options = inForce((await checkConfig({ spec, container, ...pod })).out);
    const router = seconds(options['timeouts.drain_delay']!) + seconds(options['timeouts.drain']!);
    const preStop = container.lifecycle.preStop.sleep.seconds;
    expect(router).toBeGreaterThan(0);
    expect(spec.terminationGracePeriodSeconds).toBe(preStop + router + 10);
  });

  test('what the router may take in memory fits into the container', async () => {
    const { objects } = await render(chart, values);
    const pod = podOf(objects);
    const options = inForce((await checkConfig(pod)).out);
    const exporters = 3 * bytes(options['telemetry.memory_bytes']!);
    const budget = bytes(options['limits.memory']!) + bytes(options['responses.store_bytes']!) + exporters;
    expect(budget).toBeLessThan(0.75 * bytes(pod.container.resources.limits.memory));
  });

  test('what it keeps on disk fits there', async () => {
    const { objects } = await render(chart, values);
    const { spec, container, ...pod } = podOf(objects);
    const options = inForce((await checkConfig({ spec, container, ...pod })).out);
    const mounted = container.volumeMounts.some(({ mountPath }: any) => mountPath === '/var/lib/weir');
    const ledger = options['ledger.path'];
    const spool = options['telemetry.spool_dir'];
    for (const path of [ledger, spool]) if (path) expect(path).toMatch(/^\/var\/lib\/weir\//);
    expect(mounted).toBe(Boolean(ledger || spool));
    if (!mounted) return;
    const [claim] = workloadOf(objects).spec.volumeClaimTemplates ?? [];
    const room = claim?.spec.resources.requests.storage ?? spec.volumes.at(-1).emptyDir.sizeLimit;
    // the ledger's log may be as large as what was just written; traces, metrics, Langfuse
    const needed =
      (ledger ? 1.25 * bytes(options['ledger.max_bytes']!) : 0) +
      (spool ? 2 * bytes(options['telemetry.spool_bytes']!) : 0);
    expect(needed).toBeLessThan(bytes(room));
  });

  test('no secret is in it, and every reference names the one Secret', async () => {
    const { text, objects } = await render(chart, values);
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const { container, config } = podOf(objects);
    const names = new Set(
      container.env?.flatMap(({ valueFrom }: any) => valueFrom?.secretKeyRef?.name ?? []) as string[] | undefined,
    );
    expect(names.size).toBeLessThanOrEqual(1);
    for (const [, value] of config.matchAll(/(?:secret|api_key|token): (.*)/g)) expect(value).toMatch(/^\$\{\w+\}$/);
    expect(text).not.toMatch(/sk-|password|changeme/i);
  });

  test('selectors find the routers, and nothing but them', async () => {
    const { objects } = await render(chart, values);
    const { template, selector } = workloadOf(objects).spec;
    const router: KubeObject = { ...template, kind: 'Pod' };
    const tester = only(objects, 'Pod');
    const selectors = [
      selector.matchLabels,
      only(objects, 'PodDisruptionBudget').spec.selector.matchLabels,
      only(objects, 'NetworkPolicy').spec.podSelector.matchLabels,
      ...objects.filter(({ kind }) => kind === 'Service').map(({ spec }) => spec.selector),
      ...template.spec.topologySpreadConstraints.map(({ labelSelector }: any) => labelSelector.matchLabels),
    ];
    expect(selectors.length).toBeGreaterThanOrEqual(6);
    for (const labels of selectors) {
      expect(selects(labels, router)).toBe(true);
      expect(selects(labels, tester)).toBe(false);
    }
  });
});

test('the Service is what all others expect', async () => {
  const { objects } = await render(chart);
  const { metadata, spec } = only(objects, 'Service');
  expect(metadata).toMatchObject({ name: 'weir', namespace: 'router' });
  expect(spec.ports).toEqual([
    { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: 'http' },
  ]);
  expect(podOf(objects).container.ports).toEqual([{ name: 'http', containerPort: 8080, protocol: 'TCP' }]);
  expect(workloadOf(objects).spec.template.metadata.labels['app.kubernetes.io/name']).toBe('weir');
});

test('a pod is probed where the router answers', async () => {
  const { container } = podOf((await render(chart)).objects);
  const path = (probe: string) => container[probe].httpGet;
  expect(path('startupProbe')).toEqual({ path: '/health', port: 'http' });
  expect(path('livenessProbe')).toEqual({ path: '/health', port: 'http' });
  expect(path('readinessProbe')).toEqual({ path: '/ready', port: 'http' });
});

test('a new configuration restarts the pods, and nothing else does', async () => {
  const checksum = async (...sets: string[]) => {
    const { objects } = await render(chart, undefined, sets);
    return workloadOf(objects).spec.template.metadata.annotations['checksum/config'];
  };
  const before = await checksum();
  expect(await checksum('replicas=5', 'service.type="NodePort"')).toBe(before);
  expect(await checksum('config.routing={"local_tokens":500}')).not.toBe(before);
  expect(await checksum('drain.timeoutSeconds=60')).not.toBe(before);
});

test('with volumes it is a StatefulSet that keeps ledger and spool', async () => {
  const { objects } = await render(chart, undefined, ['persistence.enabled=true']);
  const { kind, spec } = workloadOf(objects);
  expect(kind).toBe('StatefulSet');
  expect(spec.volumeClaimTemplates[0].spec.accessModes).toEqual(['ReadWriteOncePod']);
  expect(spec.persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
  const options = inForce((await checkConfig(podOf(objects))).out);
  expect(options['ledger.path']).toBe('/var/lib/weir/ledger.db');
  expect(options['telemetry.spool_dir']).toBe('/var/lib/weir/spool');
});

test('Prometheus scrapes one Service of two, as job weir', async () => {
  const { objects } = await render(chart, file('production'));
  const services = objects.filter(({ kind }) => kind === 'Service');
  expect(services).toHaveLength(2);
  const { spec } = only(objects, 'ServiceMonitor');
  const scraped = services.filter((service) => selects(spec.selector.matchLabels, service));
  expect(scraped.map(({ metadata }) => metadata.name)).toEqual(['weir']);
  expect(scraped[0]!.metadata.labels![spec.jobLabel]).toBe('weir');
  const { annotations } = workloadOf(objects).spec.template.metadata;
  expect(Object.keys(annotations).join()).not.toContain('prometheus.io');
});

test('the ALB waits for streams as long as the pods do, and less than the router keeps idle connections', async () => {
  const { objects } = await render(chart, file('production'));
  const { annotations } = only(objects, 'Ingress').metadata;
  const of = (name: string) => annotations![`alb.ingress.kubernetes.io/${name}`]!;
  const { spec, ...pod } = podOf(objects);
  expect(of('target-group-attributes')).toContain(
    `deregistration_delay.timeout_seconds=${spec.terminationGracePeriodSeconds},`,
  );
  const idle = Number(/idle_timeout.timeout_seconds=(\d+)/.exec(of('load-balancer-attributes'))![1]);
  const options = inForce((await checkConfig({ spec, ...pod })).out);
  expect(seconds(options['timeouts.keep_alive']!)).toBeGreaterThan(idle);
  expect(seconds(options['timeouts.comment']!)).toBeLessThan(idle);
  expect(JSON.parse(of('listen-ports'))).toEqual([{ HTTP: 80 }, { HTTPS: 443 }]);
  expect(of('ssl-redirect')).toBe('443');
  expect(of('ssl-policy')).toMatch(/^ELBSecurityPolicy-TLS13/);
  expect(of('healthcheck-path')).toBe('/health');
  expect(of('target-type')).toBe('ip');
});

test('no ALB is told to wait for longer than it can', async () => {
  const { objects } = await render(chart, file('production'), ['drain.timeoutSeconds=7200']);
  expect(podOf(objects).spec.terminationGracePeriodSeconds).toBe(7230);
  expect(JSON.stringify(only(objects, 'Ingress').metadata)).toContain('deregistration_delay.timeout_seconds=3600,');
});

test('annotations of one’s own win over those of the ALB', async () => {
  const { objects } = await render(chart, file('production'), [
    'ingress.annotations={"alb.ingress.kubernetes.io/ssl-policy":"own","alb.ingress.kubernetes.io/group.name":"one"}',
  ]);
  const { annotations } = only(objects, 'Ingress').metadata;
  expect(annotations!['alb.ingress.kubernetes.io/ssl-policy']).toBe('own');
  expect(annotations!['alb.ingress.kubernetes.io/group.name']).toBe('one');
});

test('nothing that is scaled has a number of replicas', async () => {
  const { objects } = await render(chart, file('keda'));
  expect(workloadOf(objects).spec.replicas).toBeUndefined();
  const { spec } = only(objects, 'ScaledObject');
  expect(spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'weir' });
  expect(spec.minReplicaCount).toBeGreaterThanOrEqual(1);
  expect(spec.triggers.map(({ type }: any) => type)).toEqual(['prometheus', 'cpu', 'cron']);
});

test('without the cloud there is no way out and no Secret', async () => {
  const { objects } = await render(chart, file('local-only'));
  const { egress } = only(objects, 'NetworkPolicy').spec;
  expect(egress.flatMap(({ ports }: any) => ports.map(({ port }: any) => port))).toEqual([53, 53, 8000, 8000]);
  expect(podOf(objects).container.env).toBeUndefined();
});

test('the way out leads to nobody inside but those that are named', async () => {
  const { objects } = await render(chart, file('production'));
  const { egress } = only(objects, 'NetworkPolicy').spec;
  const ports = egress.map(({ ports }: any) => ports.map(({ port }: any) => port));
  expect(ports).toEqual([[53, 53], [8000], [4317, 4318], [3000], [443]]);
  expect(egress.at(-1).to[0].ipBlock.except).toContain('10.0.0.0/8');
  for (const { to } of egress) expect(to.length).toBeGreaterThan(0);
});

test('what is no secret may stand in the environment', async () => {
  const { objects } = await render(chart, undefined, [
    'env=[{"name":"TLS_KEY","value":"/tls/tls.key"},{"name":"TZ","value":"UTC"}]',
    'config.proxy="http://proxy:3128"',
  ]);
  expect(podOf(objects).env).toMatchObject({ TLS_KEY: '/tls/tls.key', TZ: 'UTC' });
});

test('an image is named by its digest, or by its tag', async () => {
  const image = async (sets: string[]) => podOf((await render(chart, undefined, sets)).objects).container.image;
  const digest = `sha256:${'a'.repeat(64)}`;
  expect(await image([])).toMatch(/^weir:\d+\.\d+\.\d+$/);
  expect(await image(['image.repository="r.example/weir"', 'image.tag="1"'])).toBe('r.example/weir:1');
  expect(await image(['image.repository="r.example/weir"', `image.digest="${digest}"`])).toBe(`r.example/weir@${digest}`);
});

const refused: [string, string[], RegExp][] = [
  ['a value that is not there', ['image.name="a"'], /'\/image': additional properties 'name' not allowed/],
  ['a top-level value that is not there', ['replicaCount=3'], /additional properties 'replicaCount' not allowed/],
  ['text for a number', ['drain.timeoutSeconds="30s"'], /'\/drain\/timeoutSeconds': got string, want integer/],
  ['a word that is none of them', ['autoscaling.type="vpa"'], /one of 'none', 'hpa', 'keda'/],
  ['an option that the chart sets', ['config.timeouts={"drain":"5s"}'], /config.timeouts.drain is the chart's own: use drain.timeoutSeconds/],
  ['a section of the router that is not there', ['config.backend=[]'], /'\/config': additional properties 'backend' not allowed/],
  ['a backend without a name', ['config.backends=[{"tier":"local","url":"http://a"}]'], /missing property 'name'/],
  ['a secret of which nothing is known', ['secret.keys=[]'], /config uses \$\{ANTHROPIC_API_KEY\}, but neither secret.keys nor env has it/],
  ['an open door to the internet', ['ingress.enabled=true'], /ingress.enabled without config.keys/],
  [
    'a door without a certificate',
    ['ingress.enabled=true', 'ingress.withoutKeys=true'],
    /needs ingress.alb.certificateArn, or ingress.hosts/,
  ],
  [
    'prompts in the clear',
    ['ingress.enabled=true', 'ingress.withoutKeys=true', 'ingress.alb={"https":false,"scheme":"internet-facing"}'],
    /would cross the internet in the clear/,
  ],
  ['fewer routers at most than at least', ['autoscaling.minReplicas=20'], /minReplicas is more than/],
  ['scaling by nothing', ['autoscaling={"type":"hpa","cpuPercent":0}'], /needs autoscaling.cpuPercent or autoscaling.metrics/],
  ['an idle time that no ALB takes', ['ingress.alb.idleTimeoutSeconds=5000'], /maximum: got 5,?000, want 4,?000/],
  ['a digest that is none', ['image.digest="sha256:abc"'], /does not match pattern/],
];

test.each(refused)('it refuses %s', async (_, sets, words) => {
  await expect(render(chart, undefined, sets)).rejects.toThrow(words);
});

test.each([
  ['config.backends=[{"name":"a","tier":"cloud","url":"https://a","api_key":"hunter2"}]', 'config.backends[0].api_key holds a secret itself'],
  ['config.keys=[{"name":"a","secret":"hunter2"}]', 'config.keys[0].secret holds a secret itself'],
  ['config.admin={"token":"hunter2"}', 'config.admin.token holds a secret itself'],
  ['config.proxy="http://me:hunter2@proxy:3128"', 'a proxy in config bears its password'],
  ['env=[{"name":"ANTHROPIC_API_KEY","value":"hunter2"}]', 'env holds the value of ANTHROPIC_API_KEY itself'],
  ['otel.env={"OTEL_EXPORTER_OTLP_HEADERS":"Authorization=hunter2"}', 'OTEL_EXPORTER_OTLP_HEADERS bears secrets'],
  ['langfuse.env={"LANGFUSE_SECRET_KEY":"hunter2"}', 'LANGFUSE_SECRET_KEY bears secrets'],
])('it refuses a secret itself, and does not repeat it: %s', async (set, words) => {
  const error: Error = await render(chart, undefined, [set]).then(
    () => expect.unreachable('it was taken'),
    (caught) => caught,
  );
  expect(error.message).toContain(words);
  expect(error.message).not.toContain('hunter2');
});
