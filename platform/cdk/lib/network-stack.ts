import { RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { Budget } from './budget.ts';
import type { NetworkConfig } from './config.ts';
import type { WeirStackProps } from './stacks.ts';

const services = ec2.InterfaceVpcEndpointAwsService;

/** What images and credentials come through: gigabytes, at each cold start. */
const essential: Record<string, ec2.InterfaceVpcEndpointAwsService> = {
  EcrApi: services.ECR,
  EcrDocker: services.ECR_DOCKER,
  Sts: services.STS,
};

/** What nodes, controllers and the access host call besides. */
const rest: Record<string, ec2.InterfaceVpcEndpointAwsService> = {
  Eks: services.EKS,
  EksAuth: services.EKS_AUTH,
  Ec2: services.EC2,
  LoadBalancing: services.ELASTIC_LOAD_BALANCING,
  AutoScaling: services.AUTOSCALING,
  Sqs: services.SQS,
  Ssm: services.SSM,
  SsmMessages: services.SSM_MESSAGES,
  Ec2Messages: services.EC2_MESSAGES,
  SecretsManager: services.SECRETS_MANAGER,
  Kms: services.KMS,
  Logs: services.CLOUDWATCH_LOGS,
};

export function interfaceEndpoints(network: NetworkConfig): Record<string, ec2.InterfaceVpcEndpointAwsService> {
  return network.endpoints === 'all' ? { ...essential, ...rest } : essential;
}

/** A network in three zones whose nodes have no public address. */
export class NetworkStack extends Stack {
  readonly vpc: ec2.Vpc;

  constructor(scope: Construct, id: string, props: WeirStackProps) {
    super(scope, id, props);
    const { config } = props;
    const { network } = config;
    // Three private subnets take three eighths of the range, three public
    // ones three sixty-fourths.  Prefix delegation hands out 16 addresses at a
    // time, so private ones are large.
    const range = Number(network.cidr.split('/')[1]);
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      vpcName: config.name,
      ipAddresses: ec2.IpAddresses.cidr(network.cidr),
      availabilityZones: [...config.availabilityZones],
      natGateways: network.natGateways,
      subnetConfiguration: [
        {
          name: 'public',
          subnetType: ec2.SubnetType.PUBLIC,
          cidrMask: range + 6,
          mapPublicIpOnLaunch: false,
        },
        { name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: range + 3 },
      ],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      flowLogs: { All: this.flowLog(network) },
    });
    this.tagSubnets(config.name);
    this.addEndpoints(network);
    if (config.budget) new Budget(this, 'Budget', { name: config.name, budget: config.budget });
  }

  private flowLog(network: NetworkConfig): ec2.FlowLogOptions {
    const group = new logs.LogGroup(this, 'FlowLog', {
      retention: network.flowLogDays as logs.RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    return {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group),
      trafficType: ec2.FlowLogTrafficType.ALL,
    };
  }

  /** Where load balancers and Karpenter look for subnets. */
  private tagSubnets(name: string): void {
    for (const subnet of this.vpc.publicSubnets) Tags.of(subnet).add('kubernetes.io/role/elb', '1');
    for (const subnet of this.vpc.privateSubnets) {
      Tags.of(subnet).add('kubernetes.io/role/internal-elb', '1');
      Tags.of(subnet).add('karpenter.sh/discovery', name);
    }
  }

  private addEndpoints(network: NetworkConfig): void {
    const group = new ec2.SecurityGroup(this, 'EndpointGroup', {
      vpc: this.vpc,
      description: 'Interface endpoints: HTTPS from inside the VPC',
      allowAllOutbound: false,
    });
    group.addIngressRule(ec2.Peer.ipv4(network.cidr), ec2.Port.HTTPS, 'from the VPC');
    for (const [id, service] of Object.entries(interfaceEndpoints(network)))
      this.vpc.addInterfaceEndpoint(id, {
        service,
        securityGroups: [group],
        open: false,
        subnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      });
  }
}
