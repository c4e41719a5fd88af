import { Stack } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import type { Construct } from 'constructs';
import { charts, own } from './charts.ts';
import { WorkloadRole } from './identity.ts';
import { Langfuse } from './langfuse.ts';
import { namespace, ownRelease, release } from './releases.ts';
import { externalSecret, generate, secretName } from './secrets.ts';
import type { WorkloadStackProps } from './stacks.ts';
import { accessLogs, allow, dataBucket, dataKey } from './storage.ts';
import { dcgmValues } from './values/gpu.ts';
import { observabilityValues } from './values/observability.ts';
import { prometheusValues } from './values/prometheus.ts';
import { collectorValues, tempoValues } from './values/tracing.ts';

const grafanaAdmin = { path: 'grafana-admin', description: "Password of Grafana's user admin" } as const;

export class ObservabilityStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { config, cluster, vpc } = props;
    const key = dataKey(this, 'DataKey', 'Traces, and what Langfuse keeps');
    const logs = accessLogs(this, 'AccessLogs');
    // node-exporter and the DCGM exporter look at their nodes.
    const home = namespace(this, cluster, { name: charts.prometheus.namespace, security: 'privileged' });

    const prometheus = this.prometheus(props, home);
    const dcgm = release(this, 'Dcgm', cluster, charts.dcgm, dcgmValues());
    const boards = ownRelease(this, 'Observability', cluster, own.observability, observabilityValues(config));
    for (const chart of [dcgm, boards]) chart.node.addDependency(prometheus);

    const tempo = this.tempo(props, key, logs);
    tempo.node.addDependency(prometheus);
    const collector = release(this, 'Collector', cluster, charts.collector, collectorValues());
    collector.node.addDependency(tempo);

    if (config.observability.langfuse.enabled)
      new Langfuse(this, 'Langfuse', { config, cluster, vpc, key, logs, monitoring: prometheus });
  }

  private prometheus({ config, cluster }: WorkloadStackProps, home: eks.KubernetesManifest): eks.HelmChart {
    const admin = generate(this, 'GrafanaAdmin', config, grafanaAdmin);
    const copy = externalSecret(this, 'Copy-grafana-admin', {
      cluster,
      namespace: charts.prometheus.namespace,
      name: 'grafana-admin',
      from: { 'admin-password': { name: secretName(config, grafanaAdmin.path) } },
      template: { 'admin-user': 'admin' },
    });
    copy.node.addDependency(home, admin);
    const { retentionDays, diskGiB } = config.observability.prometheus;
    const chart = release(
      this,
      'Prometheus',
      cluster,
      charts.prometheus,
      prometheusValues({
        cluster: config.name,
        storageClass: 'gp3',
        retention: `${retentionDays}d`,
        // The rest is for what is written before it is compacted.
        retentionSize: `${Math.floor(diskGiB * 0.8)}GiB`,
        volume: `${diskGiB}Gi`,
        alertmanagerVolume: '2Gi',
        grafanaSecret: 'grafana-admin',
        exemplars: 100_000,
      }),
    );
    chart.node.addDependency(copy);
    return chart;
  }

  private tempo(
    { config, cluster }: WorkloadStackProps,
    key: ReturnType<typeof dataKey>,
    logs: ReturnType<typeof accessLogs>,
  ): eks.HelmChart {
    const days = config.observability.traceDays;
    // Tempo removes its blocks itself; what it forgets goes a week later.
    const bucket = dataBucket(this, 'Traces', { key, logs, expire: [{ prefix: '', days: days + 7 }] });
    const account = new WorkloadRole(this, 'TempoAccount', {
      config,
      cluster,
      namespace: charts.tempo.namespace,
      serviceAccount: 'tempo',
    });
    allow(account.role, {
      bucket,
      key,
      write: true,
      tags: true,
      why: "Tempo's blocks have random names; the bucket is Tempo's alone.",
    });
    const chart = release(
      this,
      'Tempo',
      cluster,
      charts.tempo,
      tempoValues({
        bucket: bucket.bucketName,
        region: this.region,
        annotations: account.annotations,
        retention: `${days * 24}h`,
        storageClass: 'gp3',
        volume: '10Gi',
      }),
    );
    chart.node.addDependency(account);
    return chart;
  }
}
