// How a pod becomes an IAM role: by Pod Identity, or by a token that the
// cluster signs (IRSA).  The configuration says which.
import { CfnJson } from 'aws-cdk-lib';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { WeirConfig } from './config.ts';

export interface WorkloadRoleProps {
  readonly config: Pick<WeirConfig, 'identity' | 'name'>;
  readonly cluster: eks.Cluster;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Who may take the role of a service account. */
export class PodTrust extends Construct {
  readonly principal: iam.IPrincipal;

  constructor(scope: Construct, id: string, props: WorkloadRoleProps) {
    super(scope, id);
    this.principal =
      props.config.identity === 'irsa'
        ? this.issuer(props)
        : new iam.SessionTagsPrincipal(new iam.ServicePrincipal('pods.eks.amazonaws.com'));
  }

  private issuer(props: WorkloadRoleProps): iam.IPrincipal {
    const provider = props.cluster.openIdConnectProvider;
    const issuer = provider.openIdConnectProviderIssuer;
    // The conditions' keys are known only once the cluster is there.
    const conditions = new CfnJson(this, 'Conditions', {
      value: {
        [`${issuer}:aud`]: 'sts.amazonaws.com',
        [`${issuer}:sub`]: `system:serviceaccount:${props.namespace}:${props.serviceAccount}`,
      },
    });
    return new iam.OpenIdConnectPrincipal(provider, { StringEquals: conditions });
  }
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
    const trust = new PodTrust(this, 'Trust', props);
    this.role = new iam.Role(this, 'Role', {
      description: `${props.namespace}/${props.serviceAccount} in ${props.config.name}`,
      assumedBy: trust.principal,
    });
    if (props.config.identity === 'irsa') {
      this.annotations = { 'eks.amazonaws.com/role-arn': this.role.roleArn };
      return;
    }
    this.annotations = {};
    new eks.CfnPodIdentityAssociation(this, 'Association', {
      clusterName: props.cluster.clusterName,
      namespace: props.namespace,
      serviceAccount: props.serviceAccount,
      roleArn: this.role.roleArn,
    });
  }
}
