// What vLLM, the GPUs' exporter, kube-state-metrics, KEDA, Karpenter and the
// collector say on /metrics, in their own names: of a cluster with one server
// of the local tier, under a steady load.
export type Job = 'vllm' | 'dcgm' | 'kube-state-metrics' | 'keda' | 'karpenter' | 'collector';

/** How a scrape job of the cluster labels them; with honor_labels where the
 * samples bring the labels of what they tell of. */
export const jobs: Record<Job, { labels: Record<string, string>; honorsLabels: boolean }> = {
  vllm: { labels: { namespace: 'inference', pod: 'vllm-0' }, honorsLabels: false },
  dcgm: { labels: { namespace: 'monitoring', pod: 'dcgm-exporter-0' }, honorsLabels: true },
  'kube-state-metrics': { labels: { namespace: 'monitoring', pod: 'kube-state-metrics-0' }, honorsLabels: true },
  keda: { labels: { namespace: 'keda', pod: 'keda-operator-0' }, honorsLabels: false },
  karpenter: { labels: { namespace: 'kube-system', pod: 'karpenter-0' }, honorsLabels: false },
  collector: { labels: { namespace: 'monitoring', pod: 'otel-collector-0' }, honorsLabels: false },
};

type Kind = 'counter' | 'gauge' | 'histogram';
/** The name, the labels, and the value of a gauge or what a counter grows by
 * in a second; of a histogram the edges, and how often each bucket is met. */
type Row = [kind: Kind, name: string, labels: string, value: number | [edge: number, rate: number][]];

const vllm = 'model_name="qwen2.5-7b-instruct",engine="0"';
const times = (scale: number): [number, number][] => [
  [0.25 * scale, 1],
  [scale, 6],
  [4 * scale, 2],
];
const gpu =
  'gpu="0",UUID="GPU-0f1e",pci_bus_id="00000000:00:1E.0",device="nvidia0",modelName="NVIDIA A10G",Hostname="ip-10-0-1-7",namespace="inference",pod="vllm-0",container="vllm"';
const deployment = 'namespace="inference",deployment="vllm"';
const autoscaler = 'namespace="inference",horizontalpodautoscaler="keda-hpa-vllm"';
const trigger = (scaler: string, metric: string) => `namespace="inference",metric="${metric}",scaledObject="vllm",scaler="${scaler}",triggerIndex="0",type="scaledobject"`;
const demand = trigger('prometheusScaler', 's0-prometheus');
const hours = trigger('cronScaler', 's1-cron');

