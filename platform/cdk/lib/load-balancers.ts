// The AWS Load Balancer Controller, which makes the load balancer of an
// Ingress, and what it may do in the account: what load balancers of the kind
// "application" need.  What is switched off in the chart (Shield, the WAF of
// old, sign-in by Cognito, network load balancers) is not allowed either.
import { Stack } from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { charts } from './charts.ts';
import type { WeirConfig } from './config.ts';
import { WorkloadRole } from './identity.ts';
import { accept } from './nag.ts';
import { release } from './releases.ts';

export interface LoadBalancersProps {
  readonly config: WeirConfig;
  readonly cluster: eks.Cluster;
  readonly vpc: ec2.IVpc;
}

const serviceAccount = 'aws-load-balancer-controller';

/** On everything that the controller makes. */
const ownerTag = 'elbv2.k8s.aws/cluster';

export class LoadBalancers extends Construct {
  readonly chart: eks.HelmChart;

  constructor(scope: Construct, id: string, props: LoadBalancersProps) {
    super(scope, id);
    const { config, cluster, vpc } = props;
    const identity = new WorkloadRole(this, 'Identity', {
      ...{ config, cluster, serviceAccount },
      namespace: charts.loadBalancerController.namespace,
    });
    const policy = this.policy(identity.role, config, vpc);
    this.chart = release(this, 'Chart', cluster, charts.loadBalancerController, {
      clusterName: config.name,
      region: config.region,
      // Pods do not reach the metadata service that would tell it.
      vpcId: vpc.vpcId,
      replicaCount: 2,
      serviceAccount: { create: true, name: serviceAccount, annotations: identity.annotations },
      defaultTargetType: 'ip',
      defaultSSLPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
      // A Service of the kind LoadBalancer shall not become one by accident.
      enableServiceMutatorWebhook: false,
      enableShield: false,
      enableWaf: false,
      enableWafv2: true,
      defaultTags: { 'weir:installation': config.name },
      podDisruptionBudget: { maxUnavailable: 1 },
      resources: {
        requests: { cpu: '50m', memory: '128Mi' },
        limits: { memory: '512Mi' },
      },
    });
    this.chart.node.addDependency(identity, policy);
  }

  private policy(role: iam.Role, config: WeirConfig, vpc: ec2.IVpc): iam.Policy {
    const policy = new iam.Policy(this, 'Policy', {
      roles: [role],
      statements: [...networkStatements(this, config, vpc), ...balancerStatements(this, config)],
    });
    accept(
      policy,
      'AwsSolutions-IAM5',
      'Names of load balancers are made by the controller: what it changes is limited to this account and region, and to what it tagged or to the VPC; listing takes no resource.',
    );
    return policy;
  }
}

const allow = (
  actions: string[],
  resources: string[],
  conditions?: Record<string, Record<string, unknown>>,
): iam.PolicyStatement => new iam.PolicyStatement({ actions, resources, conditions });

const prefixed = (service: string, names: readonly string[]): string[] =>
  names.map((name) => `${service}:${name}`);

function networkStatements(scope: Construct, config: WeirConfig, vpc: ec2.IVpc): iam.PolicyStatement[] {
  const stack = Stack.of(scope);
  const arn = (resource: string) => stack.formatArn({ service: 'ec2', resource });
  const groups = arn('security-group/*');
  const vpcArn = arn(`vpc/${vpc.vpcId}`);
  return [
    allow(
      prefixed('ec2', [
        'DescribeAccountAttributes',
        'DescribeAddresses',
        'DescribeAvailabilityZones',
        'DescribeInstances',
        'DescribeInternetGateways',
        'DescribeNetworkInterfaces',
        'DescribeRouteTables',
        'DescribeSecurityGroups',
        'DescribeSubnets',
        'DescribeTags',
        'DescribeVpcPeeringConnections',
        'DescribeVpcs',
        'GetSecurityGroupsForVpc',
      ]),
      ['*'],
    ),
    allow(['ec2:CreateSecurityGroup'], [groups, vpcArn]),
    // Also groups that it did not make: it opens the nodes' to the balancers'.
    allow(['ec2:AuthorizeSecurityGroupIngress', 'ec2:RevokeSecurityGroupIngress'], [groups], {
      ArnEquals: { 'ec2:Vpc': vpcArn },
    }),
    allow(['ec2:DeleteSecurityGroup'], [groups], {
      StringEquals: { [`aws:ResourceTag/${ownerTag}`]: config.name },
    }),
    allow(['ec2:CreateTags'], [groups], {
      StringEquals: {
        'ec2:CreateAction': 'CreateSecurityGroup',
        [`aws:RequestTag/${ownerTag}`]: config.name,
      },
    }),
    allow(['ec2:CreateTags', 'ec2:DeleteTags'], [groups], {
      Null: { [`aws:RequestTag/${ownerTag}`]: 'true' },
      StringEquals: { [`aws:ResourceTag/${ownerTag}`]: config.name },
    }),
  ];
}

