// vLLM's chart, platform/helm/vllm: one release for each model.
import { own } from '../charts.ts';
import type { ModelConfig, ModelsConfig } from '../config.ts';

export interface Serving {
  readonly release: string;
  readonly model: ModelConfig;
}

/** The models of a configuration and the names of their releases. */
export function serving(models: ModelsConfig): Serving[] {
  const all = [
    { release: own.vllm.release, model: models.chat },
    { release: `${own.vllm.release}-code`, model: models.code },
    { release: `${own.vllm.release}-large`, model: models.large },
  ];
  return all.filter((each): each is Serving => each.model !== undefined);
}

export const vllmUrl = (release: string): string => `http://${release}.${own.vllm.namespace}.svc.cluster.local:8000`;
