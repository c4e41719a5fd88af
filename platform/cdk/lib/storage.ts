// Buckets: encrypted with a key of ours, over TLS alone, closed to the public,
// and kept when their stack goes.
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { accept } from './nag.ts';

export function dataKey(scope: Construct, id: string, description: string): kms.Key {
  return new kms.Key(scope, id, { description, enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN });
}

const closed = {
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
  objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
  removalPolicy: RemovalPolicy.RETAIN,
} satisfies s3.BucketProps;

/** Who read and wrote what, for a quarter of a year. */
export function accessLogs(scope: Construct, id: string): s3.Bucket {
  const bucket = new s3.Bucket(scope, id, {
    ...closed,
    // The only encryption that the service which writes the logs can use.
    encryption: s3.BucketEncryption.S3_MANAGED,
    lifecycleRules: [{ expiration: Duration.days(90), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  accept(bucket, 'AwsSolutions-S1', 'This is the bucket that holds the access logs of the others.');
  return bucket;
}

export interface DataBucketProps {
  readonly key: kms.IKey;
  readonly logs: s3.IBucket;
  /** Keep what is overwritten or deleted for so long. */
  readonly versionDays?: number;
  /** Remove what is older, by prefix ('' is everything). */
  readonly expire?: readonly { readonly prefix: string; readonly days: number }[];
}

export function dataBucket(scope: Construct, id: string, props: DataBucketProps): s3.Bucket {
  const lifecycleRules: s3.LifecycleRule[] = [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }];
  if (props.versionDays) lifecycleRules.push({ noncurrentVersionExpiration: Duration.days(props.versionDays) });
  for (const { prefix, days } of props.expire ?? [])
    lifecycleRules.push({ expiration: Duration.days(days), ...(prefix ? { prefix } : {}) });
  return new s3.Bucket(scope, id, {
    ...closed,
    encryption: s3.BucketEncryption.KMS,
    encryptionKey: props.key,
    bucketKeyEnabled: true,
    versioned: props.versionDays !== undefined,
    serverAccessLogsBucket: props.logs,
    serverAccessLogsPrefix: `${id.toLowerCase()}/`,
    lifecycleRules,
  });
}

export interface Access {
  readonly bucket: s3.IBucket;
  /** Folders, without a slash at their ends; without them the whole bucket. */
  readonly prefixes?: readonly string[];
  readonly key?: kms.IKey | undefined;
  readonly write?: boolean;
  /** Tempo marks what it will delete. */
  readonly tags?: boolean;
  readonly why: string;
}

const reading = ['s3:GetObject'];
const writing = ['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'];
const tagging = ['s3:GetObjectTagging', 's3:PutObjectTagging'];

/** Exactly these actions on exactly these objects; `bucket.grantRead` gives away more. */
export function allow(role: iam.Role, access: Access): void {
  const { bucket, prefixes, key } = access;
  const policy = new iam.Policy(role, 'Objects', { roles: [role] });
  policy.addStatements(
    new iam.PolicyStatement({
      actions: ['s3:ListBucket'],
      resources: [bucket.bucketArn],
      ...(prefixes
        ? { conditions: { StringLike: { 's3:prefix': prefixes.flatMap((each) => [each, `${each}/*`]) } } }
        : {}),
    }),
    new iam.PolicyStatement({
      actions: [...reading, ...(access.write ? writing : []), ...(access.tags ? tagging : [])],
      resources: (prefixes ?? [undefined]).map((each) => bucket.arnForObjects(each ? `${each}/*` : '*')),
    }),
  );
  if (key)
    policy.addStatements(
      new iam.PolicyStatement({
        actions: ['kms:Decrypt', ...(access.write ? ['kms:GenerateDataKey'] : [])],
        resources: [key.keyArn],
      }),
    );
  accept(policy, 'AwsSolutions-IAM5', access.why);
}
