import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { AddonName, WeirConfig } from './config.ts';
import { PodTrust } from './identity.ts';
import { accept } from './nag.ts';

export interface EksAddonProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
  readonly name: AddonName;
  readonly values?: object;
  /** The service account that calls AWS, and what it may do there. */
  readonly identity?: { readonly serviceAccount: string; readonly managedPolicy: string };
}

/**
 * One add-on that EKS installs and updates.  The construct of the library
 * cannot give it an IAM role, so this is the resource itself.
 */
export class EksAddon extends Construct {
  readonly resource: eks.CfnAddon;

  constructor(scope: Construct, id: string, props: EksAddonProps) {
    super(scope, id);
    const { config, cluster, identity } = props;
    const role = identity && this.roleOf(props, identity);
    this.resource = new eks.CfnAddon(this, 'Resource', {
      clusterName: cluster.clusterName,
      addonName: props.name,
      addonVersion: config.cluster.addonVersions?.[props.name],
      resolveConflicts: 'OVERWRITE',
      configurationValues: props.values && JSON.stringify(props.values),
      ...(role && config.identity === 'irsa' ? { serviceAccountRoleArn: role.roleArn } : {}),
      ...(role && config.identity === 'pod-identity'
        ? {
            podIdentityAssociations: [
              { serviceAccount: identity.serviceAccount, roleArn: role.roleArn },
            ],
          }
        : {}),
    });
  }

  private roleOf(props: EksAddonProps, identity: NonNullable<EksAddonProps['identity']>): iam.Role {
    const trust = new PodTrust(this, 'Trust', {
      ...props,
      namespace: 'kube-system',
      serviceAccount: identity.serviceAccount,
    });
    const role = new iam.Role(this, 'Role', {
      description: `kube-system/${identity.serviceAccount} in ${props.config.name}`,
      assumedBy: trust.principal,
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName(identity.managedPolicy)],
    });
    accept(
      role,
      'AwsSolutions-IAM4',
      'The policy that AWS maintains for this add-on: what it must do changes with its versions, which EKS chooses.',
    );
    return role;
  }
}
