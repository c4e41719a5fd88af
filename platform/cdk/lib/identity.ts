import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { CfnJson } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { WeirConfig } from './config.ts';

export interface WorkloadRoleProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * The IAM role of one service account.  The account itself is the chart's: it
 * gets `annotations` as its annotations (none with Pod Identity).  A chart that
 * uses the role needs `node.addDependency` on this construct, for pods get
 * their credentials when they start.
 */
export class WorkloadRole extends Construct {
  readonly role: iam.Role;
  readonly annotations: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: WorkloadRoleProps) {
    super(scope, id);
    const description = `${props.namespace}/${props.serviceAccount} in ${props.config.name}`;
    if (props.config.identity === 'irsa') {
      this.role = new iam.Role(this, 'Role', { description, assumedBy: this.issuerPrincipal(props) });
      this.annotations = { 'eks.amazonaws.com/role-arn': this.role.roleArn };
      return;
    }
    const pods = new iam.ServicePrincipal('pods.eks.amazonaws.com');
    this.role = new iam.Role(this, 'Role', {
      description,
      assumedBy: new iam.SessionTagsPrincipal(pods),
    });
    this.annotations = {};
    new eks.CfnPodIdentityAssociation(this, 'Association', {
      clusterName: props.cluster.clusterName,
      namespace: props.namespace,
      serviceAccount: props.serviceAccount,
      roleArn: this.role.roleArn,
    });
  }

  private issuerPrincipal(props: WorkloadRoleProps): iam.IPrincipal {
    const provider = props.cluster.openIdConnectProvider;
    const issuer = provider.openIdConnectProviderIssuer;
    // The condition's key is known only once the cluster is there.
    const conditions = new CfnJson(this, 'Conditions', {
      value: {
        [`${issuer}:aud`]: 'sts.amazonaws.com',
        [`${issuer}:sub`]: `system:serviceaccount:${props.namespace}:${props.serviceAccount}`,
      },
    });
    return new iam.OpenIdConnectPrincipal(provider, { StringEquals: conditions });
  }
}
