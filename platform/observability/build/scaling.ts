// From demand to replicas to nodes, and from zero.
import { type Board, labelValues, type Panel } from './grafana.ts';
import { routerVariables, sources, spilledTraces, traceSource } from './variables.ts';

const deployment = 'namespace=~"$inference", deployment=~"vllm.*"';
const hpa = 'namespace=~"$inference", horizontalpodautoscaler=~"keda-hpa-vllm.*"';

const now: Panel[] = [
  {
    title: 'Demand',
    about: 'Requests a minute that wanted the local tier, whoever served them. Above 0 it wakes the local tier from zero.',
    kind: 'stat', queries: [['sum(rate(weir_local_wanted_total{$R}[$__rate_interval])) * 60', 'a minute']],
  },
  {
    title: 'vLLM pods',
    about: 'Pods that can serve.',
    kind: 'stat', thresholds: [['blue'], ['green', 1]], queries: [[`sum(kube_deployment_status_replicas_available{${deployment}})`, 'available']],
  },
  {
    title: 'Wanted',
    about: 'Pods that there should be. More than there are for longer than vLLM takes to load: no node can be had, or the pods do not start.',
    kind: 'stat', queries: [[`sum(kube_deployment_spec_replicas{${deployment}})`, 'wanted']],
  },
  {
    title: 'GPU nodes',
    about: 'Nodes with GPUs: what is paid.',
    kind: 'stat', queries: [['max(inference:gpu_nodes)', 'nodes']],
  },
  {
    title: 'Served cloud for want of local',
    about: 'The part of the demand for the local tier that the cloud served.',
    kind: 'stat', unit: 'percentunit', min: 0, max: 1, decimals: 0, thresholds: [['green'], ['orange', 0.2], ['red', 0.5]], links: [spilledTraces],
    queries: [['sum(rate(weir_local_wanted_total{$R, served="cloud"}[$__rate_interval])) / sum(rate(weir_local_wanted_total{$R}[$__rate_interval]))', 'cloud']],
  },
  {
    title: 'Router pods',
    about: 'Routers that can serve.',
    kind: 'stat', thresholds: [['red'], ['green', 1]], queries: [['sum(up{namespace=~"$namespace", job=~"$job"})', 'up']],
  },
];

const demand: Panel[] = [
  {
    title: 'Demand for the local tier',
    about: 'Requests that wanted it, by who served them. While it is cold all of it is "cloud" (or "refused", if pinned); when it is warm all of it should be "local".',
    unit: 'reqps', min: 0, isStacked: true, width: 12, links: [spilledTraces], queries: [['sum by (backend, served) (rate(weir_local_wanted_total{$R}[$__rate_interval]))', '{{backend}} {{served}}']],
  },
  {
    title: 'Replicas of vLLM',
    about: 'What the autoscaler wants, what there is, what can serve, and the most that there may be.',
    min: 0, width: 12,
    queries: [
      [`sum(kube_horizontalpodautoscaler_status_desired_replicas{${hpa}})`, 'wanted by the autoscaler'],
      [`sum(kube_deployment_spec_replicas{${deployment}})`, 'wanted'],
      [`sum(kube_deployment_status_replicas_available{${deployment}})`, 'can serve'],
      [`sum(kube_horizontalpodautoscaler_spec_max_replicas{${hpa}})`, 'at most'],
    ],
  },
  {
    title: 'What KEDA sees',
    about: 'The value of each trigger. The router\'s demand is the one that wakes from zero: vLLM\'s own queue does not exist there.',
    min: 0, queries: [['max by (scaledObject, scaler, metric) (keda_scaler_metrics_value{scaledObject=~"vllm.*"})', '{{scaler}} {{metric}}']],
  },
  {
    title: 'Triggers that are active',
    about: 'Any one keeps the local tier from zero.',
    kind: 'states', words: { 0: ['inactive', 'text'], 1: ['active', 'green'] }, queries: [['max by (scaledObject, scaler, metric) (keda_scaler_active{scaledObject=~"vllm.*"})', '{{scaler}} {{metric}}']],
  },
  {
    title: 'Errors of KEDA',
    about: 'Failed looks at a metric, in five minutes. A trigger that cannot be read scales nothing.',
    min: 0, queries: [['sum by (scaledObject) (increase(keda_scaled_object_errors_total[5m]))', '{{scaledObject}}']],
  },
];

