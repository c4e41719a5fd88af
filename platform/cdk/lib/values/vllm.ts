// vLLM's chart, platform/helm/vllm: one release with a Deployment, a Service
// and triggers of its own for each model.
import { own, services, url } from '../charts.ts';
import type { ModelConfig, ModelsConfig, WeirConfig } from '../config.ts';
import { poolLabel, poolName } from '../gpu-pools.ts';

/** The models of the chart, and what their objects and the router's backends are called. */
const kinds = [
  { key: 'chat', service: 'vllm', backend: 'vllm' },
  { key: 'code', service: 'vllm-code', backend: 'code' },
  { key: 'large', service: 'vllm-large', backend: 'large' },
] as const;

export type Serving = (typeof kinds)[number] & { readonly model: ModelConfig };

/** The models of a configuration. */
export function serving(models: ModelsConfig): Serving[] {
  return kinds.flatMap((kind) => {
    const model = models[kind.key];
    return model ? [{ ...kind, model }] : [];
  });
}

export const vllmUrl = (service: string): string => `http://${service}.${own.vllm.namespace}.svc.cluster.local:8000`;

export const vllmAccount = 'vllm';

export interface VllmInput {
  readonly config: WeirConfig;
  readonly bucket: string;
  readonly region: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Of the large model: a share of its node for each GPU. */
function largeResources({ gpus }: ModelConfig) {
  const memory = (each: number) => `${each * gpus}Gi`;
  return { requests: { cpu: String(5 * gpus), memory: memory(25) }, limits: { memory: memory(50) } };
}

function modelValues({ officeHours }: ModelsConfig, { key, service, backend, model }: Serving) {
  const warm = key === 'chat' && officeHours ? [{ ...officeHours, replicas: 1 }] : [];
  const { weightsGiB, manifestSha256 } = model;
  return {
    enabled: true,
    name: service,
    servedName: model.name,
    backend,
    maxModelLen: model.maxModelLen,
    gpus: model.gpus,
    weights: {
      prefix: model.prefix,
      ...(weightsGiB ? { sizeLimit: `${weightsGiB}Gi` } : {}),
      ...(manifestSha256 ? { manifestSha256 } : {}),
    },
    // The pool has the nodes that fit: nothing else need be said about them.
    nodeSelector: { [poolLabel]: poolName(model) },
    ...(key === 'large' ? { affinity: null, resources: largeResources(model) } : {}),
    scaling: { maxReplicas: model.maxReplicas, warm },
  };
}

export function vllmValues({ config, bucket, region, annotations }: VllmInput) {
  const { models } = config;
  return {
    ...(models.image ? { defaults: { image: models.image } } : {}),
    models: Object.fromEntries(serving(models).map((each) => [each.key, modelValues(models, each)])),
    weights: { bucket, region },
    prometheus: { serverAddress: url(services.prometheus) },
    router: { namespace: own.weir.namespace },
    podMonitor: { enabled: true },
    networkPolicy: { enabled: true, monitoringNamespace: services.prometheus.namespace },
    serviceAccount: { create: true, name: vllmAccount, annotations },
  };
}