const rows: Record<Job, Row[]> = {
  vllm: [
    ['gauge', 'vllm:num_requests_running', vllm, 6],
    ['gauge', 'vllm:num_requests_waiting', vllm, 2],
    ['gauge', 'vllm:num_requests_waiting_by_reason', `${vllm},reason="capacity"`, 2],
    ['gauge', 'vllm:num_requests_waiting_by_reason', `${vllm},reason="deferred"`, 0],
    ['gauge', 'vllm:kv_cache_usage_perc', vllm, 0.42],
    ['counter', 'vllm:prefix_cache_queries_total', vllm, 1800],
    ['counter', 'vllm:prefix_cache_hits_total', vllm, 700],
    ['counter', 'vllm:prompt_tokens_total', vllm, 1800],
    ['counter', 'vllm:generation_tokens_total', vllm, 420],
    ['counter', 'vllm:num_preemptions_total', vllm, 0.1],
    ['counter', 'vllm:request_success_total', `${vllm},finished_reason="stop"`, 8],
    ['counter', 'vllm:request_success_total', `${vllm},finished_reason="length"`, 1],
    ['counter', 'vllm:request_success_total', `${vllm},finished_reason="abort"`, 0],
    ['histogram', 'vllm:time_to_first_token_seconds', vllm, times(0.1)],
    ['histogram', 'vllm:inter_token_latency_seconds', vllm, times(0.02)],
    ['histogram', 'vllm:e2e_request_latency_seconds', vllm, times(2)],
    ['histogram', 'vllm:request_queue_time_seconds', vllm, times(0.3)],
    ['histogram', 'vllm:request_prefill_time_seconds', vllm, times(0.1)],
    ['histogram', 'vllm:request_decode_time_seconds', vllm, times(1.5)],
    ['histogram', 'vllm:request_prompt_tokens', vllm, times(200)],
    ['histogram', 'vllm:request_generation_tokens', vllm, times(50)],
  ],
  dcgm: [
    ['gauge', 'DCGM_FI_DEV_GPU_UTIL', gpu, 83],
    ['gauge', 'DCGM_FI_DEV_FB_USED', gpu, 20480],
    ['gauge', 'DCGM_FI_DEV_FB_FREE', gpu, 2048],
    ['gauge', 'DCGM_FI_DEV_POWER_USAGE', gpu, 214.7],
    ['counter', 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', gpu, 214_700],
    ['gauge', 'DCGM_FI_DEV_GPU_TEMP', gpu, 61],
    ['gauge', 'DCGM_FI_DEV_SM_CLOCK', gpu, 1695],
    ['gauge', 'DCGM_FI_DEV_XID_ERRORS', gpu, 0],
    ['gauge', 'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE', gpu, 0.31],
    ['gauge', 'DCGM_FI_PROF_DRAM_ACTIVE', gpu, 0.74],
  ],
  'kube-state-metrics': [
    ['gauge', 'kube_deployment_spec_replicas', deployment, 1],
    ['gauge', 'kube_deployment_status_replicas_available', deployment, 1],
    ['gauge', 'kube_horizontalpodautoscaler_status_desired_replicas', autoscaler, 1],
    ['gauge', 'kube_horizontalpodautoscaler_status_current_replicas', autoscaler, 1],
    ['gauge', 'kube_horizontalpodautoscaler_spec_max_replicas', autoscaler, 4],
    ...['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'].map(
      (phase): Row => ['gauge', 'kube_pod_status_phase', `namespace="inference",pod="vllm-0",uid="a",phase="${phase}"`, phase === 'Running' ? 1 : 0],
    ),
    ['gauge', 'kube_pod_container_resource_requests', 'namespace="inference",pod="vllm-0",uid="a",container="vllm",node="ip-10-0-1-7",resource="nvidia_com_gpu",unit="integer"', 1],
    ['gauge', 'kube_node_status_capacity', 'node="ip-10-0-1-7",resource="nvidia_com_gpu",unit="integer"', 1],
    ['gauge', 'kube_node_status_capacity', 'node="ip-10-0-2-4",resource="cpu",unit="core"', 4],
  ],
  keda: [
    ['gauge', 'keda_scaler_metrics_value', demand, 17],
    ['gauge', 'keda_scaler_metrics_value', hours, 1],
    ['gauge', 'keda_scaler_active', demand, 1],
    ['gauge', 'keda_scaler_active', hours, 1],
    ['counter', 'keda_scaled_object_errors_total', 'namespace="inference",scaledObject="vllm"', 0],
  ],
  karpenter: [
    ['counter', 'karpenter_nodeclaims_created_total', 'nodepool="gpu",reason="provisioned",min_values_relaxed="false"', 0.01],
    ['counter', 'karpenter_nodeclaims_terminated_total', 'nodepool="gpu",capacity_type="spot",zone="eu-central-1a"', 0.01],
    ['counter', 'karpenter_interruption_received_messages_total', 'message_type="spot_interrupted"', 0],
    ['gauge', 'karpenter_nodepools_usage', 'nodepool="gpu",resource_type="cpu"', 4],
    ['gauge', 'karpenter_nodepools_limit', 'nodepool="gpu",resource_type="cpu"', 64],
    ['histogram', 'karpenter_pods_startup_duration_seconds', '', times(60)],
  ],
  collector: [['counter', 'otelcol_exporter_send_failed_spans_total', 'exporter="otlp_grpc/tempo"', 0]],
};

/** A histogram that has been filled for so many seconds. */
function histogram(name: string, labels: string, buckets: [number, number][], seconds: number): string {
  const comma = labels === '' ? '' : ',';
  const braces = labels === '' ? '' : `{${labels}}`;
  let [count, sum] = [0, 0];
  const lines = buckets.map(([edge, rate]) => {
    const n = Math.floor(rate * seconds);
    count += n;
    sum += n * edge * 0.7;
    return `${name}_bucket{${labels}${comma}le="${edge}"} ${count}`;
  });
  return [...lines, `${name}_bucket{${labels}${comma}le="+Inf"} ${count}`, `${name}_sum${braces} ${sum}`, `${name}_count${braces} ${count}`].join('\n');
}

/** What a job says, so many seconds after it started. */
export function exposition(job: Job, seconds: number): string {
  const said = new Set<string>();
  return rows[job]
    .map(([kind, name, labels, value]) => {
      const head = said.has(name) ? '' : `# HELP ${name} As the component says it.\n# TYPE ${name} ${kind}\n`;
      said.add(name);
      if (typeof value !== 'number') return head + histogram(name, labels, value, seconds);
      const braces = labels === '' ? '' : `{${labels}}`;
      return `${head}${name}${braces} ${kind === 'counter' ? value * seconds : value}`;
    })
    .map((text) => `${text}\n`)
    .join('');
}
