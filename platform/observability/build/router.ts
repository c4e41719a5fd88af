// Who answers, how quickly, and what goes wrong.
import type { Board, Panel, Query } from './grafana.ts';
import { failedTraces, fallbackTraces, langfuse, langfuseLink, routerVariables, slowTraces, sources, spilledTraces, traceSource } from './variables.ts';

/** Percentiles of a histogram, one line for each. */
function quantiles(histogram: string, labels: string, by: string, legend: string, qs = [50, 95, 99]): Query[] {
  return qs.map((q) => [
    `histogram_quantile(${q / 100}, sum by (${['le', by].filter(Boolean).join(', ')}) (rate(${histogram}_bucket{${labels}}[$__rate_interval])))`,
    `${legend} p${q}`.trim(),
  ]);
}

const answered = 'weir_requests_total{$R, outcome=~"ok|error"}';
const overview: Panel[] = [
  {
    title: 'Requests',
    about: 'Requests for a model that ended, a second: all of them, refused ones too.',
    kind: 'stat', unit: 'reqps', queries: [['sum(rate(weir_requests_total{$R}[$__rate_interval]))', 'requests']],
  },
  {
    title: 'Local share',
    about: 'The part of all good answers that the local tier gave.',
    kind: 'stat', unit: 'percentunit', min: 0, max: 1, decimals: 1, thresholds: [['blue'], ['green', 0.5]],
    queries: [['sum(rate(weir_requests_total{$R, tier="local", outcome="ok"}[$__rate_interval])) / sum(rate(weir_requests_total{$R, outcome="ok"}[$__rate_interval]))', 'local']],
  },
  {
    title: 'Failed',
    about: 'Failures of the router and of all backends together, as a part of what should have been answered. Mistakes of callers and callers that left count neither way. The objective is below 1 %.',
    kind: 'stat', unit: 'percentunit', min: 0, decimals: 2, thresholds: [['green'], ['orange', 0.005], ['red', 0.01]], links: [failedTraces],
    queries: [[`sum(rate(weir_requests_total{$R, outcome="error"}[$__rate_interval])) / sum(rate(${answered}[$__rate_interval]))`, 'failed']],
  },
  {
    title: 'Error budget left',
    about: 'What is left of the 1 % that may fail, over the time that the dashboard shows. Below 0 the objective is missed.',
    kind: 'stat', unit: 'percentunit', max: 1, decimals: 1, thresholds: [['red'], ['orange', 0], ['green', 0.25]],
    queries: [[`1 - sum(increase(weir_requests_total{$R, outcome="error"}[$__range])) / sum(increase(${answered}[$__range])) / 0.01`, 'left']],
  },
  {
    title: '95 of 100 answers within',
    about: 'From a request\'s first byte to the end of its answer, streams included, of both tiers.',
    kind: 'stat', unit: 's', min: 0, thresholds: [['green'], ['orange', 4], ['red', 12]], links: [slowTraces],
    queries: quantiles('weir_request_duration_seconds', '$R, tier=~"local|cloud"', '', '', [95]),
  },
  {
    title: '95 of 100 first tokens within',
    about: 'From a request\'s first byte to the first token of its stream, of both tiers.',
    kind: 'stat', unit: 's', min: 0, thresholds: [['green'], ['orange', 1.6], ['red', 4]], links: [slowTraces],
    queries: quantiles('weir_first_token_seconds', '$R', '', '', [95]),
  },
];

const traffic: Panel[] = [
  {
    title: 'Requests by tier',
    about: 'Who answered, a second. "none": nobody did; the request was refused at the door or found no backend.',
    unit: 'reqps', isStacked: true, min: 0, queries: [['sum by (tier) (rate(weir_requests_total{$R}[$__rate_interval]))', '{{tier}}']],
  },
  {
    title: 'Local share',
    about: 'The part of all good answers that the local tier gave. It falls when rules change, when prompts grow, and when the local tier is cold, broken or full: see Fallbacks.',
    unit: 'percentunit', min: 0, max: 1,
    queries: [['sum(rate(weir_requests_total{$R, tier="local", outcome="ok"}[$__rate_interval])) / sum(rate(weir_requests_total{$R, outcome="ok"}[$__rate_interval]))', 'local share']],
  },
  {
    title: 'How requests ended',
    about: 'ok; client_error: the caller\'s mistake; error: a failure of ours or of all backends; cancelled: the caller left.',
    unit: 'reqps', isStacked: true, min: 0, queries: [['sum by (outcome) (rate(weir_requests_total{$R}[$__rate_interval]))', '{{outcome}}']],
  },
  {
    title: 'Why requests went where they went',
    about: 'explicit: the caller named the model; pin; rule:NAME; fit:CAUSE: the local model could not take it; fallback:CAUSE and spill:CAUSE: another backend was first.',
    unit: 'reqps', min: 0, width: 12, queries: [['sum by (target, reason) (rate(weir_requests_total{$R, tier!="none"}[$__rate_interval])) > 0', '{{target}} {{reason}}']],
  },
  {
    title: 'Refusals and failures by status',
    about: 'What callers got that was no good answer, by HTTP status and by the tier that failed last. 499: the caller left.',
    unit: 'reqps', min: 0, width: 12, links: [failedTraces],
    queries: [['sum by (tier, status) (rate(weir_requests_total{$R, outcome!="ok"}[$__rate_interval])) > 0', '{{tier}} {{status}}']],
  },
];

