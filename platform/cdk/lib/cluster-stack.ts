import { KubectlV36Layer } from '@aws-cdk/lambda-layer-kubectl-v36';
import { CfnOutput, RemovalPolicy, Size, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { AccessHost } from './access-host.ts';
import type { WeirConfig } from './config.ts';
import { EksAddon } from './eks-addon.ts';
import { accept } from './nag.ts';
import type { ClusterStackProps } from './stacks.ts';

/** The control plane, reached from inside the VPC only. */
export class ClusterStack extends Stack {
  readonly cluster: eks.Cluster;
  /** Of the API's own interfaces, in addition to the group that nodes share. */
  private readonly apiGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, props: ClusterStackProps) {
    super(scope, id, props);
    const { config, vpc } = props;
    const logGroup = new logs.LogGroup(this, 'Log', {
      // EKS would make it by itself, and keep it for ever.
      logGroupName: `/aws/eks/${config.name}/cluster`,
      retention: config.cluster.logDays as logs.RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.apiGroup = new ec2.SecurityGroup(this, 'ApiGroup', {
      vpc,
      description: `API of ${config.name}`,
      allowAllOutbound: false,
    });
    this.cluster = this.makeCluster(config, vpc);
    this.cluster.node.addDependency(logGroup);
    this.admit(config);
    this.installNodeAddons(config);
    // Also for Pod Identity: charts that come later may know IRSA only.
    const issuer = this.cluster.openIdConnectProvider;
    new CfnOutput(this, 'OidcProvider', { value: issuer.openIdConnectProviderArn });
    if (config.cluster.accessHost) this.addAccessHost(config, vpc);
  }

  private makeCluster(config: WeirConfig, vpc: ec2.Vpc): eks.Cluster {
    const key = new kms.Key(this, 'SecretsKey', {
      description: `Secrets of the cluster ${config.name}`,
      enableKeyRotation: true,
      // It opens nothing that outlives the cluster.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const cluster = new eks.Cluster(this, 'Cluster', {
      clusterName: config.name,
      version: eks.KubernetesVersion.of(config.cluster.version),
      vpc,
      vpcSubnets: [{ subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }],
      endpointAccess: eks.EndpointAccess.PRIVATE,
      securityGroup: this.apiGroup,
      secretsEncryptionKey: key,
      clusterLogging: Object.values(eks.ClusterLoggingTypes),
      // Without these two Auto Mode would bring nodes of its own.
      defaultCapacityType: eks.DefaultCapacityType.NODEGROUP,
      defaultCapacity: 0,
      // Who deploys is no administrator by that, see adminRoles.
      bootstrapClusterCreatorAdminPermissions: false,
      // The add-ons below are managed from the first moment on.
      bootstrapSelfManagedAddons: false,
      outputConfigCommand: false,
      kubectlProviderOptions: {
        kubectlLayer: new KubectlV36Layer(this, 'Kubectl'),
        // kube-prometheus-stack does not fit in the default of 1 GiB.
        memory: Size.gibibytes(3),
      },
    });
    acceptFindings(cluster);
    return cluster;
  }

  private admit(config: WeirConfig): void {
    const administrator = eks.AccessPolicy.fromAccessPolicyName('AmazonEKSClusterAdminPolicy', {
      accessScopeType: eks.AccessScopeType.CLUSTER,
    });
    config.cluster.adminRoles.forEach((principal, index) => {
      new eks.AccessEntry(this, `Admin${index}`, {
        cluster: this.cluster,
        principal,
        accessPolicies: [administrator],
      });
    });
  }

  /** What a node needs to become ready; the others come with the nodes. */
  private installNodeAddons(config: WeirConfig): void {
    const base = { config, cluster: this.cluster };
    const agent = this.cluster.eksPodIdentityAgent?.node.defaultChild as eks.CfnAddon;
    agent.addonVersion = config.cluster.addonVersions?.['eks-pod-identity-agent'];
    new EksAddon(this, 'KubeProxy', { ...base, name: 'kube-proxy' });
    const network = new EksAddon(this, 'VpcCni', {
      ...base,
      name: 'vpc-cni',
      identity: { serviceAccount: 'aws-node', managedPolicy: 'AmazonEKS_CNI_Policy' },
      values: {
        enableNetworkPolicy: 'true',
        env: { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' },
      },
    });
    network.node.addDependency(agent);
  }

  private addAccessHost(config: WeirConfig, vpc: ec2.Vpc): void {
    const host = new AccessHost(this, 'AccessHost', { vpc, name: config.name });
    this.apiGroup.connections.allowFrom(host.instance, ec2.Port.HTTPS, 'kubectl by Session Manager');
    new CfnOutput(this, 'AccessHostId', { value: host.instance.instanceId });
    new CfnOutput(this, 'ApiHost', { value: this.cluster.clusterEndpoint });
  }
}

/** What the library makes, and would not make otherwise. */
function acceptFindings(cluster: eks.Cluster): void {
  accept(
    cluster,
    'CloudFormation-Validate::W9009',
    'The library writes the property that CloudFormation calls deprecated; its successor means the same.',
  );
  accept(
    cluster.role,
    'AwsSolutions-IAM4',
    'The policy that AWS maintains for control planes; there is no other way to make one.',
  );
  const handler = cluster.node.findChild('KubectlProvider');
  accept(
    handler,
    'AwsSolutions-IAM4',
    'The functions that run kubectl and helm: logs, the network of the VPC and pulling charts, as the library gives them.',
  );
  const reading =
    'The library lets the handler read the assets of this deployment, charts and manifests, in the bucket of the bootstrap.';
  for (const action of ['GetBucket*', 'GetObject*', 'List*'])
    accept(handler, `AwsSolutions-IAM5[Action::s3:${action}]`, reading);
  accept(handler, 'AwsSolutions-IAM5', `${reading} Its provider may call each version of the handler.`);
  accept(handler, 'AwsSolutions-L1', 'The library chooses the runtime that its handler is tested with.');
}
