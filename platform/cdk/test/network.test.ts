// HybridLlmNetwork.
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { stacksOf, templateOf, turned } from './synth.ts';

const template = templateOf(stacksOf().network);

const other = templateOf(stacksOf(turned).network);

interface Subnet {
  readonly Properties: {
    readonly AvailabilityZone: string;
    readonly CidrBlock: string;
    readonly MapPublicIpOnLaunch: boolean;
    readonly Tags: readonly { readonly Key: string; readonly Value: string }[];
  };
}

const subnets = (type: string): Subnet['Properties'][] =>
  Object.values(template.findResources('AWS::EC2::Subnet') as Record<string, Subnet>)
    .map(({ Properties }) => Properties)
    .filter(({ Tags }) => Tags.some(({ Key, Value }) => Key === 'aws-cdk:subnet-type' && Value === type));

const tag = ({ Tags }: Subnet['Properties'], key: string) => Tags.find(({ Key }) => Key === key)?.Value;

const endpoints = (of: typeof template): string[] =>
  Object.values(of.findResources('AWS::EC2::VPCEndpoint'))
    .map(({ Properties: { ServiceName: name } }) => JSON.stringify(name).replace(/.*eu-central-1\.|.*"\.|[^a-z0-9.-]+$/g, ''))
    .sort();

describe('three zones, although no account is asked', () => {
  test.each(['Public', 'Private'])('%s subnets', (type) => {
    const zones = subnets(type).map(({ AvailabilityZone }) => AvailabilityZone);
    expect(zones).toEqual(['eu-central-1a', 'eu-central-1b', 'eu-central-1c']);
  });

  test('and with an account, without asking it', () => {
    other.resourceCountIs('AWS::EC2::Subnet', 6);
    expect(JSON.stringify(other.toJSON())).not.toMatch(/dummy1/);
  });
});

describe('subnets', () => {
  test('of balancers are told by tags', () => {
    for (const subnet of subnets('Public')) {
      expect(tag(subnet, 'kubernetes.io/role/elb')).toBe('1');
      expect(tag(subnet, 'karpenter.sh/discovery')).toBeUndefined();
    }
    for (const subnet of subnets('Private')) expect(tag(subnet, 'kubernetes.io/role/internal-elb')).toBe('1');
  });

  test('of nodes are those that Karpenter looks for', () => {
    for (const subnet of subnets('Private')) expect(tag(subnet, 'karpenter.sh/discovery')).toBe('hybrid-llm');
  });

  test('give nobody a public address', () => {
    for (const subnet of [...subnets('Public'), ...subnets('Private')])
      expect(subnet.MapPublicIpOnLaunch).toBe(false);
  });

  test('of nodes have room for prefixes: 8190 addresses each', () => {
    expect(subnets('Private').map(({ CidrBlock }) => CidrBlock)).toEqual([
      '10.40.32.0/19',
      '10.40.64.0/19',
      '10.40.96.0/19',
    ]);
  });
});

describe('the way out', () => {
  test('is one gateway, or one in each zone', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 1);
    other.resourceCountIs('AWS::EC2::NatGateway', 3);
  });

  test('is not taken by images, weights and credentials', () => {
    expect(endpoints(template)).toEqual(['ecr.api', 'ecr.dkr', 's3', 'sts']);
    template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
      VpcEndpointType: 'Gateway',
      RouteTableIds: Match.arrayWith([Match.objectLike({})]),
    });
  });

  test('nor by anything that nodes and controllers call, with all endpoints', () => {
    expect(endpoints(other)).toEqual([
      'autoscaling',
      'ec2',
      'ec2messages',
      'ecr.api',
      'ecr.dkr',
      'eks',
      'eks-auth',
      'elasticloadbalancing',
      'kms',
      'logs',
      's3',
      'secretsmanager',
      'sqs',
      'ssm',
      'ssmmessages',
      'sts',
    ]);
  });

  test('endpoints stand in all three zones and are for the VPC alone', () => {
    const made = Object.values(template.findResources('AWS::EC2::VPCEndpoint')).map(({ Properties: of }) => of);
    const interfaces = made.filter((endpoint) => endpoint['VpcEndpointType'] === 'Interface');
    expect(interfaces).toHaveLength(3);
    for (const endpoint of interfaces)
      expect(endpoint).toMatchObject({ PrivateDnsEnabled: true, SubnetIds: { length: 3 } });
    template.hasResourceProperties('AWS::EC2::SecurityGroup', {
      GroupDescription: Match.stringLikeRegexp('Interface endpoints'),
      SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.40.0.0/16', FromPort: 443, ToPort: 443 })],
    });
  });
});

test('all traffic is logged, and the log does not stay for ever', () => {
  template.hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'ALL', LogDestinationType: 'cloud-watch-logs' });
  template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
});

test('the default security group of the VPC lets nothing through', () => {
  template.resourceCountIs('Custom::VpcRestrictDefaultSG', 1);
});

describe('the budget', () => {
  test('counts what carries the name of the installation, and tells at 80 % and at the forecast', () => {
    template.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: {
        BudgetLimit: { Amount: 2000, Unit: 'USD' },
        TimeUnit: 'MONTHLY',
        CostFilters: { TagKeyValue: ['user:weir:installation$hybrid-llm'] },
      },
      NotificationsWithSubscribers: [
        Match.objectLike({ Notification: Match.objectLike({ NotificationType: 'ACTUAL', Threshold: 80 }) }),
        Match.objectLike({ Notification: Match.objectLike({ NotificationType: 'FORECASTED', Threshold: 100 }) }),
      ],
    });
  });

  test('that tag is on what costs', () => {
    for (const type of ['AWS::EC2::VPC', 'AWS::EC2::NatGateway', 'AWS::EC2::VPCEndpoint'])
      for (const { Properties } of Object.values(template.findResources(type)))
        expect(Properties.Tags, type).toContainEqual({ Key: 'weir:installation', Value: 'hybrid-llm' });
  });
});
