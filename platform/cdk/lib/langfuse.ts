// Langfuse 2.x of its chart: web and worker, ClickHouse by its operator (which
// asks for cert-manager), PostgreSQL, Valkey, and S3 by a role.
import { Stack } from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as sm from 'aws-cdk-lib/aws-secretsmanager';
import { Construct, type IDependable } from 'constructs';
import { charts } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { database, databasePort } from './database.ts';
import { WorkloadRole } from './identity.ts';
import { namespace, release } from './releases.ts';
import { externalSecret, generate, secretName, type Generated, type Source } from './secrets.ts';
import { allow, dataBucket } from './storage.ts';
import { certManagerValues, clickhouseOperatorValues, langfuseSecrets, langfuseValues } from './values/langfuse.ts';

/** What Secrets Manager makes for Langfuse; the paths stand behind the installation's name. */
export const langfuseGenerated = {
  salt: { path: 'langfuse/salt', description: 'Salt of the hashes of API keys' },
  encryptionKey: {
    path: 'langfuse/encryption-key',
    description: 'Encrypts what Langfuse stores of others',
    kind: 'hex',
  },
  nextauth: { path: 'langfuse/nextauth-secret', description: 'Signs the sessions of people' },
  publicKey: { path: 'langfuse/public-key', description: 'The public key of the project, which the router uses' },
  secretKey: { path: 'langfuse/secret-key', description: 'The secret key of the project, which the router uses' },
  user: { path: 'langfuse/user-password', description: 'Password of the first user' },
  postgres: { path: 'langfuse/postgres', description: 'Password of the database' },
  redis: { path: 'langfuse/redis', description: 'Password of the queue' },
  clickhouse: { path: 'langfuse/clickhouse', description: 'Password of ClickHouse' },
} as const satisfies Record<string, Generated>;

type Secrets = Record<keyof typeof langfuseGenerated, sm.Secret>;

/** As Langfuse's own libraries expect them; the same text in both namespaces. */
export const projectKeys = { public: 'pk-lf-{{ .public }}', secret: 'sk-lf-{{ .secret }}' } as const;

export interface LangfuseProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
  readonly vpc: ec2.IVpc;
  readonly key: kms.IKey;
  readonly logs: s3.IBucket;
  /** Prometheus, whose kinds of objects the charts below use. */
  readonly monitoring: IDependable;
}

export class Langfuse extends Construct {
  readonly chart: eks.HelmChart;

  constructor(scope: Construct, id: string, props: LangfuseProps) {
    super(scope, id);
    const { config, cluster } = props;
    const secrets = this.generate(config);
    const home = namespace(this, cluster, { name: charts.langfuse.namespace, security: 'baseline' });
    const copies = this.copies(props, secrets);
    for (const copy of copies) copy.node.addDependency(home);
    const account = this.account(props);

    this.chart = release(this, 'Chart', cluster, charts.langfuse, this.values(props, secrets, account));
    this.chart.node.addDependency(this.operator(props), home, account, ...copies);
  }

  private generate(config: WeirConfig): Secrets {
    const made = Object.entries(langfuseGenerated).map(([id, what]) => [id, generate(this, id, config, what)]);
    return Object.fromEntries(made) as Secrets;
  }

  /** cert-manager, then the operator, whose webhook has its certificate from it. */
  private operator({ cluster, monitoring }: LangfuseProps): eks.HelmChart {
    const certificates = release(this, 'CertManager', cluster, charts.certManager, certManagerValues());
    certificates.node.addDependency(
      monitoring,
      namespace(this, cluster, { name: charts.certManager.namespace, security: 'restricted' }),
    );
    const operator = release(
      this,
      'ClickHouseOperator',
      cluster,
      charts.clickhouseOperator,
      clickhouseOperatorValues(),
    );
    operator.node.addDependency(
      certificates,
      namespace(this, cluster, { name: charts.clickhouseOperator.namespace, security: 'restricted' }),
    );
    return operator;
  }

  /** The Secrets of values/langfuse.ts, each key from one of ours. */
  private copies({ config, cluster }: LangfuseProps, secrets: Secrets): eks.KubernetesManifest[] {
    const copy = (name: string, keys: Record<string, keyof Secrets>, template?: Record<string, string>) => {
      const sources = Object.entries(keys).map(([key, id]): [string, Source] => [
        key,
        { name: secretName(config, langfuseGenerated[id].path) },
      ]);
      const made = externalSecret(this, `Copy-${name}`, {
        cluster,
        namespace: charts.langfuse.namespace,
        name,
        from: Object.fromEntries(sources),
        ...(template ? { template } : {}),
      });
      made.node.addDependency(...Object.values(keys).map((id) => secrets[id]));
      return made;
    };
    return [
      copy(
        langfuseSecrets.app,
        {
          salt: 'salt',
          'encryption-key': 'encryptionKey',
          'nextauth-secret': 'nextauth',
          public: 'publicKey',
          secret: 'secretKey',
          'user-password': 'user',
        },
        { 'public-key': projectKeys.public, 'secret-key': projectKeys.secret },
      ),
      // The names of the keys are those that the PostgreSQL of the chart reads.
      copy(
        langfuseSecrets.postgres,
        { POSTGRES_PASSWORD: 'postgres', USERDB_PASSWORD: 'postgres' },
        { POSTGRES_USER: 'postgres', POSTGRES_DB: 'langfuse', USERDB_USER: 'langfuse' },
      ),
      copy(langfuseSecrets.redis, { default: 'redis' }),
      copy(langfuseSecrets.clickhouse, { password: 'clickhouse' }),
    ];
  }

  private account({ config, cluster }: LangfuseProps): WorkloadRole {
    return new WorkloadRole(this, 'Account', {
      config,
      cluster,
      namespace: charts.langfuse.namespace,
      serviceAccount: 'langfuse',
    });
  }

  private values(props: LangfuseProps, secrets: Secrets, account: WorkloadRole) {
    const { config, cluster, vpc, key, logs } = props;
    const langfuse = config.observability.langfuse;
    const bucket = dataBucket(this, 'Events', { key, logs, expire: [{ prefix: 'exports/', days: 30 }] });
    allow(account.role, {
      bucket,
      key,
      write: true,
      why: "Langfuse's objects have names of its own choice; the bucket is its alone.",
    });
    const instance =
      langfuse.database === 'rds'
        ? database(this, {
            vpc,
            cluster,
            key,
            password: secrets.postgres,
            ...(langfuse.rds ?? { instanceType: 't4g.medium', storageGiB: 50, multiAz: false }),
          })
        : undefined;
    return langfuseValues({
      publicUrl: langfuse.publicUrl,
      bucket: bucket.bucketName,
      region: Stack.of(this).region,
      annotations: account.annotations,
      storageClass: 'gp3',
      volumes: { clickhouse: `${langfuse.clickhouseDiskGiB}Gi`, keeper: '5Gi', postgres: '10Gi', redis: '2Gi' },
      keepers: langfuse.keepers,
      clickhouseReplicas: 1,
      webReplicas: 2,
      organization: config.name,
      project: 'router',
      userEmail: langfuse.adminEmail,
      retentionDays: 0,
      postgres: instance ? { host: instance.dbInstanceEndpointAddress, port: databasePort } : undefined,
    });
  }
}
