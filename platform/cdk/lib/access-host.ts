import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { accept } from './nag.ts';

export interface AccessHostProps {
  readonly vpc: ec2.IVpc;
  readonly name: string;
}

/**
 * The way to the private API from outside: Session Manager forwards a port
 * through this instance.  It has no key, no open port and nothing on it.
 */
export class AccessHost extends Construct {
  readonly instance: ec2.Instance;

  constructor(scope: Construct, id: string, props: AccessHostProps) {
    super(scope, id);
    const role = new iam.Role(this, 'Role', {
      description: 'Session Manager on the access host',
      assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('AmazonSSMManagedInstanceCore')],
    });
    accept(
      role,
      'AwsSolutions-IAM4',
      'What Session Manager needs changes with its agent: AWS keeps that policy up to date.',
    );
    this.instance = new ec2.Instance(this, 'Instance', {
      vpc: props.vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      instanceName: `${props.name}-access`,
      instanceType: ec2.InstanceType.of(ec2.InstanceClass.T4G, ec2.InstanceSize.NANO),
      machineImage: ec2.MachineImage.latestAmazonLinux2023({ cpuType: ec2.AmazonLinuxCpuType.ARM_64 }),
      role,
      requireImdsv2: true,
      detailedMonitoring: true,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: ec2.BlockDeviceVolume.ebs(8, {
            encrypted: true,
            volumeType: ec2.EbsDeviceVolumeType.GP3,
            deleteOnTermination: true,
          }),
        },
      ],
    });
    accept(
      this.instance,
      'AwsSolutions-EC29',
      'Nothing is on it: it may end at any time, and goes with the cluster.',
    );
    accept(
      this.instance,
      'CloudFormation-Validate::W3010',
      'The zones are named in the configuration, so that there are always three.',
    );
  }
}
