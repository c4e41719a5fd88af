// Every third-party chart that is installed: where it comes from, in which
// version, under which name, and what its Services are called once it is
// rendered.  Nothing else in this folder names a version or a Service.

export interface Chart {
  /** An https:// repository, or the oci:// address of the chart itself. */
  readonly repository: string;
  readonly chart: string;
  readonly version: string;
  readonly namespace: string;
  readonly release: string;
}

const community = 'https://prometheus-community.github.io/helm-charts';

export const charts = {
  loadBalancerController: {
    repository: 'https://aws.github.io/eks-charts',
    chart: 'aws-load-balancer-controller',
    version: '3.5.0',
    namespace: 'kube-system',
    release: 'aws-load-balancer-controller',
  },
  karpenterCrds: {
    repository: 'oci://public.ecr.aws/karpenter/karpenter-crd',
    chart: 'karpenter-crd',
    version: '1.14.1',
    namespace: 'kube-system',
    release: 'karpenter-crd',
  },
  karpenter: {
    repository: 'oci://public.ecr.aws/karpenter/karpenter',
    chart: 'karpenter',
    version: '1.14.1',
    namespace: 'kube-system',
    release: 'karpenter',
  },
  devicePlugin: {
    repository: 'https://nvidia.github.io/k8s-device-plugin',
    chart: 'nvidia-device-plugin',
    version: '0.20.0',
    namespace: 'kube-system',
    release: 'nvidia-device-plugin',
  },
  externalSecrets: {
    repository: 'https://charts.external-secrets.io',
    chart: 'external-secrets',
    version: '2.9.0',
    namespace: 'external-secrets',
    release: 'external-secrets',
  },
  keda: {
    repository: 'https://kedacore.github.io/charts',
    chart: 'keda',
    version: '2.20.2',
    namespace: 'keda',
    release: 'keda',
  },
  prometheus: {
    repository: community,
    chart: 'kube-prometheus-stack',
    version: '88.5.3',
    namespace: 'monitoring',
    release: 'kube-prometheus-stack',
  },
  dcgm: {
    repository: 'https://nvidia.github.io/dcgm-exporter/helm-charts',
    chart: 'dcgm-exporter',
    version: '4.8.2',
    namespace: 'monitoring',
    release: 'dcgm-exporter',
  },
  tempo: {
    // grafana.github.io/helm-charts stopped in January 2026.
    repository: 'https://grafana-community.github.io/helm-charts',
    chart: 'tempo',
    version: '2.2.4',
    namespace: 'monitoring',
    release: 'tempo',
  },
  collector: {
    repository: 'https://open-telemetry.github.io/opentelemetry-helm-charts',
    chart: 'opentelemetry-collector',
    version: '0.170.0',
    namespace: 'monitoring',
    release: 'otel-collector',
  },
  certManager: {
    repository: 'oci://quay.io/jetstack/charts/cert-manager',
    chart: 'cert-manager',
    version: 'v1.20.2',
    namespace: 'cert-manager',
    release: 'cert-manager',
  },
  clickhouseOperator: {
    repository: 'oci://ghcr.io/clickhouse/clickhouse-operator-helm',
    chart: 'clickhouse-operator-helm',
    version: '0.0.5',
    namespace: 'clickhouse-operator',
    release: 'clickhouse-operator',
  },
  langfuse: {
    repository: 'https://langfuse.github.io/langfuse-k8s',
    chart: 'langfuse',
    version: '2.0.0',
    namespace: 'langfuse',
    release: 'langfuse',
  },
} as const satisfies Record<string, Chart>;

/** A Service as the chart renders it with our values: host and port. */
function service(name: string, chart: Chart, port: number) {
  return { name, namespace: chart.namespace, port, host: `${name}.${chart.namespace}.svc.cluster.local` };
}

export const services = {
  prometheus: service('kube-prometheus-stack-prometheus', charts.prometheus, 9090),
  grafana: service('kube-prometheus-stack-grafana', charts.prometheus, 80),
  alertmanager: service('kube-prometheus-stack-alertmanager', charts.prometheus, 9093),
  // The chart calls it RELEASE-opentelemetry-collector unless told otherwise.
  collector: service('otel-collector', charts.collector, 4317),
  collectorHttp: service('otel-collector', charts.collector, 4318),
  // 3200 since chart 1.24; before it was 3100.
  tempo: service('tempo', charts.tempo, 3200),
  tempoOtlp: service('tempo', charts.tempo, 4317),
  // Not `langfuse`: the chart puts -web behind the release.
  langfuse: service('langfuse-web', charts.langfuse, 3000),
} as const;

export type Service = (typeof services)[keyof typeof services];

export const url = (to: Service): string => `http://${to.host}:${to.port}`;

/** Our own releases; their charts are folders of this repository. */
export const own = {
  weir: { folder: 'helm/weir', release: 'weir', namespace: 'router' },
  vllm: { folder: 'helm/vllm', release: 'vllm', namespace: 'inference' },
  observability: { folder: 'observability', release: 'observability', namespace: 'monitoring' },
} as const;
