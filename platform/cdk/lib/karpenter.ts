// Karpenter: GPU nodes come when a pod waits for one, and go when it is empty.
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { charts } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { gpuLabels, gpuPools, gpuTaint, type GpuPool } from './gpu-pools.ts';
import { WorkloadRole } from './identity.ts';
import { Interruptions } from './interruptions.ts';
import { karpenterPolicies } from './karpenter-policies.ts';
import { maxPods, nodeRole } from './nodes.ts';
import { manifest, release, type Manifest } from './releases.ts';

export interface KarpenterProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
}

const serviceAccount = 'karpenter';
const nodeClass = 'gpu';

export class Karpenter extends Construct {
  readonly pools: eks.KubernetesManifest;

  constructor(scope: Construct, id: string, props: KarpenterProps) {
    super(scope, id);
    const { config, cluster } = props;
    const nodes = nodeRole(this, 'NodeRole', `GPU nodes of ${config.name}, started by Karpenter`);
    // EKS lets its own node groups in by itself; these nodes it does not know.
    const entry = new eks.AccessEntry(this, 'Nodes', {
      cluster,
      principal: nodes.roleArn,
      accessPolicies: [],
      accessEntryType: eks.AccessEntryType.EC2_LINUX,
    });
    const chart = this.controller(props, nodes);
    const objects = gpuPools(config).map((pool, index) => nodePool(config, pool, 100 - index));
    this.pools = manifest(this, 'Pools', cluster, ec2NodeClass(config, cluster, nodes), ...objects);
    this.pools.node.addDependency(chart, entry);
  }

  private controller({ config, cluster }: KarpenterProps, nodes: iam.Role): eks.HelmChart {
    const { queue } = new Interruptions(this, 'Interruptions', config.name);
    const identity = new WorkloadRole(this, 'Identity', {
      ...{ config, cluster, serviceAccount },
      namespace: charts.karpenter.namespace,
    });
    const policies = karpenterPolicies(this, {
      ...{ config, queue },
      controller: identity.role,
      nodeRole: nodes,
    });
    // By themselves, since Helm never updates the definitions of a chart.
    const definitions = release(this, 'Definitions', cluster, charts.karpenterCrds, {});
    const chart = release(this, 'Chart', cluster, charts.karpenter, {
      serviceAccount: { create: true, name: serviceAccount, annotations: identity.annotations },
      replicas: 2,
      settings: {
        clusterName: config.name,
        clusterEndpoint: cluster.clusterEndpoint,
        interruptionQueue: queue.queueName,
      },
      // Never on a node that it may take away.
      nodeSelector: { 'node.kubernetes.io/purpose': 'system' },
      // It asks for the metadata of the region otherwise, which pods cannot reach.
      controller: {
        env: [{ name: 'AWS_REGION', value: config.region }],
        resources: {
          requests: { cpu: '250m', memory: '512Mi' },
          limits: { memory: '1Gi' },
        },
      },
    });
    chart.node.addDependency(definitions, identity, ...policies);
    return chart;
  }
}

function ec2NodeClass(config: WeirConfig, cluster: eks.Cluster, role: iam.Role): Manifest {
  return {
    apiVersion: 'karpenter.k8s.aws/v1',
    kind: 'EC2NodeClass',
    metadata: { name: nodeClass },
    spec: {
      amiSelectorTerms: [{ alias: config.gpuPool.imageAlias }],
      role: role.roleName,
      subnetSelectorTerms: [{ tags: { 'karpenter.sh/discovery': config.name } }],
      // By its id: EKS makes this group, so no tag of ours is on it.
      securityGroupSelectorTerms: [{ id: cluster.clusterSecurityGroupId }],
      // The disk of the machine itself holds the weights while it runs.
      instanceStorePolicy: 'RAID0',
      blockDeviceMappings: [
        {
          deviceName: '/dev/xvda',
          ebs: {
            volumeSize: `${config.gpuPool.diskGiB}Gi`,
            volumeType: 'gp3',
            encrypted: true,
            // An image of ten gigabytes is unpacked while people wait.
            iops: 4000,
            throughput: 500,
            deleteOnTermination: true,
          },
        },
      ],
      kubelet: { maxPods },
      metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
      tags: { 'weir:installation': config.name },
    },
  };
}

function nodePool(config: WeirConfig, pool: GpuPool, weight: number): Manifest {
  const { gpuPool } = config;
  const gpu = 'karpenter.k8s.aws/instance-gpu';
  const within = (key: string, values: readonly string[]) => ({ key, operator: 'In', values: [...values] });
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodePool',
    metadata: { name: pool.name },
    spec: {
      // Pools of smaller nodes are tried first.
      weight,
      template: {
        metadata: { labels: gpuLabels(pool) },
        spec: {
          nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: nodeClass },
          requirements: [
            within('karpenter.sh/capacity-type', gpuPool.capacity),
            within('kubernetes.io/arch', ['amd64']),
            within('topology.kubernetes.io/zone', config.availabilityZones),
            within('karpenter.k8s.aws/instance-family', gpuPool.instanceFamilies),
            within(`${gpu}-manufacturer`, ['nvidia']),
            within(`${gpu}-count`, [String(pool.gpus)]),
            { key: `${gpu}-memory`, operator: 'Gt', values: [String(pool.gpuMemoryMiB)] },
          ],
          taints: [gpuTaint],
          expireAfter: gpuPool.expireAfter,
          // Of a drain, whatever a pod asks for.
          terminationGracePeriod: '15m',
        },
      },
      // Empty is a node on which only DaemonSets are left.
      disruption: {
        consolidationPolicy: 'WhenEmpty',
        consolidateAfter: gpuPool.emptyFor,
        budgets: [{ nodes: '1' }],
      },
      limits: { 'nvidia.com/gpu': String(pool.maxGpus) },
    },
  };
}
