import { CfnOutput, Stack } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct, IDependable } from 'constructs';
import { charts, own } from './charts.ts';
import type { ModelsConfig } from './config.ts';
import { WorkloadRole } from './identity.ts';
import { namespace, ownRelease, release } from './releases.ts';
import type { WorkloadStackProps } from './stacks.ts';
import { accessLogs, allow, dataBucket, dataKey } from './storage.ts';
import { kedaValues } from './values/keda.ts';
import { serving, vllmAccount, vllmValues } from './values/vllm.ts';

interface Weights {
  readonly bucket: s3.IBucket;
  readonly key: kms.IKey | undefined;
}

export class InferenceStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { config, cluster } = props;
    const keda = release(this, 'Keda', cluster, charts.keda, kedaValues(config.name));
    keda.node.addDependency(namespace(this, cluster, { name: charts.keda.namespace, security: 'restricted' }));

    const home = namespace(this, cluster, { name: own.vllm.namespace, security: 'restricted' });
    const weights = this.weights(config.models);
    this.serve(props, weights, [keda, home]);

    new CfnOutput(this, 'ModelBucket', {
      value: weights.bucket.bucketName,
      description: 'Where the weights belong: aws s3 sync ./MODEL s3://BUCKET/PREFIX/',
    });
  }

  /** The bucket of the configuration, or one of our own. */
  private weights(models: ModelsConfig): Weights {
    if (models.bucket)
      return {
        bucket: s3.Bucket.fromBucketName(this, 'Models', models.bucket),
        key: models.bucketKeyArn ? kms.Key.fromKeyArn(this, 'ModelsKey', models.bucketKeyArn) : undefined,
      };
    const key = dataKey(this, 'ModelsKey', 'Weights of the models');
    const logs = accessLogs(this, 'AccessLogs');
    return { key, bucket: dataBucket(this, 'Models', { key, logs, versionDays: 30 }) };
  }

  private serve({ config, cluster }: WorkloadStackProps, { bucket, key }: Weights, after: IDependable[]): void {
    const account = new WorkloadRole(this, 'VllmAccount', {
      config,
      cluster,
      namespace: own.vllm.namespace,
      serviceAccount: vllmAccount,
    });
    allow(account.role, {
      bucket,
      key,
      prefixes: serving(config.models).map(({ model }) => model.prefix),
      why: 'Reads the weights, whose files have names of their own, below the prefixes of the models.',
    });
    const values = vllmValues({
      config,
      bucket: bucket.bucketName,
      region: this.region,
      annotations: account.annotations,
    });
    // Nobody waits for the pods: they need a node with a GPU, and weights,
    // which can come only after the bucket.
    const chart = ownRelease(this, 'Vllm', cluster, own.vllm, values, { wait: false });
    chart.node.addDependency(account, ...after);
  }
}
