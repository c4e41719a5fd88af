import { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct, IDependable } from 'constructs';
import { charts } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { EksAddon } from './eks-addon.ts';
import { gpuLabels, gpuPools, gpuTaint, type GpuPool } from './gpu-pools.ts';
import { nodeRole, nodeTemplate } from './nodes.ts';
import { manifest, release } from './releases.ts';
import type { WorkloadStackProps } from './stacks.ts';

/** Nodes that are always there, and what makes GPU nodes usable. */
export class NodeGroupsStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { config, cluster } = props;
    const role = nodeRole(this, 'NodeRole', `Nodes of ${config.name} that are always there`);
    const system = this.systemPool(config, cluster, role);
    // These wait for a node before they count as installed.
    const storage = new EksAddon(this, 'EbsCsi', {
      ...{ config, cluster, name: 'aws-ebs-csi-driver' },
      identity: {
        serviceAccount: 'ebs-csi-controller-sa',
        managedPolicy: 'service-role/AmazonEBSCSIDriverPolicy',
      },
      // By which the teardown finds what is left, and the budget what it costs.
      values: { controller: { extraVolumeTags: { 'weir:installation': config.name } } },
    });
    const names = new EksAddon(this, 'CoreDns', {
      ...{ config, cluster, name: 'coredns' },
      values: { autoScaling: { enabled: true, minReplicas: 2, maxReplicas: 6 } },
    });
    const metrics = new EksAddon(this, 'MetricsServer', { config, cluster, name: 'metrics-server' });
    for (const addon of [storage, names, metrics]) addon.node.addDependency(system);
    this.storageClass(cluster, storage);
    this.devicePlugin(cluster, system);
    if (config.gpuPool.provisioner === 'managed')
      for (const pool of gpuPools(config)) this.managedPool(config, cluster, role, pool);
  }

  private systemPool(config: WeirConfig, cluster: eks.Cluster, nodeRole: iam.Role): eks.Nodegroup {
    const { systemPool } = config;
    return new eks.Nodegroup(this, 'System', {
      cluster,
      nodeRole,
      nodegroupName: 'system',
      capacityType: eks.CapacityType.ON_DEMAND,
      amiType: eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
      instanceTypes: systemPool.instanceTypes.map((type) => new ec2.InstanceType(type)),
      minSize: systemPool.min,
      desiredSize: systemPool.desired,
      maxSize: systemPool.max,
      maxUnavailable: 1,
      enableNodeAutoRepair: true,
      subnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      labels: { 'node.kubernetes.io/purpose': 'system' },
      launchTemplateSpec: nodeTemplate(this, 'SystemTemplate', {
        name: `${config.name}-system`,
        diskGiB: systemPool.diskGiB,
      }),
    });
  }

  /**
   * Only for those who bring what scales it: a managed group has no means of
   * its own to leave 0, which is why Karpenter is the default.
   */
  private managedPool(config: WeirConfig, cluster: eks.Cluster, nodeRole: iam.Role, pool: GpuPool): void {
    const { gpuPool } = config;
    new eks.Nodegroup(this, `Gpu-${pool.name}`, {
      cluster,
      nodeRole,
      nodegroupName: pool.name,
      capacityType: gpuPool.capacity.includes('spot') ? eks.CapacityType.SPOT : eks.CapacityType.ON_DEMAND,
      // The default is still an image of Amazon Linux 2, which is at its end.
      amiType: eks.NodegroupAmiType.AL2023_X86_64_NVIDIA,
      instanceTypes: gpuPool.instanceTypes?.map((type) => new ec2.InstanceType(type)),
      minSize: 0,
      desiredSize: 0,
      maxSize: Math.ceil(pool.maxGpus / pool.gpus),
      subnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      labels: gpuLabels(pool),
      taints: [{ ...gpuTaint, effect: eks.TaintEffect.NO_SCHEDULE }],
      launchTemplateSpec: nodeTemplate(this, `Template-${pool.name}`, {
        name: `${config.name}-${pool.name}`,
        diskGiB: gpuPool.diskGiB,
      }),
    });
  }

  /** EKS brings no class for gp3, and none that is the default. */
  private storageClass(cluster: eks.Cluster, driver: IDependable): void {
    const gp3 = manifest(this, 'Gp3', cluster, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: 'gp3',
        annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
      },
      provisioner: 'ebs.csi.aws.com',
      parameters: { type: 'gp3', encrypted: 'true' },
      // A volume is made in the zone of its pod, not in any.
      volumeBindingMode: 'WaitForFirstConsumer',
      reclaimPolicy: 'Delete',
      allowVolumeExpansion: true,
    });
    gp3.node.addDependency(driver);
  }

  /** Without it Kubernetes knows of no GPU, and Karpenter's nodes never get ready. */
  private devicePlugin(cluster: eks.Cluster, nodes: IDependable): void {
    const chart = release(this, 'DevicePlugin', cluster, charts.devicePlugin, {
      // Instead of the chart's affinity, which wants labels of a feature
      // discovery that nobody installed.
      affinity: null,
      nodeSelector: { 'nvidia.com/gpu.present': 'true' },
      tolerations: [{ key: gpuTaint.key, operator: 'Exists', effect: gpuTaint.effect }],
      resources: {
        requests: { cpu: '10m', memory: '64Mi' },
        limits: { memory: '256Mi' },
      },
    });
    chart.node.addDependency(nodes);
  }
}