const latency: Panel[] = [
  ...(['local', 'cloud'] as const).map(
    (tier): Panel => ({
      title: `Answers of the ${tier} tier`,
      about: `How long whole requests took that the ${tier} tier answered: half of them, 95 and 99 of 100. Points are requests whose traces can be opened. The objective: 95 of 100 within ${tier === 'local' ? 4 : 12} s.`,
      unit: 's', min: 0, hasExemplars: true, links: [slowTraces], thresholds: [['transparent'], ['orange', tier === 'local' ? 4 : 12]],
      queries: quantiles('weir_request_duration_seconds', `$R, tier="${tier}"`, '', tier),
    }),
  ),
  {
    title: 'Within the objective',
    about: 'The part of answers in one piece, and of streams\' first tokens, that came within 4 s (local) or 12 s (cloud). The objective is 95 of 100.',
    unit: 'percentunit', max: 1, thresholds: [['transparent'], ['green', 0.95]],
    queries: ([['local', '4.0'], ['cloud', '12.0']] as const).map(([tier, le]): Query => [
      `(sum(rate(weir_request_duration_seconds_bucket{$R, tier="${tier}", stream="false", le="${le}"}[$__rate_interval])) + sum(rate(weir_first_token_seconds_bucket{$R, tier="${tier}", le="${le}"}[$__rate_interval])))` +
        ` / (sum(rate(weir_request_duration_seconds_count{$R, tier="${tier}", stream="false"}[$__rate_interval])) + sum(rate(weir_first_token_seconds_count{$R, tier="${tier}"}[$__rate_interval])))`,
      tier,
    ]),
  },
  {
    title: 'First token of streams',
    about: 'What a reader waits for: from a request\'s first byte to the first token.',
    unit: 's', min: 0, hasExemplars: true, links: [slowTraces], queries: quantiles('weir_first_token_seconds', '$R', 'tier', '{{tier}}'),
  },
  {
    title: 'Between tokens of streams',
    about: 'How smooth streams are: the time between pieces, as they come from the backend. A high p99 beside a low p50: the backend stalls now and then.',
    unit: 's', min: 0, hasExemplars: true, queries: quantiles('weir_inter_token_seconds', '$R', 'tier', '{{tier}}', [50, 99]),
  },
  {
    title: 'The router\'s own time',
    about: 'From all of a request to its first try, and from all of an answer in one piece to its end: without callers, waiting and backends.',
    unit: 's', min: 0, thresholds: [['transparent'], ['orange', 0.01]], queries: quantiles('weir_router_overhead_seconds', '$R', '', ''),
  },
  {
    title: 'Tries by model',
    about: 'How long one try at one backend took, failed ones too, by the model that was asked.',
    unit: 's', min: 0, width: 12, links: [slowTraces],
    queries: quantiles('gen_ai_client_operation_duration_seconds', '$R', 'gen_ai_provider_name, gen_ai_request_model', '{{gen_ai_provider_name}} {{gen_ai_request_model}}', [50, 95, 99]),
  },
  {
    title: 'First token by model',
    about: 'From the beginning of a try to the first token of its stream, by the model that was asked: without what the router and other backends took before.',
    unit: 's', min: 0, width: 12,
    queries: quantiles('gen_ai_client_operation_time_to_first_chunk_seconds', '$R', 'gen_ai_provider_name, gen_ai_request_model', '{{gen_ai_provider_name}} {{gen_ai_request_model}}', [50, 95, 99]),
  },
];

