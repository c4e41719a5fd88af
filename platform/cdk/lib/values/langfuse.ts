// Langfuse and what its chart needs before it: cert-manager and the operator
// of ClickHouse.  Every password is in a Secret that External Secrets writes.
import { services, url } from '../charts.ts';

/** The Secrets that the chart is told about, and the keys it reads. */
export const langfuseSecrets = {
  app: 'langfuse-secrets',
  postgres: 'langfuse-postgresql-auth',
  redis: 'langfuse-redis-auth',
  clickhouse: 'langfuse-clickhouse-auth',
} as const;

export interface External {
  readonly host: string;
  readonly port: number;
}

export interface LangfuseInput {
  /** Where people open it: links in mails and after the login go there. */
  readonly publicUrl?: string | undefined;
  readonly bucket: string;
  readonly region: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly volumes: {
    readonly clickhouse: string;
    readonly keeper: string;
    readonly postgres: string;
    readonly redis: string;
  };
  /** 1 for a trial, 3 to survive the loss of a zone. */
  readonly keepers: 1 | 3;
  readonly clickhouseReplicas: number;
  readonly webReplicas: number;
  readonly organization: string;
  readonly project: string;
  readonly userEmail: string;
  readonly retentionDays: number;
  /** A PostgreSQL elsewhere; without it one runs in the cluster. */
  readonly postgres?: External | undefined;
}

const fromSecret = (name: string, key: string) => ({ secretKeyRef: { name, key } });
const env = (name: string, value: string) => ({ name, value });
const secretEnv = (name: string, key: string) => ({ name, valueFrom: fromSecret(langfuseSecrets.app, key) });

/** With these the first start makes organization, project, keys and user: nobody clicks. */
function initialisation(input: LangfuseInput) {
  return [
    env('LANGFUSE_INIT_ORG_ID', input.organization),
    env('LANGFUSE_INIT_ORG_NAME', input.organization),
    env('LANGFUSE_INIT_PROJECT_ID', input.project),
    env('LANGFUSE_INIT_PROJECT_NAME', input.project),
    ...(input.retentionDays > 0 ? [env('LANGFUSE_INIT_PROJECT_RETENTION', String(input.retentionDays))] : []),
    secretEnv('LANGFUSE_INIT_PROJECT_PUBLIC_KEY', 'public-key'),
    secretEnv('LANGFUSE_INIT_PROJECT_SECRET_KEY', 'secret-key'),
    env('LANGFUSE_INIT_USER_EMAIL', input.userEmail),
    env('LANGFUSE_INIT_USER_NAME', 'admin'),
    secretEnv('LANGFUSE_INIT_USER_PASSWORD', 'user-password'),
  ];
}

function postgresql(input: LangfuseInput) {
  const secret = langfuseSecrets.postgres;
  const auth = {
    username: 'langfuse',
    database: 'langfuse',
    existingSecret: secret,
    secretKeys: { userPasswordKey: 'USERDB_PASSWORD', adminPasswordKey: 'POSTGRES_PASSWORD' },
  };
  if (input.postgres)
    return { deploy: false, host: input.postgres.host, port: input.postgres.port, args: 'sslmode=require', auth };
  return {
    deploy: true,
    auth,
    settings: { existingSecret: secret },
    userDatabase: { existingSecret: secret },
    storage: {
      requestedSize: input.volumes.postgres,
      className: input.storageClass,
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
  };
}

function redis(input: LangfuseInput) {
  return {
    deploy: true,
    auth: {
      existingSecret: langfuseSecrets.redis,
      existingSecretPasswordKey: 'default',
      usersExistingSecret: langfuseSecrets.redis,
    },
    dataStorage: { enabled: true, requestedSize: input.volumes.redis, className: input.storageClass },
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } },
  };
}

function clickhouse(input: LangfuseInput) {
  return {
    deploy: true,
    // The operator knows this user alone.
    auth: { username: 'default', existingSecret: langfuseSecrets.clickhouse, existingSecretKey: 'password' },
    cluster: {
      replicas: input.clickhouseReplicas,
      storage: { size: input.volumes.clickhouse, className: input.storageClass },
    },
    keeper: { replicas: input.keepers, storage: { size: input.volumes.keeper, className: input.storageClass } },
  };
}

export function langfuseValues(input: LangfuseInput) {
  const secret = (key: string) => fromSecret(langfuseSecrets.app, key);
  return {
    langfuse: {
      salt: secret('salt'),
      encryptionKey: secret('encryption-key'),
      nextauth: { url: input.publicUrl ?? url(services.langfuse), secret: secret('nextauth-secret') },
      features: { telemetryEnabled: false, signUpDisabled: true },
      image: { pullPolicy: 'IfNotPresent' },
      serviceAccount: { create: true, name: 'langfuse', annotations: input.annotations },
      additionalEnv: initialisation(input),
      podSecurityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      web: {
        replicas: input.webReplicas,
        resources: { requests: { cpu: '250m', memory: '1Gi' }, limits: { memory: '2Gi' } },
      },
      worker: { resources: { requests: { cpu: '250m', memory: '1Gi' }, limits: { memory: '2Gi' } } },
    },
    postgresql: postgresql(input),
    redis: redis(input),
    clickhouse: clickhouse(input),
    // S3 itself, by the role of the service account: no keys.
    s3: {
      deploy: false,
      bucket: input.bucket,
      region: input.region,
      forcePathStyle: false,
      eventUpload: { prefix: 'events/' },
      batchExport: { prefix: 'exports/' },
      mediaUpload: { prefix: 'media/' },
    },
  };
}

export function certManagerValues() {
  return {
    crds: { enabled: true, keep: true },
    // The API server asks the webhook, on a private port that its security group lets through.
    replicaCount: 1,
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    webhook: { resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } } },
    cainjector: { resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '512Mi' } } },
    prometheus: { enabled: true, podmonitor: { enabled: true } },
  };
}

export function clickhouseOperatorValues() {
  return {
    // cert-manager is a release of its own, which others may use.
    certManager: { enable: true, install: false },
    webhook: { enable: true },
    manager: { resources: { requests: { cpu: '20m', memory: '128Mi' }, limits: { memory: '512Mi' } } },
  };
}
