// HybridLlmObservability: what watches, where its data are, and in which order.
import { describe, expect, test } from 'vitest';
import { own, services } from '../lib/charts.ts';
import { resolve } from '../lib/manifests.ts';
import { langfuseSecrets } from '../lib/values/langfuse.ts';
import { before, objects, ofType, one, releaseOf, releases, rendered } from './installed.ts';
import { configWith, stacksOf } from './synth.ts';

const stack = stacksOf().observability;
const all = objects(stack).map(({ object }) => object);
const values = (release: string, of = stack) => releaseOf(of, release).values;
const statements = (of = stack) =>
  ofType(of, 'AWS::IAM::Policy').map(({ Properties }) => Properties['PolicyDocument'].Statement as any[]);

const withRds = { observability: { langfuse: { database: 'rds' } } } as const;

describe('the order', () => {
  const earlier = (release: string) => before(stack, releaseOf(stack, release).id);
  const after: [string, string[]][] = [
    ['dcgm-exporter', ['kube-prometheus-stack']],
    ['observability', ['kube-prometheus-stack']],
    ['tempo', ['kube-prometheus-stack']],
    ['otel-collector', ['tempo', 'kube-prometheus-stack']],
    ['cert-manager', ['kube-prometheus-stack']],
    ['clickhouse-operator', ['cert-manager']],
    ['langfuse', ['cert-manager', 'clickhouse-operator']],
  ];
  test.each(after)('%s comes after %j', (release, needed) => {
    for (const name of needed) expect(earlier(release)).toContain(releaseOf(stack, name).id);
  });

  test('a release comes after its namespace', () => {
    for (const release of releases(stack)) {
      const home = objects(stack, 'Namespace').find(({ object }) => object.metadata.name === release.namespace);
      expect(home, release.namespace).toBeDefined();
      expect(before(stack, release.id)).toContain(home!.id);
    }
  });

  test('an ExternalSecret comes after what it copies, a release after its Secrets', () => {
    for (const { id, object } of objects(stack, 'ExternalSecret')) {
      const secrets = ofType(stack, 'AWS::SecretsManager::Secret').map(({ Properties }) => Properties['Name']);
      for (const { remoteRef } of object.spec.data) expect(secrets).toContain(remoteRef.key);
      const waits = [...before(stack, id)].length;
      expect(waits).toBeGreaterThanOrEqual(2);
      const users = releases(stack).filter(({ values }) =>
        JSON.stringify(values).includes(`"${object.metadata.name}"`),
      );
      expect(users.length, object.metadata.name).toBeGreaterThan(0);
      for (const user of users) expect(before(stack, user.id)).toContain(id);
    }
  });
});