const fallbacks: Panel[] = [
  {
    title: 'Fallbacks by cause',
    about: 'Requests that another backend got than the one they were for. cold: it does not answer at all; resting: its breaker is open; full: no place was free; the rest are statuses and errors.',
    unit: 'reqps', isStacked: true, min: 0, links: [fallbackTraces], queries: [['sum by (cause) (rate(weir_fallbacks_total{$R}[$__rate_interval])) > 0', '{{cause}}']],
  },
  {
    title: 'From where to where',
    about: 'Which backend lost requests to which other one.',
    unit: 'reqps', isStacked: true, min: 0, links: [fallbackTraces], queries: [['sum by (from, to) (rate(weir_fallbacks_total{$R}[$__rate_interval]))', '{{from}} to {{to}}']],
  },
  {
    title: 'Failed tries',
    about: 'The part of the tries at each backend that failed. Callers saw it only where no other backend could answer.',
    unit: 'percentunit', min: 0, max: 1,
    queries: [['sum by (tier, target) (rate(weir_tries_total{$R, result="failed"}[$__rate_interval])) / sum by (tier, target) (rate(weir_tries_total{$R}[$__rate_interval]))', '{{tier}} {{target}}']],
  },
  {
    title: 'Work that wanted the local tier',
    about: 'By who served it. cloud: the local tier could not; held: local, after it waited; refused: it waited in vain, and might not go to the cloud. This is what wakes GPU nodes.',
    unit: 'reqps', isStacked: true, min: 0, links: [spilledTraces], queries: [['sum by (served) (rate(weir_local_wanted_total{$R}[$__rate_interval]))', '{{served}}']],
  },
  {
    title: 'Backends',
    about: 'The state of each server, as the routers see it: the worst of what they say.',
    kind: 'states', words: { 0: ['unknown', 'text'], 1: ['warm', 'green'], 2: ['ramping', 'light-green'], 3: ['warming', 'yellow'], 4: ['resting', 'orange'], 5: ['cold', 'blue'] },
    queries: [
      [
        'max by (backend, replica) (' +
          ['unknown', 'warm', 'ramping', 'warming', 'resting', 'cold'].map((state, n) => `(max by (backend, replica, state) (weir_backend_state{$R, state="${state}"}) * ${n})`).join(' or ') +
          ')',
        '{{backend}} {{replica}}',
      ],
    ],
  },
  {
    title: 'Circuit breakers',
    about: 'A server that answers badly rests, and one request at a time tries it.',
    kind: 'states', words: { 0: ['closed', 'green'], 1: ['trial', 'yellow'], 2: ['open', 'red'] },
    queries: [['max by (backend, replica) (weir_backend_breaker{$R, state="trial"} + on (namespace, job, pod, instance, backend, replica) 2 * weir_backend_breaker{$R, state="open"})', '{{backend}} {{replica}}']],
  },
];

const capacity: Panel[] = [
  {
    title: 'In flight',
    about: 'Requests under way at each server, over all routers.',
    min: 0, queries: [['sum by (backend, replica) (weir_backend_in_flight{$R})', '{{backend}} {{replica}}']],
  },
  {
    title: 'Waiting for a place',
    about: 'Requests in the queue of a backend that is full. After timeouts.queue they go to the next one that they may use.',
    min: 0, thresholds: [['transparent'], ['orange', 10]], queries: [['sum by (backend) (weir_backend_waiting{$R})', '{{backend}}']],
  },
  {
    title: 'Callers',
    about: 'Connections of callers, and how many a second were refused for want of room.',
    min: 0, queries: [['sum by (pod) (weir_connections{$R})', 'connected {{pod}}'], ['sum(rate(weir_connections_refused_total{$R}[$__rate_interval]))', 'refused a second']],
  },
];

const tokens: Panel[] = [
  {
    title: 'Tokens by tier',
    about: 'Read (input) and written (output), a second. The cached part of a prompt is part of the input.',
    unit: 'short', min: 0, queries: [['sum by (tier, type) (rate(weir_tokens_total{$R, type=~"input|output"}[$__rate_interval]))', '{{tier}} {{type}}']],
  },
  {
    title: 'Written by model',
    about: 'Output tokens a second of each model.',
    min: 0, isStacked: true, queries: [['sum by (tier, model) (rate(weir_tokens_total{$R, type="output"}[$__rate_interval])) > 0', '{{tier}} {{model}}']],
  },
  {
    title: 'Prompts from a cache',
    about: 'The part of input tokens that was read from a prompt cache.',
    unit: 'percentunit', min: 0, max: 1,
    queries: [['sum by (tier) (rate(weir_tokens_total{$R, type="cache_read"}[$__rate_interval])) / sum by (tier) (rate(weir_tokens_total{$R, type="input"}[$__rate_interval]))', '{{tier}}']],
  },
  {
    title: 'Fields that were left out',
    about: 'Fields of requests that the backend which answered could not take, in the time shown: named to the caller in X-Router-Dropped.',
    kind: 'list', width: 12, queries: [['sort_desc(sum by (format, field) (increase(weir_dropped_fields_total{$R}[$__range]))) > 0', '{{format}} {{field}}']],
  },
  {
    title: 'Sizes of prompts and answers',
    about: 'Tokens of half the requests, and of 95 of 100, by model.',
    width: 12, min: 0, queries: quantiles('gen_ai_client_token_usage', '$R', 'gen_ai_token_type, gen_ai_request_model', '{{gen_ai_request_model}} {{gen_ai_token_type}}', [50, 95]),
  },
];

