// KEDA, which wakes vLLM and puts it to sleep.

/** Its own monitors show what the triggers read and when they fail. */
const monitored = { enabled: true, serviceMonitor: { enabled: true } };

const process = { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } };

export function kedaValues(cluster: string) {
  return {
    clusterName: cluster,
    // Two, of which one leads: waking a GPU must not wait for a moved pod.
    operator: { replicaCount: 2 },
    metricsServer: { replicaCount: 2 },
    webhooks: { replicaCount: 1 },
    podDisruptionBudget: { operator: { maxUnavailable: 1 }, metricServer: { maxUnavailable: 1 } },
    image: { pullPolicy: 'IfNotPresent' },
    resources: { operator: process, metricServer: process, webhooks: process },
    prometheus: { operator: monitored, metricServer: monitored, webhooks: monitored },
  };
}
