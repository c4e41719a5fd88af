// HybridLlmCluster.
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { stacksOf, templateOf, turned } from './synth.ts';

const template = templateOf(stacksOf().cluster);
const other = templateOf(stacksOf(turned).cluster);

describe('the control plane', () => {
  test('answers inside the VPC alone', () => {
    template.hasResourceProperties('AWS::EKS::Cluster', {
      Name: 'hybrid-llm',
      Version: '1.36',
      ResourcesVpcConfig: Match.objectLike({ EndpointPrivateAccess: true, EndpointPublicAccess: false }),
    });
  });

  test('stands in three zones', () => {
    const [{ Properties }] = Object.values(template.findResources('AWS::EKS::Cluster')) as [any];
    expect(Properties.ResourcesVpcConfig.SubnetIds).toHaveLength(3);
  });

  test('encrypts Secrets with a key that is rotated', () => {
    const [key] = Object.keys(template.findResources('AWS::KMS::Key', { Properties: { EnableKeyRotation: true } }));
    template.hasResourceProperties('AWS::EKS::Cluster', {
      EncryptionConfig: [{ Provider: { KeyArn: { 'Fn::GetAtt': [key, 'Arn'] } }, Resources: ['secrets'] }],
    });
  });

  test('writes all five logs into a group that does not keep them for ever', () => {
    template.hasResourceProperties('AWS::EKS::Cluster', {
      Logging: {
        ClusterLogging: {
          EnabledTypes: ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'].map((Type) => ({ Type })),
        },
      },
    });
    const [group] = Object.keys(
      template.findResources('AWS::Logs::LogGroup', {
        Properties: { LogGroupName: '/aws/eks/hybrid-llm/cluster', RetentionInDays: 30 },
      }),
    );
    const [{ DependsOn }] = Object.values(template.findResources('AWS::EKS::Cluster')) as [any];
    expect(DependsOn).toContain(group);
  });

  test('brings no nodes and no add-ons by itself', () => {
    template.hasResourceProperties('AWS::EKS::Cluster', { BootstrapSelfManagedAddons: false });
    template.hasResourceProperties('AWS::EKS::Cluster', { ComputeConfig: { Enabled: false } });
    template.resourceCountIs('AWS::EKS::Nodegroup', 0);
  });
});

describe('who may do what', () => {
  test('only roles with an entry, and the one who deploys has none', () => {
    template.hasResourceProperties('AWS::EKS::Cluster', {
      AccessConfig: { AuthenticationMode: 'API', BootstrapClusterCreatorAdminPermissions: false },
    });
    template.hasResourceProperties('AWS::EKS::AccessEntry', {
      PrincipalArn: 'arn:aws:iam::111122223333:role/PlatformAdmin',
      AccessPolicies: [Match.objectLike({ AccessScope: { Type: 'cluster' } })],
    });
    // The administrators' and the handler's.
    template.resourceCountIs('AWS::EKS::AccessEntry', 2);
  });

  test('tokens of the cluster can be trusted by roles', () => {
    template.resourceCountIs('AWS::IAM::OIDCProvider', 1);
  });
});

describe('add-ons that a node needs', () => {
  const names = (of: typeof template) =>
    Object.values(of.findResources('AWS::EKS::Addon'))
      .map(({ Properties }) => Properties.AddonName as string)
      .sort();

  test('are EKS add-ons, each of them once', () => {
    expect(names(template)).toEqual(['eks-pod-identity-agent', 'kube-proxy', 'vpc-cni']);
    expect(names(other)).toEqual(['eks-pod-identity-agent', 'kube-proxy', 'vpc-cni']);
  });

  test('the network hands out prefixes and enforces NetworkPolicy', () => {
    const [{ Properties }] = Object.values(
      template.findResources('AWS::EKS::Addon', { Properties: { AddonName: 'vpc-cni' } }),
    ) as [any];
    expect(JSON.parse(Properties.ConfigurationValues)).toEqual({
      enableNetworkPolicy: 'true',
      env: { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' },
    });
  });

  test('the network has a role of its own, by Pod Identity or by IRSA', () => {
    template.hasResourceProperties('AWS::EKS::Addon', {
      AddonName: 'vpc-cni',
      PodIdentityAssociations: [Match.objectLike({ ServiceAccount: 'aws-node' })],
      ServiceAccountRoleArn: Match.absent(),
    });
    other.hasResourceProperties('AWS::EKS::Addon', {
      AddonName: 'vpc-cni',
      ServiceAccountRoleArn: Match.anyValue(),
      PodIdentityAssociations: Match.absent(),
    });
  });

  test('versions can be pinned', () => {
    for (const [AddonName, AddonVersion] of Object.entries(turned.cluster.addonVersions ?? {}))
      other.hasResourceProperties('AWS::EKS::Addon', { AddonName, AddonVersion });
  });
});

describe('the handler of charts and manifests', () => {
  test('runs in the private subnets, with room for the largest chart', () => {
    const [handler] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { Handler: 'index.handler' } }),
    ) as [any];
    expect(handler.Properties.MemorySize).toBe(3072);
    expect(handler.Properties.VpcConfig.SubnetIds).toHaveLength(3);
    expect(JSON.stringify(handler.Properties.VpcConfig.SubnetIds)).not.toContain('public');
  });

  test('is all that there is: no functions that make the cluster', () => {
    template.resourceCountIs('AWS::CloudFormation::Stack', 0);
    template.resourceCountIs('Custom::AWSCDK-EKS-Cluster', 0);
  });
});

describe('the access host', () => {
  test('has no open port, no key and no public address', () => {
    const [host] = Object.values(template.findResources('AWS::EC2::Instance')) as [any];
    expect(host.Properties).not.toHaveProperty('KeyName');
    expect(JSON.stringify(host.Properties.SubnetId)).toContain('privateSubnet1');
    const groups = template.findResources('AWS::EC2::SecurityGroup');
    for (const { Properties } of Object.values(groups)) expect(Properties).not.toHaveProperty('SecurityGroupIngress');
  });

  test('asks for tokens and has an encrypted disk', () => {
    template.hasResourceProperties('AWS::EC2::Instance', {
      BlockDeviceMappings: [Match.objectLike({ Ebs: Match.objectLike({ Encrypted: true, VolumeType: 'gp3' }) })],
    });
    template.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { MetadataOptions: { HttpTokens: 'required' } },
    });
  });

  test('reaches the API, and nothing else of the cluster', () => {
    const rules = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress')).map(
      ({ Properties }) => Properties,
    );
    const fromHost = rules.filter(({ Description }) => Description === 'kubectl by Session Manager');
    expect(fromHost).toHaveLength(1);
    expect(fromHost[0]).toMatchObject({ IpProtocol: 'tcp', FromPort: 443, ToPort: 443 });
  });

  test('is an option', () => {
    other.resourceCountIs('AWS::EC2::Instance', 0);
  });
});