describe('Prometheus', () => {
  const { prometheus, grafana, crds, kubeControllerManager, kubeEtcd } = values('kube-prometheus-stack');
  const spec = prometheus.prometheusSpec;

  test('keeps samples for as long and as much as there is room for', () => {
    expect(spec).toMatchObject({ retention: '15d', retentionSize: '40GiB' });
    const claim = spec.storageSpec.volumeClaimTemplate.spec;
    expect(claim).toMatchObject({ storageClassName: 'gp3', resources: { requests: { storage: '50Gi' } } });
    expect(spec.persistentVolumeClaimRetentionPolicy.whenDeleted).toBe('Delete');
  });

  test('keeps exemplars, and takes what Tempo writes', () => {
    expect(spec.enableFeatures).toEqual(['exemplar-storage']);
    expect(spec.exemplars.maxSize).toBeGreaterThan(0);
    expect(spec.enableRemoteWriteReceiver).toBe(true);
    const written = values('tempo').tempo.metricsGenerator.remoteWriteUrl;
    expect(written).toBe('http://kube-prometheus-stack-prometheus.monitoring.svc.cluster.local:9090/api/v1/write');
  });

  test('finds every monitor and rule, whoever made it', () => {
    for (const kind of ['rule', 'serviceMonitor', 'podMonitor', 'probe', 'scrapeConfig'])
      expect(spec[`${kind}SelectorNilUsesHelmValues`]).toBe(false);
    expect(crds.upgradeJob.enabled).toBe(true);
    expect([kubeControllerManager.enabled, kubeEtcd.enabled]).toEqual([false, false]);
  });

  test('scrapes pods by annotation with namespace and pod as labels, and no finished ones', () => {
    const [job] = spec.additionalScrapeConfigs;
    const rule = (what: object) => expect(job.relabel_configs).toContainEqual(expect.objectContaining(what));
    rule({ source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' });
    rule({ source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' });
    rule({ action: 'drop', regex: 'Pending|Succeeded|Failed' });
    rule({ action: 'keep', regex: 'true' });
  });

  test('Grafana has no password of its own, its sources and the way from an exemplar to its trace', () => {
    expect(grafana.admin.existingSecret).toBe('grafana-admin');
    expect(grafana.adminPassword).toBeUndefined();
    expect(grafana['grafana.ini']['auth.anonymous'].enabled).toBe(false);
    expect(grafana.persistence.enabled).toBe(false);
    expect(grafana.additionalDataSources[0]).toMatchObject({
      uid: 'tempo',
      url: `http://${services.tempo.host}:3200`,
    });
    expect(grafana.sidecar.datasources.exemplarTraceIdDestinations.datasourceUid).toBe('tempo');
  });
});

describe('dashboards and rules', () => {
  const chart = releaseOf(stack, 'observability');
  const made = rendered(own.observability.folder, chart);
  const { sidecar } = values('kube-prometheus-stack').grafana;

  test('carry what the sidecar of Grafana looks for', () => {
    const boards = made.filter(({ kind }) => kind === 'ConfigMap');
    expect(boards.length).toBeGreaterThanOrEqual(4);
    for (const { metadata } of boards) {
      expect(metadata.labels[sidecar.dashboards.label]).toBe(sidecar.dashboards.labelValue);
      expect(metadata.annotations[sidecar.dashboards.folderAnnotation]).toBeTruthy();
    }
    expect(sidecar.dashboards.provider.foldersFromFilesStructure).toBe(true);
  });

  test('have the limits of the configuration', () => {
    const limits = JSON.stringify(made.filter(({ kind }) => kind === 'PrometheusRule'));
    expect(limits).toContain('vector(50)');
    const config = configWith({ observability: { cloudUsdPerDay: 7 }, models: { chat: { pricePerHour: 2.5 } } });
    const other = releaseOf(stacksOf(config).observability, 'observability');
    const objectsOf = JSON.stringify(rendered(own.observability.folder, other));
    expect(objectsOf).toContain('vector(7)');
    expect(other.values.dashboards.gpuNodeHourDollars).toBe(2.5);
  });
});

describe('GPUs', () => {
  test('are watched where they are, under the names of the workload', () => {
    const dcgm = values('dcgm-exporter');
    expect(dcgm.serviceMonitor).toMatchObject({ enabled: true, honorLabels: true });
    expect(dcgm.nodeSelector).toEqual({ 'nvidia.com/gpu.present': 'true' });
    expect(dcgm.tolerations).toEqual([{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }]);
    expect(dcgm.resources.limits.memory).toBe('512Mi');
  });

  test('in a namespace that lets node agents in', () => {
    const home = one(all, 'Namespace', 'monitoring');
    expect(home.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('privileged');
  });
});

describe('traces', () => {
  const collector = values('otel-collector');
  const { config } = collector;

  test('pass the collector to Tempo, without what was said', () => {
    expect(config.service.pipelines).toEqual({
      logs: null,
      metrics: null,
      traces: {
        receivers: ['otlp'],
        processors: ['memory_limiter', 'transform/content', 'batch'],
        exporters: ['otlp_grpc/tempo'],
      },
    });
    expect(config.exporters['otlp_grpc/tempo'].endpoint).toBe('tempo.monitoring.svc.cluster.local:4317');
    expect(JSON.stringify(config.processors['transform/content'])).toContain('gen_ai.input.messages');
    expect([config.receivers.jaeger, config.receivers.zipkin, config.receivers.prometheus]).toEqual([
      null,
      null,
      null,
    ]);
  });

  test('never reach Langfuse by the collector: the router sends them itself', () => {
    expect(JSON.stringify(collector)).not.toContain('langfuse.svc');
  });

  test('lie in a bucket of their own for as long as the configuration says', () => {
    const { tempo, serviceAccount } = values('tempo');
    expect(tempo.retention).toBe('168h');
    expect(tempo.storage.trace.backend).toBe('s3');
    expect(tempo.storage.trace.s3.bucket).toMatch(/^dummy-traces\w+$/);
    expect(tempo.storage.trace.s3.endpoint).toBe('s3.eu-central-1.amazonaws.com');
    expect(serviceAccount.name).toBe('tempo');
  });
});

describe('buckets and roles', () => {
  const buckets = ofType(stack, 'AWS::S3::Bucket');

  test('all are closed and kept, those with data encrypted with our key', () => {
    expect(buckets).toHaveLength(3);
    for (const { Properties, DeletionPolicy } of buckets) {
      expect(DeletionPolicy).toBe('Retain');
      expect(Object.values(Properties['PublicAccessBlockConfiguration'])).toEqual([true, true, true, true]);
      const [rule] = Properties['BucketEncryption'].ServerSideEncryptionConfiguration;
      const { SSEAlgorithm } = rule.ServerSideEncryptionByDefault;
      expect(SSEAlgorithm).toBe(Properties['LoggingConfiguration'] ? 'aws:kms' : 'AES256');
    }
    expect(ofType(stack, 'AWS::KMS::Key')[0]!.Properties['EnableKeyRotation']).toBe(true);
  });

  test('TLS alone reaches them', () => {
    const policies = ofType(stack, 'AWS::S3::BucketPolicy');
    expect(policies).toHaveLength(buckets.length);
    for (const { Properties } of policies)
      expect(Properties['PolicyDocument'].Statement).toContainEqual(
        expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      );
  });

  test.each([
    [
      'Traces',
      [
        's3:AbortMultipartUpload',
        's3:DeleteObject',
        's3:GetObject',
        's3:GetObjectTagging',
        's3:PutObject',
        's3:PutObjectTagging',
      ],
    ],
    ['LangfuseEvents', ['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:GetObject', 's3:PutObject']],
  ])('%s: one role, these actions and no others', (bucket, actions) => {
    const policies = statements().filter(([list]) =>
      resolve(list.Resource).startsWith(`dummy-${bucket.toLowerCase()}`),
    );
    expect(policies).toHaveLength(1);
    const [list, use, decrypt, ...more] = policies[0]!;
    expect(more).toEqual([]);
    expect(list.Action).toBe('s3:ListBucket');
    expect([...use.Action].sort()).toEqual(actions);
    expect(resolve(use.Resource)).toMatch(new RegExp(`^dummy-${bucket.toLowerCase()}\\w+-arn/\\*$`));
    expect(decrypt.Action).toEqual(['kms:Decrypt', 'kms:GenerateDataKey']);
    expect(resolve(decrypt.Resource)).toMatch(/^dummy-datakey\w+-arn$/);
  });

  test('roles belong to one service account each', () => {
    const pairs = ofType(stack, 'AWS::EKS::PodIdentityAssociation').map(
      ({ Properties: p }) => `${p['Namespace']}/${p['ServiceAccount']}`,
    );
    expect(pairs.sort()).toEqual(['langfuse/langfuse', 'monitoring/tempo']);
    const irsa = stacksOf(configWith({ identity: 'irsa' })).observability;
    expect(ofType(irsa, 'AWS::EKS::PodIdentityAssociation')).toEqual([]);
    for (const annotations of [
      values('tempo', irsa).serviceAccount.annotations,
      values('langfuse', irsa).langfuse.serviceAccount.annotations,
    ])
      expect(annotations['eks.amazonaws.com/role-arn']).toMatch(/account\w+-arn$/);
  });
});

describe('Langfuse', () => {
  const { langfuse, postgresql, redis, clickhouse, s3 } = values('langfuse');
  const keysOf = (name: string): string[] => {
    const { data, target } = one(all, 'ExternalSecret', name).spec;
    return [...data.map((each: any) => each.secretKey), ...Object.keys(target.template?.data ?? {})];
  };

  test('is as its chart of 2.x takes it: references to Secrets, and nothing in clear', () => {
    const refs = [langfuse.salt, langfuse.encryptionKey, langfuse.nextauth.secret].map(
      (each: any) => each.secretKeyRef,
    );
    for (const { name, key } of refs) expect(keysOf(name)).toContain(key);
    for (const { valueFrom } of langfuse.additionalEnv.filter((each: any) => each.valueFrom))
      expect(keysOf(valueFrom.secretKeyRef.name)).toContain(valueFrom.secretKeyRef.key);
    expect(langfuse.features).toMatchObject({ telemetryEnabled: false, signUpDisabled: true });
  });

  test('has the Secrets that its PostgreSQL, Valkey and ClickHouse read', () => {
    expect(postgresql.settings.existingSecret).toBe(langfuseSecrets.postgres);
    expect(postgresql.userDatabase.existingSecret).toBe(langfuseSecrets.postgres);
    expect(keysOf(postgresql.auth.existingSecret).sort()).toEqual([
      'POSTGRES_DB',
      'POSTGRES_PASSWORD',
      'POSTGRES_USER',
      'USERDB_PASSWORD',
      'USERDB_USER',
    ]);
    expect(keysOf(redis.auth.usersExistingSecret)).toEqual(['default']);
    expect(redis.auth.existingSecretPasswordKey).toBe('default');
    expect(keysOf(clickhouse.auth.existingSecret)).toEqual([clickhouse.auth.existingSecretKey]);
    expect(clickhouse.auth.username).toBe('default');
  });

  test('makes organization, project, keys and user on its first start', () => {
    const names = langfuse.additionalEnv.map(({ name }: any) => name);
    for (const what of [
      'ORG_ID',
      'PROJECT_ID',
      'PROJECT_PUBLIC_KEY',
      'PROJECT_SECRET_KEY',
      'USER_EMAIL',
      'USER_PASSWORD',
    ])
      expect(names).toContain(`LANGFUSE_INIT_${what}`);
  });

  test('uses S3 by its role, and volumes that exist', () => {
    expect(s3).toMatchObject({ deploy: false, forcePathStyle: false });
    expect(JSON.stringify(s3)).not.toContain('ccessKey');
    const classes = [
      postgresql.storage.className,
      redis.dataStorage.className,
      clickhouse.cluster.storage.className,
      clickhouse.keeper.storage.className,
    ];
    expect(classes).toEqual(['gp3', 'gp3', 'gp3', 'gp3']);
  });

  test('has its encryption key as 256 bits in hexadecimal', () => {
    const secret = ofType(stack, 'AWS::SecretsManager::Secret').find(
      ({ Properties }) => Properties['Name'] === 'hybrid-llm/langfuse/encryption-key',
    );
    const generator = secret!.Properties['GenerateSecretString'];
    expect(generator).toMatchObject({
      PasswordLength: 64,
      ExcludeUppercase: true,
      ExcludePunctuation: true,
      IncludeSpace: false,
    });
    const left = [...'abcdefghijklmnopqrstuvwxyz0123456789'].filter(
      (each) => !generator.ExcludeCharacters.includes(each),
    );
    expect(left.join('')).toBe('abcdef0123456789');
  });

  test('can be left out with all that it needs', () => {
    const bare = stacksOf(configWith({ observability: { langfuse: { enabled: false } } })).observability;
    expect(
      releases(bare)
        .map(({ release }) => release)
        .sort(),
    ).toEqual(['dcgm-exporter', 'kube-prometheus-stack', 'observability', 'otel-collector', 'tempo']);
    expect(ofType(bare, 'AWS::SecretsManager::Secret')).toHaveLength(1);
    expect(ofType(bare, 'AWS::S3::Bucket')).toHaveLength(2);
  });
});

describe('RDS', () => {
  test('is not there unless asked for', () => {
    expect(ofType(stack, 'AWS::RDS::DBInstance')).toEqual([]);
    expect(values('langfuse').postgresql.deploy).toBe(true);
  });

  test('is encrypted, private, backed up, over TLS, and its password a reference', () => {
    const rds = stacksOf(configWith(withRds)).observability;
    const [instance] = ofType(rds, 'AWS::RDS::DBInstance');
    expect(instance!.DeletionPolicy).toBe('Snapshot');
    expect(instance!.Properties).toMatchObject({
      Engine: 'postgres',
      StorageEncrypted: true,
      PubliclyAccessible: false,
      DeletionProtection: true,
      BackupRetentionPeriod: 14,
      DBName: 'langfuse',
      MasterUsername: 'langfuse',
    });
    expect(resolve(instance!.Properties['KmsKeyId'])).toMatch(/datakey/);
    expect(resolve(instance!.Properties['MasterUserPassword'])).toMatch(
      /^{{resolve:secretsmanager:dummy-\w+:SecretString:::?}}$/,
    );
    expect(ofType(rds, 'AWS::RDS::DBParameterGroup')[0]!.Properties['Parameters']).toEqual({ 'rds.force_ssl': '1' });
    const { postgresql } = values('langfuse', rds);
    expect(postgresql).toMatchObject({ deploy: false, port: 5432, args: 'sslmode=require' });
    expect(postgresql.host).toMatch(/^dummy-langfusedatabase\w+-endpoint-address$/);
    expect(postgresql.auth.existingSecret).toBe(langfuseSecrets.postgres);
  });

  test('lets in the nodes of the cluster and nobody else', () => {
    const rds = stacksOf(configWith(withRds)).observability;
    const rules = ofType(rds, 'AWS::EC2::SecurityGroupIngress');
    const [group] = ofType(rds, 'AWS::EC2::SecurityGroup');
    const ingress = [
      ...rules.map(({ Properties }) => Properties),
      ...(group!.Properties['SecurityGroupIngress'] ?? []),
    ];
    expect(ingress).toHaveLength(1);
    expect(ingress[0]).toMatchObject({ FromPort: 5432, ToPort: 5432, IpProtocol: 'tcp' });
    expect(JSON.stringify(ingress[0].SourceSecurityGroupId)).toMatch(/HybridLlmCluster.*ClusterSecurityGroupId/);
    expect(ingress[0].CidrIp).toBeUndefined();
  });
});
