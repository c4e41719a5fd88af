// The ScaledObjects of platform/helm/vllm, as helm renders them.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const helm = process.env.HELM_BIN ?? at('.tools/kubernetes/helm');

export interface Trigger {
  type: 'prometheus' | 'cron';
  name: string;
  metadata: Record<string, string>;
}

interface Rules {
  stabilizationWindowSeconds: number;
  policies: { type: 'Pods' | 'Percent'; value: number; periodSeconds: number }[];
}

/** Of keda.sh/v1alpha1, what platform/helm/vllm says. */
export interface ScaledObject {
  metadata: { name: string; namespace: string; labels: Record<string, string> };
  spec: {
    pollingInterval: number;
    cooldownPeriod: number;
    initialCooldownPeriod: number;
    minReplicaCount: number;
    maxReplicaCount: number;
    fallback?: { failureThreshold: number; replicas: number; behavior: string };
    advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleUp: Rules; scaleDown: Rules } } };
    triggers: Trigger[];
  };
}

/** All that the chart makes, with these values files and `--set`s. */
export function renderChart(files: string[], set: Record<string, string> = {}): any[] {
  const text = execFileSync(
    helm,
    [
      ...['template', 'vllm', at('platform/helm/vllm'), '--namespace', 'inference'],
      ...files.flatMap((file) => ['--values', file]),
      ...Object.entries(set).flatMap(([name, value]) => ['--set-string', `${name}=${value}`]),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((object) => object !== null);
}

/** By the names of their Deployments. */
export function scaledObjects(objects: any[]): Record<string, ScaledObject> {
  return Object.fromEntries(
    objects.filter(({ kind }) => kind === 'ScaledObject').map((object) => [object.metadata.name, object]),
  );
}

/** The one with some of its triggers alone. */
export function withTriggers(object: ScaledObject, ...names: string[]): ScaledObject {
  const triggers = object.spec.triggers.filter(({ name }) => names.includes(name));
  return { ...object, spec: { ...object.spec, triggers } };
}
