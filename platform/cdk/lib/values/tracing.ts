// Traces: the OpenTelemetry Collector that takes them, Tempo that keeps them.
import { services, url } from '../charts.ts';

export interface TempoInput {
  readonly bucket: string;
  readonly region: string;
  /** For the service account: the role, with IRSA. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly retention: string;
  readonly storageClass: string;
  readonly volume: string;
}

export function tempoValues(input: TempoInput) {
  return {
    // Its receivers stay as they are: without Jaeger's the chart does not render.
    tempo: {
      reportingEnabled: false,
      retention: input.retention,
      storage: {
        trace: {
          backend: 's3',
          s3: { bucket: input.bucket, endpoint: `s3.${input.region}.amazonaws.com`, region: input.region },
        },
      },
      metricsGenerator: { enabled: true, remoteWriteUrl: `${url(services.prometheus)}/api/v1/write` },
      overrides: { defaults: { metrics_generator: { processors: ['service-graphs', 'span-metrics'] } } },
      resources: { requests: { cpu: '200m', memory: '512Mi' }, limits: { memory: '2Gi' } },
      memBallastSizeMbs: 0,
    },
    serviceAccount: { create: true, name: 'tempo', annotations: input.annotations },
    // What is not in a block yet outlives the pod.
    persistence: {
      enabled: true,
      enableStatefulSetAutoDeletePVC: true,
      storageClassName: input.storageClass,
      size: input.volume,
    },
    serviceMonitor: { enabled: true, interval: '30s' },
  };
}

/** Attributes that may hold what was said; Tempo is for everyone, Langfuse is not. */
const content = [
  'gen_ai.system_instructions',
  'gen_ai.input.messages',
  'gen_ai.output.messages',
  'gen_ai.tool.definitions',
  'gen_ai.prompt',
  'gen_ai.completion',
  'langfuse.observation.input',
  'langfuse.observation.output',
  'input.value',
  'output.value',
];

const listen = (port: number) => `\${env:MY_POD_IP}:${port}`;

function collectorConfig() {
  return {
    receivers: {
      jaeger: null,
      zipkin: null,
      prometheus: null,
      otlp: { protocols: { grpc: { endpoint: listen(4317) }, http: { endpoint: listen(4318) } } },
    },
    processors: {
      memory_limiter: { check_interval: '1s', limit_percentage: 80, spike_limit_percentage: 25 },
      'transform/content': {
        error_mode: 'ignore',
        trace_statements: [
          { context: 'span', statements: content.map((key) => `delete_key(attributes, "${key}")`) },
          { context: 'spanevent', statements: content.map((key) => `delete_key(attributes, "${key}")`) },
        ],
      },
      batch: { send_batch_size: 1024, timeout: '2s' },
    },
    exporters: {
      debug: null,
      'otlp_grpc/tempo': {
        endpoint: `${services.tempoOtlp.host}:${services.tempoOtlp.port}`,
        tls: { insecure: true },
        sending_queue: { enabled: true, queue_size: 5000 },
        retry_on_failure: { enabled: true, max_elapsed_time: '300s' },
      },
    },
    // No pipeline to Langfuse: the router sends its generations there itself,
    // and what comes twice is counted twice.
    service: {
      pipelines: {
        logs: null,
        metrics: null,
        traces: {
          receivers: ['otlp'],
          processors: ['memory_limiter', 'transform/content', 'batch'],
          exporters: ['otlp_grpc/tempo'],
        },
      },
    },
  };
}

export function collectorValues() {
  return {
    // Else the Service is called otel-collector-opentelemetry-collector.
    fullnameOverride: services.collector.name,
    mode: 'deployment',
    replicaCount: 2,
    image: { repository: 'ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-contrib' },
    config: collectorConfig(),
    ports: {
      otlp: { enabled: true },
      'otlp-http': { enabled: true },
      'jaeger-compact': { enabled: false },
      'jaeger-thrift': { enabled: false },
      'jaeger-grpc': { enabled: false },
      zipkin: { enabled: false },
      metrics: { enabled: true },
    },
    serviceAccount: { automountServiceAccountToken: false },
    podMonitor: { enabled: true },
    podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    podSecurityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { 'app.kubernetes.io/instance': 'otel-collector' } },
      },
    ],
  };
}
