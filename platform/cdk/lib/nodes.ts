// What nodes have in common, whoever starts them.
import { Tags } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { accept } from './nag.ts';

/** With prefixes the network is no limit any more; this is Kubernetes' own. */
export const maxPods = 110;

/** Pods have roles of their own, so this one joins the cluster and pulls images. */
export function nodeRole(scope: Construct, id: string, description: string): iam.Role {
  const role = new iam.Role(scope, id, {
    description,
    assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
    managedPolicies: [
      'AmazonEKSWorkerNodePolicy',
      'AmazonEC2ContainerRegistryPullOnly',
      'AmazonSSMManagedInstanceCore',
    ].map((name) => iam.ManagedPolicy.fromAwsManagedPolicyName(name)),
  });
  accept(
    role,
    'AwsSolutions-IAM4',
    'What a node of EKS needs to join, to pull and to be reached by Session Manager: AWS changes these policies with the node images.',
  );
  return role;
}

/** Names the kubelet's limit in the form that images of Amazon Linux 2023 read. */
function nodeConfig(): ec2.UserData {
  const config = {
    apiVersion: 'node.eks.aws/v1alpha1',
    kind: 'NodeConfig',
    spec: { kubelet: { config: { maxPods } } },
  };
  const data = new ec2.MultipartUserData();
  data.addPart(
    ec2.MultipartBody.fromRawBody({
      contentType: 'application/node.eks.aws',
      body: JSON.stringify(config),
    }),
  );
  return data;
}

export interface NodeTemplateProps {
  readonly name: string;
  readonly diskGiB: number;
}

export function nodeTemplate(scope: Construct, id: string, props: NodeTemplateProps): eks.LaunchTemplateSpec {
  const template = new ec2.LaunchTemplate(scope, id, {
    launchTemplateName: props.name,
    userData: nodeConfig(),
    requireImdsv2: true,
    // One hop: what runs in a pod does not get the node's credentials.
    httpPutResponseHopLimit: 1,
    blockDevices: [
      {
        deviceName: '/dev/xvda',
        volume: ec2.BlockDeviceVolume.ebs(props.diskGiB, {
          volumeType: ec2.EbsDeviceVolumeType.GP3,
          encrypted: true,
          deleteOnTermination: true,
        }),
      },
    ],
  });
  Tags.of(template).add('Name', props.name);
  return { id: template.launchTemplateId!, version: template.latestVersionNumber };
}
