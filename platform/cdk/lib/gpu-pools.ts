// Which GPU nodes the models need: a pool for each number and size of GPUs.
import type { ModelConfig, WeirConfig } from './config.ts';

export interface GpuPool {
  readonly name: string;
  readonly gpus: number;
  readonly gpuMemoryMiB: number;
  /** GPUs of all replicas that its models may have. */
  readonly maxGpus: number;
}

/** The taint of every GPU node, which only what needs a GPU tolerates. */
export const gpuTaint = { key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' } as const;

/** Selects the GPU nodes of one pool; on every one of its nodes. */
export const poolLabel = 'node.kubernetes.io/gpu-pool';

export function gpuLabels(pool: Pick<GpuPool, 'name'>): Record<string, string> {
  return {
    'node.kubernetes.io/purpose': 'gpu-inference',
    // The affinity of the NVIDIA device plugin looks for this one.
    'nvidia.com/gpu.present': 'true',
    [poolLabel]: pool.name,
  };
}

export function modelsOf(config: WeirConfig): ModelConfig[] {
  const { chat, code, large } = config.models;
  return [chat, code, large].filter((model) => model !== undefined);
}

/** The pool whose nodes fit one replica exactly. */
export function poolName(model: Pick<ModelConfig, 'gpus' | 'gpuMemoryMiB'>): string {
  return `gpu-${model.gpus}x${Math.ceil(model.gpuMemoryMiB / 1024)}g`;
}

/** Small nodes first: where several pools fit, the first one is taken. */
export function gpuPools(config: WeirConfig): GpuPool[] {
  const pools = new Map<string, GpuPool>();
  for (const model of modelsOf(config)) {
    const name = poolName(model);
    const before = pools.get(name)?.maxGpus ?? 0;
    pools.set(name, {
      name,
      gpus: model.gpus,
      gpuMemoryMiB: Math.max(model.gpuMemoryMiB, pools.get(name)?.gpuMemoryMiB ?? 0),
      maxGpus: before + model.gpus * model.maxReplicas,
    });
  }
  return [...pools.values()].sort((a, b) => a.gpus - b.gpus || a.gpuMemoryMiB - b.gpuMemoryMiB);
}