const telemetry: Panel[] = [
  {
    title: 'Exported',
    about: 'Spans, generations, data points and rows that were delivered, a second.',
    min: 0, queries: [['sum by (exporter) (rate(weir_export_items_total{$R, result="delivered"}[$__rate_interval]))', '{{exporter}}']],
  },
  {
    title: 'Lost',
    about: 'What will never be delivered, by exporter and cause, in the time shown: above 0 something is wrong.',
    kind: 'list', thresholds: [['green'], ['red', 1]], queries: [['topk(8, sum by (exporter, cause) (increase(weir_export_dropped_total{$R}[$__range])))', '{{exporter}} {{cause}}']],
  },
  {
    title: 'Failed sends',
    about: 'The part of the batches that a receiver did not take. They are sent again.',
    unit: 'percentunit', min: 0, max: 1,
    queries: [['sum by (exporter) (rate(weir_export_sends_total{$R, result="failed"}[$__rate_interval])) / sum by (exporter) (rate(weir_export_sends_total{$R}[$__rate_interval]))', '{{exporter}}']],
  },
  {
    title: 'Waiting in memory',
    about: 'What an exporter has taken and not delivered yet.',
    unit: 'bytes', min: 0, queries: [['sum by (exporter) (weir_export_queue_bytes{$R})', '{{exporter}}']],
  },
  {
    title: 'Waiting on disk',
    about: 'The spool: it grows while a receiver is away, and is emptied in order when it is back.',
    unit: 'bytes', min: 0, queries: [['sum by (exporter) (weir_spool_bytes{$R})', '{{exporter}}']],
  },
  {
    title: 'The clerk\'s line',
    about: 'How full the fullest line of finished requests ever was, as a part of its places. At 1 accounts are lost.',
    unit: 'percentunit', min: 0, max: 1, thresholds: [['transparent'], ['red', 0.9]], queries: [['max by (pod) (weir_clerk_queue_peak{$R} / weir_clerk_queue_places{$R})', '{{pod}}']],
  },
];

const processes: Panel[] = [
  {
    title: 'Processors',
    about: 'Cores that each router uses.',
    min: 0, queries: [['sum by (pod) (rate(process_cpu_seconds_total{$R}[$__rate_interval]))', '{{pod}}']],
  },
  {
    title: 'Memory',
    about: 'Resident memory of each router.',
    unit: 'bytes', min: 0, queries: [['sum by (pod) (process_resident_memory_bytes{$R})', '{{pod}}']],
  },
  {
    title: 'Descriptors',
    about: 'Open file descriptors, as a part of those that may be open.',
    unit: 'percentunit', min: 0, max: 1, queries: [['max by (pod) (process_open_fds{$R} / process_max_fds{$R})', '{{pod}}']],
  },
  {
    title: 'Versions and age',
    about: 'The routers that run, their version and how long they are up. Ages that begin again and again are restarts.',
    kind: 'table', width: 24, height: 6, unit: 's', queries: [['sum by (namespace, pod, instance, version) (weir_build_info{$R} * on (namespace, job, pod, instance) group_left () (time() - process_start_time_seconds{$R}))', 'up for']],
  },
];

export const router: Board = {
  uid: 'weir-router',
  title: 'Weir / Router',
  about: 'Who answers, how quickly, what goes wrong and what becomes of it.',
  tags: ['llm'],
  from: 'now-1h',
  variables: [...sources, traceSource, ...routerVariables, langfuse],
  links: [langfuseLink, failedTraces, spilledTraces],
  rows: [
    { title: 'Overview', panels: overview },
    { title: 'Traffic', panels: traffic },
    { title: 'Latency', panels: latency },
    { title: 'Fallbacks and backends', panels: fallbacks },
    { title: 'Room', panels: capacity },
    { title: 'Tokens', panels: tokens },
    { title: 'Telemetry', panels: telemetry },
    { title: 'Processes', panels: processes },
  ],
};
