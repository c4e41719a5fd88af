// Langfuse's PostgreSQL as Amazon RDS, for those who do not want to look after
// one in the cluster.
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as rds from 'aws-cdk-lib/aws-rds';
import type * as sm from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { accept } from './nag.ts';

export interface DatabaseProps {
  readonly vpc: ec2.IVpc;
  readonly cluster: eks.ICluster;
  readonly key: kms.IKey;
  readonly password: sm.ISecret;
  readonly instanceType: string;
  readonly storageGiB: number;
  readonly multiAz: boolean;
}

export const databasePort = 5432;

export function database(scope: Construct, props: DatabaseProps): rds.DatabaseInstance {
  const group = new ec2.SecurityGroup(scope, 'DatabaseGroup', {
    vpc: props.vpc,
    description: 'Database of Langfuse: nodes of the cluster, nobody else',
    allowAllOutbound: false,
  });
  group.addIngressRule(
    ec2.Peer.securityGroupId(props.cluster.clusterSecurityGroupId),
    ec2.Port.tcp(databasePort),
    'nodes of the cluster',
  );
  const version = rds.PostgresEngineVersion.VER_17_6;
  const engine = rds.DatabaseInstanceEngine.postgres({ version });
  const instance = new rds.DatabaseInstance(scope, 'Database', {
    engine,
    parameterGroup: new rds.ParameterGroup(scope, 'DatabaseParameters', {
      engine,
      parameters: { 'rds.force_ssl': '1' },
    }),
    instanceType: new ec2.InstanceType(props.instanceType),
    vpc: props.vpc,
    vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    securityGroups: [group],
    port: databasePort,
    databaseName: 'langfuse',
    // A reference that CloudFormation resolves: the template has no password.
    credentials: rds.Credentials.fromPassword('langfuse', props.password.secretValue),
    allocatedStorage: props.storageGiB,
    maxAllocatedStorage: props.storageGiB * 4,
    storageType: rds.StorageType.GP3,
    storageEncrypted: true,
    storageEncryptionKey: props.key,
    multiAz: props.multiAz,
    backupRetention: Duration.days(14),
    copyTagsToSnapshot: true,
    deletionProtection: true,
    removalPolicy: RemovalPolicy.SNAPSHOT,
    autoMinorVersionUpgrade: true,
    cloudwatchLogsExports: ['postgresql'],
  });
  accept(
    instance,
    'AwsSolutions-RDS11',
    'PostgreSQL keeps its usual port: only the nodes reach it, and a moved port hides nothing from them.',
  );
  if (!props.multiAz)
    accept(
      instance,
      'AwsSolutions-RDS3',
      'observability.langfuse.rds.multiAz is false: traces may be away for the time of a restore.',
    );
  return instance;
}
