// The router's own chart, platform/helm/weir.
import { services, url } from '../charts.ts';
import type { Caller, WeirConfig } from '../config.ts';
import { serving, vllmUrl, type Serving } from './vllm.ts';

/** The Secret that the pods read. */
export const routerSecret = 'router-api-keys';

/** The environment variable with the key of a caller. */
export const callerVariable = (caller: Caller): string =>
  `WEIR_KEY_${caller.name.toUpperCase().replaceAll('-', '_')}`;

export interface WeirInput {
  readonly config: WeirConfig;
  /** Where the load balancer's addresses are. */
  readonly loadBalancerCidrs: readonly string[];
}

function localBackend({ backend, service, model }: Serving) {
  return {
    name: backend,
    tier: 'local',
    url: vllmUrl(service),
    models: [{ name: model.name, context_window: model.maxModelLen, images: false }],
    ...(model.pricePerHour === undefined ? {} : { price_per_hour: model.pricePerHour }),
  };
}

function routes(config: WeirConfig) {
  return {
    workers: 2,
    limits: { memory: '512MiB' },
    backends: [
      ...serving(config.models).map(localBackend),
      {
        name: 'anthropic',
        tier: 'cloud',
        url: 'https://api.anthropic.com',
        api_key: '${ANTHROPIC_API_KEY}',
        default_model: 'claude-sonnet-4-6',
      },
    ],
    // With keys nobody is served without one.
    keys: config.router.callers.map((caller) => ({
      name: caller.name,
      secret: `\${${callerVariable(caller)}}`,
      ...(caller.policy ? { policy: caller.policy } : {}),
    })),
    log: { format: 'json' },
  };
}

function ingress({ router }: WeirConfig) {
  return {
    enabled: true,
    hosts: [router.domain],
    alb: {
      scheme: router.scheme,
      certificateArn: router.certificateArn,
      inboundCidrs: [...router.inboundCidrs],
      wafAclArn: router.webAclArn ?? '',
      // An answer that is not streamed is silent until it is written.
      idleTimeoutSeconds: Math.max(300, router.longestStreamSeconds),
    },
  };
}

export function weirValues({ config, loadBalancerCidrs }: WeirInput) {
  const { router, observability } = config;
  return {
    image: { repository: router.image.repository, tag: router.image.tag, digest: router.image.digest ?? '' },
    config: routes(config),
    secret: { name: routerSecret, keys: ['ANTHROPIC_API_KEY', ...router.callers.map(callerVariable)] },
    otel: {
      enabled: true,
      endpoint: url(services.collector),
      protocol: 'grpc',
    },
    langfuse: {
      enabled: observability.langfuse.enabled,
      baseUrl: url(services.langfuse),
      env: { LANGFUSE_TRACING_ENVIRONMENT: 'production' },
    },
    drain: { preStopSeconds: 20, timeoutSeconds: router.longestStreamSeconds },
    ingress: ingress(config),
    serviceMonitor: { enabled: true },
    autoscaling: { type: 'hpa', minReplicas: router.replicas.min, maxReplicas: router.replicas.max },
    pdb: { enabled: true, maxUnavailable: 1 },
    networkPolicy: { enabled: true, ingress: { cidrs: [...loadBalancerCidrs] } },
    test: { secretKey: callerVariable(router.callers[0]!) },
  };
}
