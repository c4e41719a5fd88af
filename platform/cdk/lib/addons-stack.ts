import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { ExternalSecrets } from './external-secrets.ts';
import { Karpenter } from './karpenter.ts';
import { LoadBalancers } from './load-balancers.ts';
import type { WorkloadStackProps } from './stacks.ts';

/** The controllers that make load balancers, GPU nodes and Secrets. */
export class AddonsStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { config, cluster, vpc } = props;
    const balancers = new LoadBalancers(this, 'LoadBalancers', { config, cluster, vpc });
    const secrets = new ExternalSecrets(this, 'ExternalSecrets', { config, cluster });
    // Its webhook sees every Service that is made: it must answer by then.
    secrets.node.addDependency(balancers.chart);
    if (config.gpuPool.provisioner === 'managed') return;
    const karpenter = new Karpenter(this, 'Karpenter', { config, cluster });
    karpenter.node.addDependency(balancers.chart);
  }
}
