import { CfnWaitConditionHandle, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { WorkloadStackProps } from './stacks.ts';

export class ObservabilityStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    new CfnWaitConditionHandle(this, 'Empty');
  }
}