function balancerStatements(scope: Construct, config: WeirConfig): iam.PolicyStatement[] {
  const service = 'elasticloadbalancing';
  const stack = Stack.of(scope);
  const arn = (resource: string) => stack.formatArn({ service, resource });
  const elb = (...names: string[]) => prefixed(service, names);
  const balancers = arn('loadbalancer/app/*/*');
  const targetGroups = arn('targetgroup/*/*');
  const listeners = arn('listener/app/*/*/*');
  const rules = arn('listener-rule/app/*/*/*/*');
  const owned = { StringEquals: { [`aws:ResourceTag/${ownerTag}`]: config.name } };
  const asked = { StringEquals: { [`aws:RequestTag/${ownerTag}`]: config.name } };
  return [
    allow(
      elb(
        'DescribeCapacityReservation',
        'DescribeListenerAttributes',
        'DescribeListenerCertificates',
        'DescribeListeners',
        'DescribeLoadBalancerAttributes',
        'DescribeLoadBalancers',
        'DescribeRules',
        'DescribeSSLPolicies',
        'DescribeTags',
        'DescribeTargetGroupAttributes',
        'DescribeTargetGroups',
        'DescribeTargetHealth',
        'DescribeTrustStores',
      ),
      ['*'],
    ),
    allow(elb('CreateLoadBalancer', 'CreateTargetGroup'), [balancers, targetGroups], asked),
    allow(elb('AddTags'), [balancers, targetGroups], {
      StringEquals: {
        ...asked.StringEquals,
        [`${service}:CreateAction`]: ['CreateLoadBalancer', 'CreateTargetGroup'],
      },
    }),
    allow(elb('AddTags', 'RemoveTags'), [balancers, targetGroups], {
      Null: { [`aws:RequestTag/${ownerTag}`]: 'true' },
      ...owned,
    }),
    allow(elb('AddTags', 'RemoveTags'), [listeners, rules]),
    allow(
      elb(
        'DeleteLoadBalancer',
        'DeleteTargetGroup',
        'ModifyCapacityReservation',
        'ModifyLoadBalancerAttributes',
        'ModifyTargetGroup',
        'ModifyTargetGroupAttributes',
        'SetIpAddressType',
        'SetSecurityGroups',
        'SetSubnets',
      ),
      [balancers, targetGroups],
      owned,
    ),
    allow(elb('CreateListener', 'SetWebAcl'), [balancers]),
    allow(
      elb(
        'AddListenerCertificates',
        'CreateRule',
        'DeleteListener',
        'ModifyListener',
        'ModifyListenerAttributes',
        'RemoveListenerCertificates',
      ),
      [listeners],
    ),
    allow(elb('DeleteRule', 'ModifyRule', 'SetRulePriorities'), [rules]),
    allow(elb('DeregisterTargets', 'RegisterTargets'), [targetGroups]),
    // Finds the certificate of a host name, and binds the firewall.
    allow(['acm:DescribeCertificate', 'acm:ListCertificates'], ['*']),
    allow(
      prefixed('wafv2', ['AssociateWebACL', 'DisassociateWebACL', 'GetWebACL', 'GetWebACLForResource']),
      [stack.formatArn({ service: 'wafv2', resource: 'regional/webacl/*/*' }), balancers],
    ),
    allow(['iam:CreateServiceLinkedRole'], ['*'], {
      StringEquals: { 'iam:AWSServiceName': `${service}.amazonaws.com` },
    }),
  ];
}
