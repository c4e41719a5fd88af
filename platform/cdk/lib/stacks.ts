// What the stacks are given.  A stack takes what an earlier one made as a
// property, which is also what orders them.
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import type { StackProps } from 'aws-cdk-lib';
import type { WeirConfig } from './config.ts';

export interface WeirStackProps extends StackProps {
  readonly config: WeirConfig;
}

export interface ClusterStackProps extends WeirStackProps {
  readonly vpc: ec2.Vpc;
}

/** Of all stacks behind the cluster. */
export interface WorkloadStackProps extends ClusterStackProps {
  readonly cluster: eks.Cluster;
}

/** In the order in which they are made; they are removed in the reverse one. */
export const stackNames = [
  'HybridLlmNetwork',
  'HybridLlmCluster',
  'HybridLlmNodeGroups',
  'HybridLlmAddons',
  'HybridLlmObservability',
  'HybridLlmInference',
  'HybridLlmRouter',
] as const;
