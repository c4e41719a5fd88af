// How charts and objects get into the cluster.
import { Duration } from 'aws-cdk-lib';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { fileURLToPath } from 'node:url';
import type { Chart } from './charts.ts';

/** The handler has this long for a release, and no stack may ask for more. */
export const patience = Duration.minutes(15);

// `new eks.X(scope, …)` throughout, never `cluster.addX(…)`, which would put
// everything into the cluster's own stack.

/** Helm values: null takes a default of the chart away. */
export type Values = Readonly<Record<string, unknown>>;

export interface OwnChart {
  /** Below platform/. */
  readonly folder: string;
  readonly release: string;
  readonly namespace: string;
}

const common = { wait: true, timeout: patience, createNamespace: false };

/** A release of a chart of others: the version is pinned in charts.ts. */
export function release(scope: Construct, id: string, cluster: eks.ICluster, chart: Chart, values: Values): eks.HelmChart {
  return new eks.HelmChart(scope, id, {
    ...common,
    cluster,
    repository: chart.repository,
    chart: chart.chart,
    version: chart.version,
    release: chart.release,
    namespace: chart.namespace,
    values,
  });
}

export const chartFolder = (folder: string): string => fileURLToPath(new URL(`../../${folder}`, import.meta.url));

/** A release of a chart of this repository, which travels as an asset. */
export function ownRelease(
  scope: Construct,
  id: string,
  cluster: eks.ICluster,
  chart: OwnChart,
  values: Values,
  options: Partial<eks.HelmChartOptions> = {},
): eks.HelmChart {
  return new eks.HelmChart(scope, id, {
    ...common,
    ...options,
    cluster,
    chartAsset: new Asset(scope, `${id}Asset`, { path: chartFolder(chart.folder) }),
    release: chart.release,
    namespace: chart.namespace,
    values,
  });
}

export type Manifest = Record<string, unknown>;

export function manifest(scope: Construct, id: string, cluster: eks.ICluster, ...objects: Manifest[]): eks.KubernetesManifest {
  return new eks.KubernetesManifest(scope, id, { cluster, manifest: objects, overwrite: true, prune: false });
}

/** What the pods of a namespace may do at most: Kubernetes' three levels. */
export type PodSecurity = 'restricted' | 'baseline' | 'privileged';

export interface NamespaceProps {
  readonly name: string;
  readonly security: PodSecurity;
  readonly labels?: Readonly<Record<string, string>>;
}

export function namespace(scope: Construct, cluster: eks.ICluster, props: NamespaceProps): eks.KubernetesManifest {
  const pods = 'pod-security.kubernetes.io';
  return manifest(scope, `Namespace-${props.name}`, cluster, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: props.name,
      labels: {
        [`${pods}/enforce`]: props.security,
        [`${pods}/warn`]: props.security,
        ...props.labels,
      },
    },
  });
}
