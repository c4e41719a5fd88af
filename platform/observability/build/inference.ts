// vLLM and the GPUs below it.
import type { Board, Panel, Query } from './grafana.ts';
import { serverVariables, sources } from './variables.ts';

function quantiles(histogram: string, qs = [50, 95, 99]): Query[] {
  return qs.map((q) => [`histogram_quantile(${q / 100}, sum by (le, model_name) (rate(${histogram}_bucket{$S}[$__rate_interval])))`, `{{model_name}} p${q}`]);
}

const perGpu = (metric: string) => `max by (Hostname, gpu) (${metric}{namespace=~"$inference"})`;
const gpuName = '{{Hostname}} GPU {{gpu}}';

const now: Panel[] = [
  {
    title: 'Running',
    about: 'Requests that vLLM works on, over all servers.',
    kind: 'stat', queries: [['sum(vllm:num_requests_running{$S})', 'running']],
  },
  {
    title: 'Waiting',
    about: 'Requests in vLLM\'s own queue, over all servers. Many for long: more servers are needed, or a lower limits.in_flight at the router.',
    kind: 'stat', thresholds: [['green'], ['orange', 5], ['red', 10]], queries: [['sum(vllm:num_requests_waiting{$S})', 'waiting']],
  },
  {
    title: 'KV cache, fullest',
    about: 'How full the cache of the fullest server is. Near 100 % requests wait and are preempted.',
    kind: 'stat', unit: 'percentunit', min: 0, max: 1, decimals: 0, thresholds: [['green'], ['orange', 0.8], ['red', 0.95]], queries: [['max(vllm:kv_cache_usage_perc{$S})', 'fullest']],
  },
  {
    title: 'Prefixes from the cache',
    about: 'The part of prompt tokens that need not be computed again, since the prefix was seen before.',
    kind: 'stat', unit: 'percentunit', min: 0, max: 1, decimals: 0, queries: [['sum(rate(vllm:prefix_cache_hits_total{$S}[$__rate_interval])) / sum(rate(vllm:prefix_cache_queries_total{$S}[$__rate_interval]))', 'hits']],
  },
  {
    title: 'Tokens written',
    about: 'Tokens that all servers write a second.',
    kind: 'stat', queries: [['sum(rate(vllm:generation_tokens_total{$S}[$__rate_interval]))', 'a second']],
  },
  {
    title: 'GPU busy',
    about: 'The average use of the GPUs that carry inference. A kernel that runs makes it 100 %, however little it does: see also the tensor cores.',
    kind: 'stat', unit: 'percent', min: 0, max: 100, decimals: 0, thresholds: [['orange'], ['green', 10]], queries: [['avg(DCGM_FI_DEV_GPU_UTIL{namespace=~"$inference"})', 'busy']],
  },
];

const queue: Panel[] = [
  {
    title: 'Running and waiting',
    about: 'Requests by server. Waiting above 0 for long while others have room: the load is not spread.',
    min: 0, queries: [['sum by (pod) (vllm:num_requests_running{$S})', '{{pod}} running'], ['sum by (pod) (vllm:num_requests_waiting{$S})', '{{pod}} waiting']],
  },
  {
    title: 'Why requests wait',
    about: 'capacity: no room in the cache; deferred: for another reason, such as a missing adapter.',
    min: 0, isStacked: true, queries: [['sum by (reason) (vllm:num_requests_waiting_by_reason{$S})', '{{reason}}']],
  },
  {
    title: 'KV cache',
    about: 'How full each server\'s cache is.',
    unit: 'percentunit', min: 0, max: 1, thresholds: [['transparent'], ['red', 0.95]], queries: [['max by (pod) (vllm:kv_cache_usage_perc{$S})', '{{pod}}']],
  },
  {
    title: 'Preemptions',
    about: 'Requests a second that lost their place in the cache and begin anew. They cost time twice: lower max-num-seqs, or give the cache more memory.',
    unit: 'reqps', min: 0, queries: [['sum by (pod) (rate(vllm:num_preemptions_total{$S}[$__rate_interval]))', '{{pod}}']],
  },
  {
    title: 'Prefix cache',
    about: 'The part of prompt tokens that was found in the cache, by server. It falls when requests of a conversation go to different servers.',
    unit: 'percentunit', min: 0, max: 1, queries: [['sum by (pod) (rate(vllm:prefix_cache_hits_total{$S}[$__rate_interval])) / sum by (pod) (rate(vllm:prefix_cache_queries_total{$S}[$__rate_interval]))', '{{pod}}']],
  },
  {
    title: 'How requests ended',
    about: 'stop: by itself; length: at max_tokens; abort: the caller left.',
    unit: 'reqps', min: 0, isStacked: true, queries: [['sum by (finished_reason) (rate(vllm:request_success_total{$S}[$__rate_interval]))', '{{finished_reason}}']],
  },
];

