// The DCGM exporter: what the GPUs do.

/** GPU nodes: only what tolerates this runs there. */
export const gpuToleration = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' };
export const gpuNodes = { 'nvidia.com/gpu.present': 'true' };

export function dcgmValues() {
  return {
    tolerations: [gpuToleration],
    nodeSelector: gpuNodes,
    // The labels namespace and pod are then those of the workload, not of the
    // exporter: {namespace="inference"} finds vLLM's GPU.
    serviceMonitor: { enabled: true, interval: '15s', honorLabels: true },
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
  };
}
