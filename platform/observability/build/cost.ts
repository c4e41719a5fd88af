// What it costs, and what it would cost otherwise.  Several routers see the
// same servers: their hours are the most that one router saw, never the sum.
import type { Board, Panel } from './grafana.ts';
import { gpuPrice, langfuse, langfuseLink, routerVariables, sources } from './variables.ts';

const perHour = (counter: string, range: string) => `sum(rate(${counter}[${range}])) * 3600`;
/** Dollars of the local servers, idle or not. */
const gpus = (range: string) => `(sum(max by (namespace, job, backend) (rate(weir_gpu_dollars_total{$R}[${range}]))) * 3600 or vector(0))`;
const bill = (range: string) => `(sum(rate(weir_cost_dollars_total{$R, basis="token"}[${range}])) * 3600 or vector(0))`;
const equivalent = (range: string) => perHour('weir_cloud_equivalent_dollars_total{$R}', range);
const localTokens = (range: string) => `sum(rate(weir_tokens_total{$R, tier="local", type=~"input|output"}[${range}]))`;
const gpuNodes = 'max(inference:gpu_nodes)';

const now: Panel[] = [
  {
    title: 'Paid an hour',
    about: 'All that is paid at the pace of the last hour: answers that are paid by the token, and the hours of the local servers at the price that the routers\' configuration has for them (price_per_hour), idle ones too.',
    kind: 'stat', unit: 'currencyUSD', decimals: 2, queries: [[`${bill('1h')} + ${gpus('1h')}`, 'paid']],
  },
  {
    title: 'of it the cloud',
    about: 'What the cloud\'s answers cost, at the pace of the last hour.',
    kind: 'stat', unit: 'currencyUSD', decimals: 2, thresholds: [['blue']], queries: [[perHour('weir_cost_dollars_total{$R, tier="cloud"}', '1h'), 'cloud']],
  },
  {
    title: 'of it local servers',
    about: 'What the local servers cost that were up, busy or not, at the pace of the last hour. Needs price_per_hour in the configuration of the router.',
    kind: 'stat', unit: 'currencyUSD', decimals: 2, queries: [[gpus('1h'), 'local servers']],
  },
  {
    title: 'All in the cloud',
    about: 'What the cloud would have taken for the same tokens in an hour, at the pace of the last one: the prices of the model behind "cloud", or of the one that price_as names.',
    kind: 'stat', unit: 'currencyUSD', decimals: 2, thresholds: [['text']], queries: [[equivalent('1h'), 'all in the cloud']],
  },
  {
    title: 'Saved in the time shown',
    about: 'All in the cloud, without what was paid: the same sum that weir report makes of the ledger. Below 0: the local servers cost more than they save.',
    kind: 'stat', unit: 'currencyUSD', decimals: 2, thresholds: [['red'], ['green', 0]],
    queries: [
      [
        'sum(increase(weir_cloud_equivalent_dollars_total{$R}[$__range])) - (sum(increase(weir_cost_dollars_total{$R, basis="token"}[$__range])) or vector(0)) - (sum(max by (namespace, job, backend) (increase(weir_gpu_dollars_total{$R}[$__range]))) or vector(0))',
        'saved',
      ],
    ],
  },
  {
    title: 'Unpriced answers',
    about: 'Answers in the time shown that are in no sum here, for want of a price or of token counts. Give their models a price.',
    kind: 'stat', decimals: 0, thresholds: [['green'], ['orange', 1]], queries: [['sum(increase(weir_unpriced_requests_total{$R}[$__range]))', 'unpriced']],
  },
];

const course: Panel[] = [
  {
    title: 'Paid, and all in the cloud',
    about: 'Dollars an hour: what is paid for the cloud and for local servers, stacked, and what the cloud alone would take.',
    unit: 'currencyUSD', min: 0, width: 12,
    queries: [
      [perHour('weir_cost_dollars_total{$R, tier="cloud"}', '$__rate_interval'), 'cloud'],
      [gpus('$__rate_interval'), 'local servers'],
      [equivalent('$__rate_interval'), 'all in the cloud'],
    ],
  },
  {
    title: 'Saved',
    about: 'Dollars an hour that are saved against all in the cloud, averaged over an hour. Below 0 for long: fewer or cheaper local servers, or more work for them.',
    unit: 'currencyUSD', width: 12, thresholds: [['red'], ['green', 0]], queries: [[`${equivalent('1h')} - ${bill('1h')} - ${gpus('1h')}`, 'saved an hour']],
  },
  {
    title: 'Cloud: the last 24 hours against the budget',
    about: 'What the cloud\'s answers cost in the 24 hours before each moment, and the daily budget of the rules (rules/limits.yaml, or budget.dailyDollars of the chart).',
    unit: 'currencyUSD', min: 0, queries: [['sum(increase(weir_cost_dollars_total{$R, tier="cloud"}[1d]))', 'cloud, 24 hours'], ['max(weir:daily_budget_dollars)', 'budget']],
  },
  {
    title: 'By model',
    about: 'Dollars an hour by the model that answered. Of local models: their share of the server\'s hours, without idle time.',
    unit: 'currencyUSD', min: 0, isStacked: true, queries: [['sum by (tier, model) (rate(weir_cost_dollars_total{$R}[$__rate_interval])) * 3600 > 0', '{{tier}} {{model}}']],
  },
  {
    title: 'An answer',
    about: 'What a good answer costs on average, by tier. Of the local tier without idle time.',
    unit: 'currencyUSD', min: 0, queries: [['sum by (tier) (rate(weir_cost_dollars_total{$R}[$__rate_interval])) / sum by (tier) (rate(weir_requests_total{$R, outcome="ok", tier=~"local|cloud"}[$__rate_interval]))', '{{tier}}']],
  },
];