const latency: Panel[] = [
  { title: 'First token', about: 'From a request\'s arrival at vLLM to its first token, waiting included.', unit: 's', min: 0, queries: quantiles('vllm:time_to_first_token_seconds') },
  { title: 'Between tokens', about: 'Time between tokens of one request: grows with the size of the batch.', unit: 's', min: 0, queries: quantiles('vllm:inter_token_latency_seconds') },
  { title: 'Whole requests', about: 'From arrival to the last token.', unit: 's', min: 0, queries: quantiles('vllm:e2e_request_latency_seconds') },
  { title: 'In the queue', about: 'Time that requests waited in vLLM before they were worked on.', unit: 's', min: 0, queries: quantiles('vllm:request_queue_time_seconds') },
  {
    title: 'Where the time goes',
    about: 'Averages: waiting, reading the prompt (prefill), writing the answer (decode).',
    unit: 's', min: 0, isStacked: true,
    queries: ['queue', 'prefill', 'decode'].map((part): Query => [`sum(rate(vllm:request_${part}_time_seconds_sum{$S}[$__rate_interval])) / sum(rate(vllm:request_${part}_time_seconds_count{$S}[$__rate_interval]))`, part]),
  },
  {
    title: 'Sizes',
    about: 'Tokens of prompts and answers: half of the requests, and 95 of 100.',
    min: 0,
    queries: ['prompt', 'generation'].flatMap((kind) => [50, 95].map((q): Query => [`histogram_quantile(${q / 100}, sum by (le) (rate(vllm:request_${kind}_tokens_bucket{$S}[$__rate_interval])))`, `${kind} p${q}`])),
  },
];

const throughput: Panel[] = [
  {
    title: 'Tokens',
    about: 'Tokens a second that servers read (prompts) and write (answers).',
    min: 0, width: 12, queries: [['sum by (pod) (rate(vllm:prompt_tokens_total{$S}[$__rate_interval]))', '{{pod}} read'], ['sum by (pod) (rate(vllm:generation_tokens_total{$S}[$__rate_interval]))', '{{pod}} written']],
  },
  {
    title: 'Tokens for a joule',
    about: 'Written tokens by the energy that the GPUs took: how well batches fill them.',
    min: 0, width: 12, queries: [['sum(rate(vllm:generation_tokens_total{$S}[$__rate_interval])) / sum(DCGM_FI_DEV_POWER_USAGE{namespace=~"$inference"})', 'tokens a joule']],
  },
];

const gpus: Panel[] = [
  { title: 'GPU use', about: 'The part of the time in which a kernel ran.', unit: 'percent', min: 0, max: 100, queries: [[perGpu('DCGM_FI_DEV_GPU_UTIL'), gpuName]] },
  { title: 'Tensor cores', about: 'The part of the time in which they worked: the better measure of use.', unit: 'percentunit', min: 0, max: 1, queries: [[perGpu('DCGM_FI_PROF_PIPE_TENSOR_ACTIVE'), gpuName]] },
  { title: 'Memory bandwidth', about: 'The part of the time in which data was moved to or from the GPU\'s memory. Decoding is bound by it.', unit: 'percentunit', min: 0, max: 1, queries: [[perGpu('DCGM_FI_PROF_DRAM_ACTIVE'), gpuName]] },
  {
    title: 'GPU memory',
    about: 'The part that is in use. vLLM takes what gpu-memory-utilization says at its start and keeps it.',
    unit: 'percentunit', min: 0, max: 1, queries: [['max by (Hostname, gpu) (DCGM_FI_DEV_FB_USED{namespace=~"$inference"} / (DCGM_FI_DEV_FB_USED{namespace=~"$inference"} + DCGM_FI_DEV_FB_FREE{namespace=~"$inference"}))', gpuName]],
  },
  { title: 'Power', about: 'Watts that each GPU takes.', unit: 'watt', min: 0, queries: [[perGpu('DCGM_FI_DEV_POWER_USAGE'), gpuName]] },
  { title: 'Temperature', about: 'Degrees of each GPU. Above 85 it may slow itself down.', unit: 'celsius', min: 0, thresholds: [['transparent'], ['red', 85]], queries: [[perGpu('DCGM_FI_DEV_GPU_TEMP'), gpuName]] },
  { title: 'Clock', about: 'Clock of the processors: it falls when a GPU is too hot or short of power.', unit: 'rotmhz', min: 0, queries: [[`${perGpu('DCGM_FI_DEV_SM_CLOCK')}`, gpuName]] },
  {
    title: 'Last XID error',
    about: 'The number of the last error that the driver told of; 0: none. NVIDIA\'s list says what each means: 48, 79 and 95 want a new node.',
    kind: 'list', decimals: 0, thresholds: [['green'], ['red', 1]], queries: [[perGpu('DCGM_FI_DEV_XID_ERRORS'), gpuName]],
  },
  { title: 'Energy', about: 'Kilowatt-hours that all GPUs took in the time shown.', kind: 'stat', width: 8, height: 8, unit: 'kwatth', decimals: 2, queries: [['sum(increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{namespace=~"$inference"}[$__range])) / 3.6e9', 'energy']] },
];

export const inference: Board = {
  uid: 'weir-inference',
  title: 'Weir / Inference and GPU',
  about: 'vLLM\'s queue, caches, latencies and tokens, and the GPUs below it.',
  tags: ['llm', 'gpu'],
  from: 'now-1h',
  variables: [...sources, ...serverVariables],
  links: [],
  rows: [
    { title: 'Now', panels: now },
    { title: 'Queue and caches', panels: queue },
    { title: 'Latency', panels: latency },
    { title: 'Throughput', panels: throughput },
    { title: 'GPUs', panels: gpus },
  ],
};
