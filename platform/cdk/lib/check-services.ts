// What must be true of a configuration for the models, the router and what
// watches them.
import type { WeirConfig } from './config.ts';
import { modelsOf } from './gpu-pools.ts';

const callerName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const prefix = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/** An Application Load Balancer holds a silent connection no longer. */
const longestIdle = 4000;

const distinct = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;

export function serviceRules(config: WeirConfig): string[] {
  const { router, observability } = config;
  const models = modelsOf(config);
  const callers = router.callers.map(({ name }) => name);
  const rules: [boolean, string][] = [
    [callers.length > 0, 'router.callers: at least one is needed, or everybody could spend your money'],
    [callers.every((name) => callerName.test(name)), 'router.callers: names are of small letters, digits and dashes'],
    [distinct(callers), 'router.callers: two have the same name'],
    [router.inboundCidrs.length > 0, 'router.inboundCidrs: who may connect must be said'],
    [router.longestStreamSeconds <= longestIdle, `router.longestStreamSeconds: at most ${longestIdle}`],
    [router.replicas.min >= 2, 'router.replicas.min: at least 2, or an update is an outage'],
    [router.replicas.max >= router.replicas.min, 'router.replicas.max: less than min'],
    [distinct(models.map(({ name }) => name)), 'models: two have the same name'],
    [models.every((model) => prefix.test(model.prefix)), 'models: a prefix is a path without slashes at its ends'],
    [
      !config.models.bucketKeyArn || config.models.bucket !== undefined,
      'models.bucketKeyArn: belongs to an existing bucket, models.bucket',
    ],
    [observability.langfuse.adminEmail.includes('@'), 'observability.langfuse.adminEmail: an address of mail'],
  ];
  return rules.filter(([holds]) => !holds).map(([, text]) => text);
}