const cold: Panel[] = [
  {
    title: 'The local tier, as the routers see it',
    about: 'For each server the part of the routers that say so: cold, warming, ramping or warm.',
    unit: 'percentunit', min: 0, max: 1, isStacked: true, width: 12,
    queries: [['avg by (state) (weir_backend_state{$R} and on (namespace, job, pod, instance, backend) weir_gpu_seconds_total{$R})', '{{state}}']],
  },
  {
    title: 'Cold under demand',
    about: 'Seconds of each minute in which the local tier was cold or warming while work wanted it: what scaling from zero costs in time.',
    unit: 's', min: 0, max: 60, width: 12,
    queries: [['60 * avg_over_time((max(weir:local_cold_under_demand:bool) or vector(0))[1m:15s])', 'of a minute']],
  },
  {
    title: 'Comings and goings',
    about: 'How often servers became warm, and how often cold, in the time shown.',
    kind: 'list', decimals: 0, queries: [['sum by (to) (max by (backend, replica, to) (increase(weir_backend_state_changes_total{$R, to=~"warm|cold|warming|resting"}[$__range])) and on (backend) max by (backend) (weir_gpu_seconds_total{$R}))', '{{to}}']],
  },
  {
    title: 'Sent to the cloud since it was cold',
    about: 'Requests a minute that the cloud answered while the local tier was cold.',
    min: 0, links: [spilledTraces], queries: [['sum(rate(weir_fallbacks_total{$R, cause="cold"}[$__rate_interval])) * 60', 'a minute']],
  },
  {
    title: 'Pods by phase',
    about: 'Pods of the local tier. Pending for minutes: no node. Running, but not among those that can serve: the model loads.',
    min: 0, isStacked: true, queries: [['sum by (phase) (kube_pod_status_phase{namespace=~"$inference"})', '{{phase}}']],
  },
];

const nodes: Panel[] = [
  {
    title: 'GPUs: there and in use',
    about: 'GPUs on nodes, and GPUs that pods have asked for. More there than asked for: paid for nothing.',
    min: 0, queries: [['sum(kube_node_status_capacity{resource="nvidia_com_gpu"})', 'there'], ['sum(kube_pod_container_resource_requests{resource="nvidia_com_gpu"} * on (namespace, pod) group_left () (max by (namespace, pod) (kube_pod_status_phase{phase="Running"}) == 1))', 'in use']],
  },
  {
    title: 'Nodes that Karpenter made and took away',
    about: 'NodeClaims in five minutes, by pool. Many of both: the pool flaps, see its consolidation.',
    min: 0, queries: [['sum by (nodepool) (increase(karpenter_nodeclaims_created_total[5m]))', '{{nodepool}} made'], ['sum by (nodepool) (increase(karpenter_nodeclaims_terminated_total[5m]))', '{{nodepool}} taken away']],
  },
  {
    title: 'Spot interruptions',
    about: 'Messages of AWS that a node will go, in an hour, by kind.',
    kind: 'bars', min: 0, queries: [['sum by (message_type) (increase(karpenter_interruption_received_messages_total[1h]))', '{{message_type}}']],
  },
  {
    title: 'Pool against its limit',
    about: 'What a pool uses of what it may: at 100 % no node comes, whatever is wanted.',
    unit: 'percentunit', min: 0, max: 1, thresholds: [['transparent'], ['red', 0.95]], queries: [['max by (nodepool, resource_type) (karpenter_nodepools_usage) / (max by (nodepool, resource_type) (karpenter_nodepools_limit) > 0)', '{{nodepool}} {{resource_type}}']],
  },
  {
    title: 'From a pod to its start',
    about: 'How long pods took to start, nodes included.',
    unit: 's', min: 0, queries: [['histogram_quantile(0.95, sum by (le) (rate(karpenter_pods_startup_duration_seconds_bucket[1h])))', 'p95']],
  },
  {
    title: 'GPU nodes without work',
    about: 'GPU nodes while no pod of the local tier runs: paid for nothing. Some minutes after a scale-down are right: Karpenter waits before it takes a node away.',
    min: 0, thresholds: [['transparent'], ['orange', 1]], queries: [[`(max(inference:gpu_nodes) unless on () (sum(kube_deployment_spec_replicas{${deployment}}) > 0)) or vector(0)`, 'nodes']],
  },
];

export const scaling: Board = {
  uid: 'weir-scaling',
  title: 'Weir / Scaling',
  about: 'From demand to replicas to nodes: what wakes the local tier, how long it takes, and what puts it to sleep.',
  tags: ['scaling'],
  from: 'now-6h',
  variables: [...sources, traceSource, ...routerVariables, labelValues('inference', 'Inference', 'kube_deployment_spec_replicas{deployment=~"vllm.*"}', 'namespace')],
  links: [spilledTraces],
  rows: [
    { title: 'Now', panels: now },
    { title: 'Demand and replicas', panels: demand },
    { title: 'From zero', panels: cold },
    { title: 'Nodes', panels: nodes },
  ],
};
