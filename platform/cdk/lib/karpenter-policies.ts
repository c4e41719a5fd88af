// What Karpenter's controller may do, a policy for each purpose.  It makes
// nodes from nothing, so limits are tags: what it asks for must carry the name
// of the cluster, and what it changes or ends must carry it already.
import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { WeirConfig } from './config.ts';
import { accept } from './nag.ts';

export interface KarpenterPoliciesProps {
  readonly config: WeirConfig;
  readonly controller: iam.Role;
  readonly nodeRole: iam.Role;
  readonly queue: sqs.IQueue;
}

const allow = (
  sid: string,
  actions: string[],
  resources: string[],
  conditions?: Record<string, Record<string, unknown>>,
): iam.PolicyStatement => new iam.PolicyStatement({ sid, actions, resources, conditions });

type Kind = 'RequestTag' | 'ResourceTag';

/** That the cluster's name stands on it, asked for (Request) or there already (Resource). */
const ownedBy = (kind: Kind, name: string) => ({ [`aws:${kind}/kubernetes.io/cluster/${name}`]: 'owned' });
const named = (name: string) => ({ 'aws:RequestTag/eks:eks-cluster-name': name });
const ofPool = (kind: Kind) => ({ [`aws:${kind}/karpenter.sh/nodepool`]: '*' });
const ofClass = (kind: Kind) => ({ [`aws:${kind}/karpenter.k8s.aws/ec2nodeclass`]: '*' });

export function karpenterPolicies(scope: Construct, props: KarpenterPoliciesProps): iam.Policy[] {
  const statements: Record<string, iam.PolicyStatement[]> = {
    NodeLifecycle: nodeLifecycle(scope, props.config.name),
    InstanceProfiles: instanceProfiles(scope, props),
    Discovery: discovery(scope, props),
    Interruption: [
      allow(
        'TakeNotices',
        ['sqs:DeleteMessage', 'sqs:GetQueueUrl', 'sqs:ReceiveMessage'],
        [props.queue.queueArn],
      ),
    ],
  };
  return Object.entries(statements).map(([id, of]) => {
    const policy = new iam.Policy(scope, id, { roles: [props.controller], statements: of });
    accept(
      policy,
      'AwsSolutions-IAM5',
      'Instances and what belongs to them have no names before Karpenter makes them: the conditions bind it to the tags of this cluster, and reading prices and offers takes no resource.',
    );
    return policy;
  });
}

function nodeLifecycle(scope: Construct, name: string): iam.PolicyStatement[] {
  const stack = Stack.of(scope);
  const mine = (...types: string[]) =>
    types.map((type) => stack.formatArn({ service: 'ec2', resource: type, resourceName: '*' }));
  const anyones = (...types: string[]) =>
    types.map((type) => stack.formatArn({ service: 'ec2', account: '', resource: type, resourceName: '*' }));
  const made = mine('fleet', 'instance', 'volume', 'network-interface', 'launch-template', 'spot-instances-request');
  const launch = ['ec2:RunInstances', 'ec2:CreateFleet'];
  const tagged = { StringEquals: ownedBy('ResourceTag', name), StringLike: ofPool('ResourceTag') };
  const asked = {
    StringEquals: { ...ownedBy('RequestTag', name), ...named(name) },
    StringLike: ofPool('RequestTag'),
  };
  return [
    allow('LaunchFrom', launch, [...anyones('image', 'snapshot'), ...mine('security-group', 'subnet')]),
    allow('LaunchByTemplate', launch, mine('launch-template'), tagged),
    allow('LaunchTagged', [...launch, 'ec2:CreateLaunchTemplate'], made, asked),
    allow('TagWhenMade', ['ec2:CreateTags'], made, {
      StringEquals: {
        ...asked.StringEquals,
        'ec2:CreateAction': ['RunInstances', 'CreateFleet', 'CreateLaunchTemplate'],
      },
      StringLike: asked.StringLike,
    }),
    allow('TagLater', ['ec2:CreateTags'], mine('instance'), {
      ...tagged,
      StringEqualsIfExists: named(name),
      'ForAllValues:StringEquals': { 'aws:TagKeys': ['eks:eks-cluster-name', 'karpenter.sh/nodeclaim', 'Name'] },
    }),
    allow(
      'End',
      ['ec2:TerminateInstances', 'ec2:DeleteLaunchTemplate'],
      mine('instance', 'launch-template'),
      tagged,
    ),
  ];
}

function instanceProfiles(scope: Construct, props: KarpenterPoliciesProps): iam.PolicyStatement[] {
  const { name, region } = props.config;
  const profiles = [
    Stack.of(scope).formatArn({ service: 'iam', region: '', resource: 'instance-profile', resourceName: '*' }),
  ];
  const here = (kind: Kind) => ({
    ...ownedBy(kind, name),
    [`aws:${kind}/topology.kubernetes.io/region`]: region,
  });
  return [
    allow('PassNodeRole', ['iam:PassRole'], [props.nodeRole.roleArn], {
      StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
    }),
    allow('Make', ['iam:CreateInstanceProfile'], profiles, {
      StringEquals: { ...here('RequestTag'), ...named(name) },
      StringLike: ofClass('RequestTag'),
    }),
    allow('Tag', ['iam:TagInstanceProfile'], profiles, {
      StringEquals: { ...here('ResourceTag'), ...here('RequestTag'), ...named(name) },
      StringLike: { ...ofClass('ResourceTag'), ...ofClass('RequestTag') },
    }),
    allow(
      'Change',
      ['iam:AddRoleToInstanceProfile', 'iam:DeleteInstanceProfile', 'iam:RemoveRoleFromInstanceProfile'],
      profiles,
      { StringEquals: here('ResourceTag'), StringLike: ofClass('ResourceTag') },
    ),
    allow('Read', ['iam:GetInstanceProfile'], profiles),
    allow('List', ['iam:ListInstanceProfiles'], ['*']),
  ];
}

function discovery(scope: Construct, props: KarpenterPoliciesProps): iam.PolicyStatement[] {
  const stack = Stack.of(scope);
  const seen = [
    'CapacityReservations',
    'Images',
    'InstanceStatus',
    'InstanceTypeOfferings',
    'InstanceTypes',
    'Instances',
    'LaunchTemplates',
    'PlacementGroups',
    'SecurityGroups',
    'SpotPriceHistory',
    'Subnets',
  ];
  const parameters = stack.formatArn({ service: 'ssm', account: '', resource: 'parameter/aws/service/*' });
  const cluster = stack.formatArn({ service: 'eks', resource: 'cluster', resourceName: props.config.name });
  return [
    allow('Offers', seen.map((what) => `ec2:Describe${what}`), ['*'], {
      StringEquals: { 'aws:RequestedRegion': props.config.region },
    }),
    allow('Images', ['ssm:GetParameter'], [parameters]),
    allow('Prices', ['pricing:GetProducts'], ['*']),
    allow('Cluster', ['eks:DescribeCluster'], [cluster]),
  ];
}
