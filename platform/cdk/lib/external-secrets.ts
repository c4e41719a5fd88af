// External Secrets: what Secrets Manager keeps becomes Secrets of the cluster.
import { Stack } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { charts } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { WorkloadRole } from './identity.ts';
import { accept } from './nag.ts';
import { manifest, namespace, release } from './releases.ts';
import { secretStore } from './secrets.ts';

export interface ExternalSecretsProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
}

export class ExternalSecrets extends Construct {
  readonly store: eks.KubernetesManifest;

  constructor(scope: Construct, id: string, props: ExternalSecretsProps) {
    super(scope, id);
    const { config, cluster } = props;
    const { namespace: home, release: serviceAccount } = charts.externalSecrets;
    const identity = new WorkloadRole(this, 'Identity', { config, cluster, namespace: home, serviceAccount });
    const policy = this.policy(identity.role, config);
    const space = namespace(this, cluster, { name: home, security: 'restricted' });
    const resources = { requests: { cpu: '25m', memory: '64Mi' }, limits: { memory: '256Mi' } };
    const chart = release(this, 'Chart', cluster, charts.externalSecrets, {
      serviceAccount: { create: true, name: serviceAccount, annotations: identity.annotations },
      replicaCount: 2,
      leaderElect: true,
      resources,
      podDisruptionBudget: { enabled: true, minAvailable: 1 },
      webhook: { replicaCount: 2, resources },
      certController: { resources },
      // Nothing here writes to Secrets Manager.
      processPushSecret: false,
      processClusterPushSecret: false,
      extraEnv: [{ name: 'AWS_REGION', value: config.region }],
    });
    chart.node.addDependency(space, identity, policy);
    this.store = manifest(this, 'Store', cluster, {
      apiVersion: 'external-secrets.io/v1',
      kind: 'ClusterSecretStore',
      metadata: { name: secretStore },
      spec: { provider: { aws: this.provider(config, home, serviceAccount) } },
    });
    this.store.node.addDependency(chart);
  }

  /** With Pod Identity the operator's own role reads, and `auth` must be absent. */
  private provider(config: WeirConfig, home: string, serviceAccount: string): object {
    const provider = { service: 'SecretsManager', region: config.region };
    if (config.identity === 'pod-identity') return provider;
    const serviceAccountRef = { name: serviceAccount, namespace: home };
    return { ...provider, auth: { jwt: { serviceAccountRef } } };
  }

  private policy(role: iam.Role, config: WeirConfig): iam.Policy {
    const secrets = Stack.of(this).formatArn({
      service: 'secretsmanager',
      resource: `secret:${config.name}/*`,
    });
    const policy = new iam.Policy(this, 'Policy', {
      roles: [role],
      statements: [
        new iam.PolicyStatement({
          actions: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
          resources: [secrets],
        }),
      ],
    });
    accept(
      policy,
      'AwsSolutions-IAM5',
      'The secrets of this installation and no others: their names begin with its name, and Secrets Manager puts six letters behind each.',
    );
    return policy;
  }
}
