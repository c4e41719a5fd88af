import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { accept } from './nag.ts';

/** What is told about an instance before it ends. */
const notices: Record<string, readonly [source: string, detailType: string]> = {
  Health: ['aws.health', 'AWS Health Event'],
  Spot: ['aws.ec2', 'EC2 Spot Instance Interruption Warning'],
  Rebalance: ['aws.ec2', 'EC2 Instance Rebalance Recommendation'],
  State: ['aws.ec2', 'EC2 Instance State-change Notification'],
  Reservation: ['aws.ec2', 'EC2 Capacity Reservation Instance Interruption Warning'],
};

/** Where Karpenter hears that a node will go, two minutes before a Spot one does. */
export class Interruptions extends Construct {
  readonly queue: sqs.Queue;

  constructor(scope: Construct, id: string, name: string) {
    super(scope, id);
    this.queue = new sqs.Queue(this, 'Queue', {
      queueName: `${name}-interruptions`,
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // A notice that is older than five minutes has come true.
      retentionPeriod: Duration.minutes(5),
    });
    accept(
      this.queue,
      'AwsSolutions-SQS3',
      'A notice that nobody took within five minutes is of no use to anybody: the node is gone.',
    );
    for (const [rule, [source, detailType]] of Object.entries(notices))
      new events.Rule(this, rule, {
        description: `${name}: ${detailType}`,
        eventPattern: { source: [source], detailType: [detailType] },
        targets: [new targets.SqsQueue(this.queue)],
      });
  }
}
