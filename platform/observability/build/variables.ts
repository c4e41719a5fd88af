// What all dashboards ask for alike.
import { datasource, labelValues, textbox, traces } from './grafana.ts';

/** The labels that choose the routers: `$R` in a query stands for them. */
const routers = 'namespace=~"$namespace", job=~"$job", pod=~"$pod"';
/** Of the servers of the local tier. */
const servers = 'namespace=~"$inference", pod=~"$server"';

/** `$R` and `$S` stand for the labels, so that queries can be read. */
export function spell<T>(table: T): T {
  return JSON.parse(
    JSON.stringify(table, (_, value) => (typeof value === 'string' ? value.replaceAll('$R', routers).replaceAll('$S', servers) : value)),
  );
}

export const sources = [datasource('datasource', 'Metrics', 'prometheus')];
export const traceSource = datasource('tempo', 'Traces', 'tempo');

export const routerVariables = [
  labelValues('namespace', 'Namespace', 'weir_build_info'),
  labelValues('job', 'Job', 'weir_build_info{namespace=~"$namespace"}'),
  labelValues('pod', 'Pod', 'weir_build_info{namespace=~"$namespace", job=~"$job"}'),
];
export const serverVariables = [
  labelValues('inference', 'Inference', 'vllm:num_requests_running', 'namespace'),
  labelValues('server', 'Server', 'vllm:num_requests_running{namespace=~"$inference"}', 'pod'),
];

export const gpuPrice = textbox('gpu_price', 'USD per GPU node and hour', '1.006', 'What a node with GPUs costs for an hour: on demand, Spot or leased.');
export const langfuse = textbox('langfuse', 'Langfuse', 'http://localhost:3001', 'Where your browser finds Langfuse.');
export const langfuseLink = { title: 'Langfuse', url: '${langfuse}' };

const service = 'resource.service.name = "hybrid-llm-router"';
export const slowTraces = traces('Traces of that time that took long', `{ ${service} && kind = server && duration > 4s }`);
export const failedTraces = traces('Traces of that time that failed', `{ ${service} && kind = server && status = error }`);
export const fallbackTraces = traces('Traces of that time that another backend got', `{ ${service} && event:name = "fallback" }`);
export const spilledTraces = traces('Traces of that time: asked local, served cloud', `{ ${service} && span.llm.model.requested = "local" && span.llm.backend = "cloud" }`);