const gpu: Panel[] = [
  {
    title: 'A million tokens',
    about: 'What a million tokens, read or written, cost: in the cloud; on the local servers with all their hours; and what the cloud would take for what the local tier did. The local line below the last one: the servers pay.',
    unit: 'currencyUSD', min: 0, width: 12,
    queries: [
      ['1e6 * sum(rate(weir_cost_dollars_total{$R, tier="cloud"}[1h])) / sum(rate(weir_tokens_total{$R, tier="cloud", type=~"input|output"}[1h]))', 'cloud'],
      [`1e6 / 3600 * ${gpus('1h')} / ${localTokens('1h')}`, 'local, idle time included'],
      [`1e6 * sum(rate(weir_cloud_equivalent_dollars_total{$R, tier="local"}[1h])) / ${localTokens('1h')}`, 'the same in the cloud'],
    ],
  },
  {
    title: 'A million tokens, by the price of nodes',
    about: 'The same for a cluster that scales: the GPU nodes that there are, at the price at the top of this page, by the tokens that vLLM itself counts. It has the nodes that boot and those that stand idle, too.',
    unit: 'currencyUSD', min: 0, width: 12,
    queries: [[`1e6 / 3600 * max(avg_over_time(inference:gpu_nodes[1h])) * $gpu_price / (sum(rate(vllm:prompt_tokens_total[1h])) + sum(rate(vllm:generation_tokens_total[1h])))`, 'by nodes']],
  },
  {
    title: 'Use of the local servers',
    about: 'The part of their price that requests bear: the rest is idle time. A server that is shared by many costs each of them less.',
    unit: 'percentunit', min: 0, max: 1, queries: [[`${perHour('weir_cost_dollars_total{$R, basis="hour"}', '1h')} / (${gpus('1h')} > 0)`, 'in use']],
  },
  {
    title: 'Servers that are paid',
    about: 'Local servers that were up, by backend, as the routers saw them; and GPU nodes, as Kubernetes sees them. More nodes than servers: some boot, or nothing runs on them. Behind one Service, several pods are one server to a router.',
    min: 0, queries: [['max by (backend) (rate(weir_gpu_seconds_total{$R}[$__rate_interval]))', '{{backend}}'], [gpuNodes, 'GPU nodes']],
  },
  {
    title: 'GPU nodes, dollars an hour',
    about: 'GPU nodes at the price at the top of this page.',
    unit: 'currencyUSD', min: 0, queries: [[`${gpuNodes} * $gpu_price`, 'GPU nodes']],
  },
];

const detail: Panel[] = [
  {
    title: 'Models, in the time shown',
    about: 'Tokens, dollars and what the cloud would have taken, by the model that answered.',
    kind: 'table', width: 16,
    queries: [
      ['sum by (tier, model) (increase(weir_tokens_total{$R, type="input"}[$__range]))', 'input tokens'],
      ['sum by (tier, model) (increase(weir_tokens_total{$R, type="output"}[$__range]))', 'output tokens'],
      ['sum by (tier, model) (increase(weir_cost_dollars_total{$R}[$__range]))', 'USD'],
      ['sum by (tier, model) (increase(weir_cloud_equivalent_dollars_total{$R}[$__range]))', 'USD in the cloud'],
      ['sum by (tier, model) (increase(weir_unpriced_requests_total{$R}[$__range]))', 'unpriced'],
    ],
  },
  {
    title: 'Unpriced answers by model',
    about: 'Which models need a price, in the time shown.',
    kind: 'list', decimals: 0, thresholds: [['green'], ['orange', 1]], queries: [['sort_desc(sum by (tier, model) (increase(weir_unpriced_requests_total{$R}[$__range])))', '{{tier}} {{model}}']],
  },
];

export const cost: Board = {
  uid: 'weir-cost',
  title: 'Weir / Cost',
  about: 'What answers cost, what the local servers cost, and what the cloud would have taken for all of it.',
  tags: ['cost'],
  from: 'now-24h',
  variables: [...sources, ...routerVariables, gpuPrice, langfuse],
  links: [langfuseLink],
  rows: [
    { title: 'Now', panels: now },
    { title: 'Over time', panels: course },
    { title: 'Local servers', panels: gpu },
    { title: 'Models', panels: detail },
  ],
};
