// HybridLlmNodeGroups.
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { manifestsOf, resolve } from '../lib/manifests.ts';
import { stacksOf, templateOf, turned } from './synth.ts';

const template = templateOf(stacksOf().nodeGroups);
const other = templateOf(stacksOf(turned).nodeGroups);

const group = (of: typeof template, NodegroupName: string): any => {
  const found = Object.values(of.findResources('AWS::EKS::Nodegroup', { Properties: { NodegroupName } }));
  expect(found, NodegroupName).toHaveLength(1);
  return found[0]!['Properties'];
};

/** The launch template of a node group, and the kubelet's configuration in it. */
function launch(of: typeof template, properties: any): { data: any; node: any } {
  const id = properties.LaunchTemplate.Id.Ref as string;
  const data = of.findResources('AWS::EC2::LaunchTemplate')[id]!['Properties'].LaunchTemplateData;
  const mime = resolve(data.UserData['Fn::Base64']);
  const body = /Content-Type: application\/node\.eks\.aws[^{]*(\{.*\})/s.exec(mime)?.[1];
  return { data, node: JSON.parse(body ?? 'null') };
}

describe('the system pool', () => {
  const system = group(template, 'system');

  test('is on demand, of current images, and never one node', () => {
    expect(system).toMatchObject({
      CapacityType: 'ON_DEMAND',
      AmiType: 'AL2023_x86_64_STANDARD',
      ScalingConfig: { MinSize: 2, DesiredSize: 2, MaxSize: 4 },
      Labels: { 'node.kubernetes.io/purpose': 'system' },
    });
    expect(system.Subnets).toHaveLength(3);
    expect(system).not.toHaveProperty('RemoteAccess');
  });

  test('keeps the credentials of the node from pods, and its disk encrypted', () => {
    const { data } = launch(template, system);
    expect(data.MetadataOptions).toMatchObject({ HttpTokens: 'required', HttpPutResponseHopLimit: 1 });
    expect(data.BlockDeviceMappings).toEqual([
      { DeviceName: '/dev/xvda', Ebs: { DeleteOnTermination: true, Encrypted: true, VolumeSize: 60, VolumeType: 'gp3' } },
    ]);
  });

  test('takes as many pods as prefixes allow', () => {
    expect(launch(template, system).node).toEqual({
      apiVersion: 'node.eks.aws/v1alpha1',
      kind: 'NodeConfig',
      spec: { kubelet: { config: { maxPods: 110 } } },
    });
  });
});

describe('GPU nodes', () => {
  test('are no managed group beside those of Karpenter', () => {
    template.resourceCountIs('AWS::EKS::Nodegroup', 1);
  });

  test('are one if the configuration says so: from none, on Spot, tainted and labelled', () => {
    const gpu = group(other, 'gpu-1x20g');
    expect(gpu).toMatchObject({
      AmiType: 'AL2023_x86_64_NVIDIA',
      CapacityType: 'SPOT',
      InstanceTypes: ['g5.2xlarge', 'g6.2xlarge'],
      ScalingConfig: { MinSize: 0, DesiredSize: 0, MaxSize: 4 },
      Taints: [{ Key: 'nvidia.com/gpu', Value: 'present', Effect: 'NO_SCHEDULE' }],
      Labels: {
        'node.kubernetes.io/purpose': 'gpu-inference',
        'nvidia.com/gpu.present': 'true',
        'node.kubernetes.io/gpu-pool': 'gpu-1x20g',
      },
    });
    expect(launch(other, gpu).data.BlockDeviceMappings[0].Ebs).toMatchObject({ VolumeSize: 120, Encrypted: true });
  });
});

describe('what runs on them', () => {
  const resources = template.toJSON()['Resources'] as Record<string, any>;
  const addon = (name: string) =>
    Object.entries(resources).find(([, of]) => of.Properties?.AddonName === name) as [string, any];
  const [system] = Object.entries(resources).find(([, of]) => of.Type === 'AWS::EKS::Nodegroup') as [string, any];

  test('add-ons wait for a node', () => {
    for (const name of ['aws-ebs-csi-driver', 'coredns', 'metrics-server'])
      expect(addon(name)[1].DependsOn, name).toContain(system);
  });

  test('the storage driver has a role of its own, by Pod Identity or by IRSA', () => {
    template.hasResourceProperties('AWS::EKS::Addon', {
      AddonName: 'aws-ebs-csi-driver',
      PodIdentityAssociations: [Match.objectLike({ ServiceAccount: 'ebs-csi-controller-sa' })],
    });
    other.hasResourceProperties('AWS::EKS::Addon', {
      AddonName: 'aws-ebs-csi-driver',
      ServiceAccountRoleArn: Match.anyValue(),
    });
  });

  test('the class gp3 is the default, encrypted, and there once its driver is', () => {
    const [placed] = manifestsOf(template.toJSON());
    expect(placed!.object).toMatchObject({
      kind: 'StorageClass',
      metadata: { name: 'gp3', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'ebs.csi.aws.com',
      parameters: { type: 'gp3', encrypted: 'true' },
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    });
    expect(resources[placed!.id].DependsOn).toContain(addon('aws-ebs-csi-driver')[0]);
  });

  test('the device plugin finds GPU nodes by our label and tolerates their taint', () => {
    const [chart] = Object.values(template.findResources('Custom::AWSCDK-EKS-HelmChart')) as [any];
    expect(chart.Properties).toMatchObject({ Release: 'nvidia-device-plugin', Version: '0.20.0' });
    expect(JSON.parse(resolve(chart.Properties.Values))).toMatchObject({
      affinity: null,
      nodeSelector: { 'nvidia.com/gpu.present': 'true' },
      tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
    });
  });
});
