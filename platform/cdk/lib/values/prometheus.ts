// kube-prometheus-stack: Prometheus, Alertmanager, Grafana, kube-state-metrics
// and node-exporter.
import { services, url } from '../charts.ts';

export interface PrometheusInput {
  readonly cluster: string;
  readonly storageClass: string;
  /** How long samples are kept, and how much room they may take: what is reached first. */
  readonly retention: string;
  readonly retentionSize: string;
  readonly volume: string;
  readonly alertmanagerVolume: string;
  /** Secret with the keys admin-user and admin-password. */
  readonly grafanaSecret: string;
  readonly exemplars: number;
}

/** Labels of nodes that the dashboards group by; kube-state-metrics shows none unasked. */
const nodeLabels = [
  'karpenter.sh/capacity-type',
  'karpenter.sh/nodepool',
  'node.kubernetes.io/instance-type',
  'node.kubernetes.io/purpose',
  'nvidia.com/gpu.present',
  'topology.kubernetes.io/zone',
];

const claim = (storageClass: string, size: string) => ({
  volumeClaimTemplate: {
    spec: {
      storageClassName: storageClass,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: size } },
    },
  },
});

const small = { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '256Mi' } };

/**
 * Pods of others that say prometheus.io/scrape: "true".  Ours have PodMonitors
 * and ServiceMonitors and no annotation: both would make every series twice.
 */
const annotatedPods = {
  job_name: 'annotated-pods',
  kubernetes_sd_configs: [{ role: 'pod' }],
  relabel_configs: [
    { source_labels: ['__meta_kubernetes_pod_annotation_prometheus_io_scrape'], action: 'keep', regex: 'true' },
    { source_labels: ['__meta_kubernetes_pod_phase'], action: 'drop', regex: 'Pending|Succeeded|Failed' },
    { source_labels: ['__meta_kubernetes_pod_container_init'], action: 'drop', regex: 'true' },
    {
      source_labels: ['__meta_kubernetes_pod_annotation_prometheus_io_scheme'],
      action: 'replace',
      regex: '(https?)',
      target_label: '__scheme__',
    },
    {
      source_labels: ['__meta_kubernetes_pod_annotation_prometheus_io_path'],
      action: 'replace',
      regex: '(.+)',
      target_label: '__metrics_path__',
    },
    // Without a port annotation the declared ports are taken as they are.
    {
      source_labels: ['__meta_kubernetes_pod_ip', '__meta_kubernetes_pod_annotation_prometheus_io_port'],
      separator: ';',
      action: 'replace',
      regex: '([^;]+);(\\d+)',
      replacement: '$1:$2',
      target_label: '__address__',
    },
    { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
    { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
    { source_labels: ['__meta_kubernetes_pod_container_name'], target_label: 'container' },
    { source_labels: ['__meta_kubernetes_pod_node_name'], target_label: 'node' },
  ],
};

/** Karpenter is there before Prometheus' own kinds are, so its monitor comes with these. */
const karpenter = {
  name: 'karpenter',
  selector: { matchLabels: { 'app.kubernetes.io/name': 'karpenter' } },
  namespaceSelector: { matchNames: ['kube-system'] },
  endpoints: [{ port: 'http-metrics', interval: '30s' }],
};

const tempoSource = {
  name: 'Tempo',
  uid: 'tempo',
  type: 'tempo',
  access: 'proxy',
  url: url(services.tempo),
  jsonData: {
    tracesToMetrics: { datasourceUid: 'prometheus' },
    serviceMap: { datasourceUid: 'prometheus' },
    nodeGraph: { enabled: true },
    traceQuery: { timeShiftEnabled: true, spanStartTimeShift: '-5m', spanEndTimeShift: '5m' },
  },
};

function grafana(input: PrometheusInput) {
  return {
    admin: { existingSecret: input.grafanaSecret, userKey: 'admin-user', passwordKey: 'admin-password' },
    defaultDashboardsTimezone: 'browser',
    // Dashboards and sources are code, so there is nothing to keep.
    persistence: { enabled: false },
    deploymentStrategy: { type: 'Recreate' },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    'grafana.ini': {
      analytics: { reporting_enabled: false, check_for_updates: false, check_for_plugin_updates: false },
      users: { allow_sign_up: false },
      security: { disable_gravatar: true, cookie_samesite: 'strict' },
      'auth.anonymous': { enabled: false },
    },
    sidecar: {
      dashboards: {
        enabled: true,
        label: 'grafana_dashboard',
        labelValue: '1',
        searchNamespace: 'ALL',
        folderAnnotation: 'grafana_folder',
        provider: { foldersFromFilesStructure: true, allowUiUpdates: false },
      },
      datasources: {
        enabled: true,
        defaultDatasourceEnabled: true,
        uid: 'prometheus',
        exemplarTraceIdDestinations: { datasourceUid: 'tempo', traceIdLabelName: 'trace_id' },
      },
    },
    additionalDataSources: [tempoSource],
  };
}

function prometheusSpec(input: PrometheusInput) {
  return {
    externalLabels: { cluster: input.cluster },
    retention: input.retention,
    retentionSize: input.retentionSize,
    walCompression: true,
    storageSpec: claim(input.storageClass, input.volume),
    // Else the volumes stay behind, and cost, when the cluster goes.
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    enableFeatures: ['exemplar-storage'],
    exemplars: { maxSize: input.exemplars },
    // Tempo's metrics generator writes here.
    enableRemoteWriteReceiver: true,
    // Nil would mean: only what this release has labelled.
    ruleSelectorNilUsesHelmValues: false,
    serviceMonitorSelectorNilUsesHelmValues: false,
    podMonitorSelectorNilUsesHelmValues: false,
    probeSelectorNilUsesHelmValues: false,
    scrapeConfigSelectorNilUsesHelmValues: false,
    additionalScrapeConfigs: [annotatedPods],
    resources: { requests: { cpu: '500m', memory: '2Gi' }, limits: { memory: '4Gi' } },
  };
}

export function prometheusValues(input: PrometheusInput) {
  // The control plane is Amazon's; these would stand there as down for ever.
  const off = { enabled: false };
  return {
    fullnameOverride: 'kube-prometheus-stack',
    // Helm installs CRDs once and never again: this job renews them.
    crds: { enabled: true, upgradeJob: { enabled: true, image: { busybox: { tag: '1.37.0' } } } },
    kubeControllerManager: off,
    kubeScheduler: off,
    kubeEtcd: off,
    kubeProxy: off,
    defaultRules: {
      rules: {
        etcd: false,
        kubeControllerManager: false,
        kubeProxy: false,
        kubeSchedulerAlerting: false,
        kubeSchedulerRecording: false,
        windows: false,
      },
    },
    prometheus: { prometheusSpec: prometheusSpec(input), additionalServiceMonitors: [karpenter] },
    alertmanager: {
      enabled: true,
      alertmanagerSpec: {
        storage: claim(input.storageClass, input.alertmanagerVolume),
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
        resources: small,
        // AlertmanagerConfig objects of any namespace, for receivers whose
        // addresses are secrets and so do not stand here.
        alertmanagerConfigSelector: {},
        alertmanagerConfigNamespaceSelector: {},
        alertmanagerConfigMatcherStrategy: { type: 'None' },
      },
    },
    grafana: grafana(input),
    'kube-state-metrics': {
      metricLabelsAllowlist: [`nodes=[${nodeLabels.join(',')}]`],
      resources: small,
    },
    'prometheus-node-exporter': {
      resources: { requests: { cpu: '20m', memory: '32Mi' }, limits: { memory: '64Mi' } },
    },
    prometheusOperator: { resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } } },
  };
}
