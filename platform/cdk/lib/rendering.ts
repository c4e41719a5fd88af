// What the charts make of our values, and whether it is what the other parts
// count on: names of Services, Pod Security, no passwords of the charts' own.
import { services, type Service } from './charts.ts';
import { resolve } from './manifests.ts';
import type { PodSecurity } from './releases.ts';

type Json = Record<string, any>;

export interface Installed {
  readonly release: string;
  readonly namespace: string;
  /** Absent for a chart of ours. */
  readonly repository?: string;
  readonly chart?: string;
  readonly version?: string;
  readonly values: unknown;
}

export function releasesOf(template: Json): Installed[] {
  return Object.values((template['Resources'] ?? {}) as Record<string, Json>)
    .filter((resource) => resource['Type'] === 'Custom::AWSCDK-EKS-HelmChart')
    .map(({ Properties: p }) => ({
      release: p['Release'],
      namespace: p['Namespace'],
      repository: p['Repository'],
      chart: p['Chart'],
      version: p['Version'],
      values: JSON.parse(resolve(p['Values'] ?? '{}')),
    }));
}

/** What is wrong with the objects of one release; nothing, if all is well. */
export function faults(
  { namespace }: Installed,
  objects: readonly Json[],
  security: PodSecurity | undefined,
): string[] {
  const expected = Object.values(services).filter((service) => service.namespace === namespace);
  return [
    ...objects.flatMap((object) => podFaults(object, security)),
    ...objects.filter((object) => object['kind'] === 'Secret').flatMap(secretFaults),
    ...expected.flatMap((service) => serviceFaults(service, objects)),
  ];
}

/** Services of the table that no release has brought. */
export function missingServices(objects: readonly Json[]): string[] {
  return Object.values(services)
    .filter((service) => !objects.some((object) => isNamed(object, service)))
    .map(({ name, namespace, port }) => `no Service ${namespace}/${name}:${port}`);
}

const isNamed = (object: Json, { name }: Service): boolean =>
  object['kind'] === 'Service' && object['metadata'].name === name;

function serviceFaults(service: Service, objects: readonly Json[]): string[] {
  const found = objects.find((object) => isNamed(object, service));
  const ports = (found?.['spec'].ports ?? []).map((each: Json) => each['port']);
  return !found || ports.includes(service.port)
    ? []
    : [`Service ${service.name}: ports ${ports.join(', ')}, not ${service.port}`];
}

/** A password that a chart makes up changes with every rendering, or is known to everybody. */
function secretFaults(secret: Json): string[] {
  const filled = Object.entries({ ...secret['data'], ...secret['stringData'] }).filter(([, value]) => value);
  return filled
    .filter(([key]) => /passw|token|salt|secret|(^|[-_])key$/i.test(key))
    .map(([key]) => `Secret ${secret['metadata'].name}: the chart itself fills ${key}`);
}

const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'];

function podFaults(object: Json, security: PodSecurity | undefined): string[] {
  if (security === undefined || security === 'privileged' || !workloads.includes(object['kind'])) return [];
  const pod = object['spec'].template.spec as Json;
  const containers = [...(pod['containers'] ?? []), ...(pod['initContainers'] ?? [])] as Json[];
  const broken = [
    ...baseline(pod, containers),
    ...(security === 'restricted' ? containers.flatMap((container) => restricted(pod, container)) : []),
  ];
  return broken.map((what) => `${object['kind']} ${object['metadata'].name}: ${what}, not ${security}`);
}

function baseline(pod: Json, containers: readonly Json[]): string[] {
  const onHost = ['hostNetwork', 'hostPID', 'hostIPC'].filter((each) => pod[each]);
  const paths = ((pod['volumes'] ?? []) as Json[]).filter((volume) => volume['hostPath']).map(() => 'hostPath');
  const privileged = containers.filter((each) => each['securityContext']?.privileged).map(() => 'privileged');
  return [...onHost, ...paths, ...privileged];
}

function restricted(pod: Json, container: Json): string[] {
  const own = container['securityContext'] ?? {};
  const all = { ...pod['securityContext'], ...own };
  const rules: [boolean, string][] = [
    [all.runAsNonRoot === true, 'may run as root'],
    [all.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile'],
    [own.allowPrivilegeEscalation === false, 'may gain privileges'],
    [(own.capabilities?.drop ?? []).includes('ALL'), 'keeps capabilities'],
  ];
  return rules.filter(([holds]) => !holds).map(([, text]) => `${container['name']} ${text}`);
}

export interface Demand {
  /** Processors. */
  readonly cpu: number;
  readonly memoryGiB: number;
}

/** Where the objects that become pods have what each pod asks for. */
const asking: Record<string, (spec: Json) => Json[]> = {
  Deployment: (spec) => spec['template'].spec.containers,
  StatefulSet: (spec) => spec['template'].spec.containers,
  Prometheus: (spec) => [spec],
  Alertmanager: (spec) => [spec],
  ClickHouseCluster: (spec) => [spec['containerTemplate']],
  KeeperCluster: (spec) => [spec['containerTemplate']],
};

/** What pods ask for together, but for those that every node has; one each where something scales them. */
export function demand(objects: readonly Json[]): Demand {
  let cpu = 0;
  let memoryGiB = 0;
  for (const { kind, spec } of objects as Json[])
    for (const { resources } of asking[kind]?.(spec) ?? []) {
      const replicas = spec.replicas ?? 1;
      cpu += replicas * quantity(resources?.requests?.cpu);
      memoryGiB += (replicas * quantity(resources?.requests?.memory)) / 2 ** 30;
    }
  return { cpu, memoryGiB };
}

const units: Record<string, number> = {
  '': 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

function quantity(text: string | number | undefined): number {
  const [, number, unit = ''] = /^([\d.]+)([A-Za-z]*)$/.exec(String(text ?? '0')) ?? [];
  const factor = units[unit];
  if (number === undefined || factor === undefined) throw new Error(`no quantity: ${text}`);
  return Number(number) * factor;
}
