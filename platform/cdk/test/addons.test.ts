// HybridLlmAddons.
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { manifestsOf, resolve } from '../lib/manifests.ts';
import { configWith, stacksOf, templateOf, turned } from './synth.ts';

const template = templateOf(stacksOf().addons);
const other = templateOf(stacksOf(turned).addons);
const json = template.toJSON();
const resources = json['Resources'] as Record<string, any>;

const idOf = (type: string, wanted: (properties: any) => boolean): string => {
  const found = Object.entries(resources).filter(([, of]) => of.Type === type && wanted(of.Properties));
  expect(found).toHaveLength(1);
  return found[0]![0];
};
const chartId = (release: string) => idOf('Custom::AWSCDK-EKS-HelmChart', ({ Release }) => Release === release);
const values = (release: string): any => JSON.parse(resolve(resources[chartId(release)].Properties.Values));
const placed = (kind: string) => manifestsOf(json).filter(({ object }) => object.kind === kind);

/** All that must be there before, however far away. */
function before(id: string): Set<string> {
  const all = new Set<string>();
  const visit = (at: string): void => {
    for (const next of [resources[at]?.DependsOn ?? []].flat() as string[])
      if (!all.has(next)) {
        all.add(next);
        visit(next);
      }
  };
  visit(id);
  return all;
}

describe('every controller', () => {
  test.each([
    ['aws-load-balancer-controller', 'aws-load-balancer-controller', 'kube-system', '3.5.0'],
    ['karpenter', 'karpenter', 'kube-system', '1.14.1'],
    ['karpenter-crd', undefined, 'kube-system', '1.14.1'],
    ['external-secrets', 'external-secrets', 'external-secrets', '2.9.0'],
  ])('%s is pinned, and there only once its role can be taken', (release, account, namespace, version) => {
    const id = chartId(release);
    expect(resources[id].Properties).toMatchObject({ Namespace: namespace, Version: version, Wait: true });
    if (!account) return;
    expect(values(release).serviceAccount).toMatchObject({ create: true, name: account });
    const association = idOf(
      'AWS::EKS::PodIdentityAssociation',
      (of) => of.ServiceAccount === account && of.Namespace === namespace,
    );
    expect(before(id)).toContain(association);
  });

  test('waits for the webhook that sees every Service', () => {
    const balancers = chartId('aws-load-balancer-controller');
    for (const release of ['karpenter-crd', 'karpenter', 'external-secrets'])
      expect(before(chartId(release))).toContain(balancers);
  });
});

describe('identity', () => {
  test('by Pod Identity: EKS alone takes the role, and tags the session', () => {
    const roles = Object.values(template.findResources('AWS::IAM::Role'))
      .map(({ Properties }) => Properties.AssumeRolePolicyDocument.Statement[0])
      .filter(({ Principal }) => Principal.Service === 'pods.eks.amazonaws.com');
    expect(roles).toHaveLength(3);
    for (const { Action, Effect } of roles) {
      expect(Effect).toBe('Allow');
      expect(Action).toEqual(['sts:AssumeRole', 'sts:TagSession']);
    }
    expect(values('karpenter').serviceAccount.annotations).toEqual({});
  });

  test('by IRSA: one account of one namespace, with tokens for STS', () => {
    other.resourceCountIs('AWS::EKS::PodIdentityAssociation', 0);
    const conditions = Object.values(other.findResources('Custom::AWSCDKCfnJson')).map(({ Properties }) =>
      resolve(Properties.Value),
    );
    expect(conditions).toHaveLength(2);
    for (const condition of conditions) expect(condition).toMatch(/:aud":"sts\.amazonaws\.com"/);
    expect(conditions.join()).toMatch(
      /:sub":"system:serviceaccount:kube-system:aws-load-balancer-controller"[\s\S]*:sub":"system:serviceaccount:external-secrets:external-secrets"/,
    );
    const [trust] = Object.values(other.findResources('AWS::IAM::Role')).map(
      ({ Properties }) => Properties.AssumeRolePolicyDocument.Statement[0],
    );
    expect(trust).toMatchObject({ Action: 'sts:AssumeRoleWithWebIdentity', Effect: 'Allow' });
    expect(trust.Condition.StringEquals).toHaveProperty('Fn::GetAtt');
  });
});

describe('the load balancer controller', () => {
  test('knows cluster, region and VPC without asking the node, and speaks TLS 1.2 and 1.3', () => {
    expect(values('aws-load-balancer-controller')).toMatchObject({
      clusterName: 'hybrid-llm',
      region: 'eu-central-1',
      vpcId: expect.stringMatching(/.+/),
      defaultTargetType: 'ip',
      defaultSSLPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
      enableServiceMutatorWebhook: false,
    });
  });

  test('asks for nothing that its policy does not give', () => {
    expect(values('aws-load-balancer-controller')).toMatchObject({ enableShield: false, enableWaf: false });
  });
});

describe('Karpenter', () => {
  const [nodeClass] = placed('EC2NodeClass');
  const [pool] = placed('NodePool');
  const spec = pool!.object as any;

  test('runs twice, on nodes that it cannot take away', () => {
    expect(values('karpenter')).toMatchObject({
      replicas: 2,
      nodeSelector: { 'node.kubernetes.io/purpose': 'system' },
      settings: { clusterName: 'hybrid-llm' },
    });
  });

  test('has its definitions before itself, and itself before its pools', () => {
    expect(before(chartId('karpenter'))).toContain(chartId('karpenter-crd'));
    expect(before(pool!.id)).toContain(chartId('karpenter'));
    const entry = idOf('AWS::EKS::AccessEntry', ({ Type }) => Type === 'EC2_LINUX');
    expect(before(pool!.id)).toContain(entry);
  });

  test('takes Spot first and on demand else, of the families and zones of the configuration', () => {
    const requirements = Object.fromEntries(
      spec.spec.template.spec.requirements.map(({ key, operator, values: of }: any) => [key, `${operator} ${of}`]),
    );
    expect(requirements).toEqual({
      'karpenter.sh/capacity-type': 'In spot,on-demand',
      'kubernetes.io/arch': 'In amd64',
      'topology.kubernetes.io/zone': 'In eu-central-1a,eu-central-1b,eu-central-1c',
      'karpenter.k8s.aws/instance-family': 'In g5,g6,g6e',
      'karpenter.k8s.aws/instance-gpu-manufacturer': 'In nvidia',
      'karpenter.k8s.aws/instance-gpu-count': 'In 1',
      'karpenter.k8s.aws/instance-gpu-memory': 'Gt 20000',
    });
  });

  test('taints and labels GPU nodes', () => {
    expect(spec.spec.template.spec.taints).toEqual([
      { key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' },
    ]);
    expect(spec.spec.template.metadata.labels).toMatchObject({
      'node.kubernetes.io/purpose': 'gpu-inference',
      'nvidia.com/gpu.present': 'true',
    });
  });

  test('takes empty nodes away, never more than the limit', () => {
    expect(spec.spec.disruption).toMatchObject({ consolidationPolicy: 'WhenEmpty', consolidateAfter: '5m' });
    expect(spec.spec.limits).toEqual({ 'nvidia.com/gpu': '4' });
  });

  test('pins the image, encrypts the disk and hides the credentials of the node', () => {
    expect((nodeClass!.object as any).spec).toMatchObject({
      amiSelectorTerms: [{ alias: 'al2023@v20260801' }],
      subnetSelectorTerms: [{ tags: { 'karpenter.sh/discovery': 'hybrid-llm' } }],
      securityGroupSelectorTerms: [{ id: 'sg-0123456789abcdef0' }],
      blockDeviceMappings: [{ ebs: { encrypted: true, volumeSize: '120Gi', deleteOnTermination: true } }],
      metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
    });
  });

  test('hears of interruptions: five rules into a queue that only takes TLS', () => {
    const [queue] = Object.entries(template.findResources('AWS::SQS::Queue')) as [[string, any]];
    expect(queue[1].Properties).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 300 });
    const details = Object.values(template.findResources('AWS::Events::Rule')).map(({ Properties }) => {
      expect(Properties.Targets).toEqual([expect.objectContaining({ Arn: { 'Fn::GetAtt': [queue[0], 'Arn'] } })]);
      return Properties.EventPattern['detail-type'][0];
    });
    expect(details.sort()).toEqual([
      'AWS Health Event',
      'EC2 Capacity Reservation Instance Interruption Warning',
      'EC2 Instance Rebalance Recommendation',
      'EC2 Instance State-change Notification',
      'EC2 Spot Instance Interruption Warning',
    ]);
    template.hasResourceProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
    expect(values('karpenter').settings.interruptionQueue).toMatch(/queuename$/);
  });

  test('makes a pool for each size of model', () => {
    const large = { ...configWith().models.chat, name: 'large', gpus: 4, gpuMemoryMiB: 40000, maxReplicas: 1 };
    const config = configWith({ models: { large }, gpuPool: { maxGpus: 8 } });
    const pools = manifestsOf(templateOf(stacksOf(config).addons).toJSON()).filter(
      ({ object }) => object.kind === 'NodePool',
    );
    expect(pools.map(({ object }: any) => [object.metadata.name, object.spec.weight, object.spec.limits])).toEqual([
      ['gpu-1x20g', 100, { 'nvidia.com/gpu': '4' }],
      ['gpu-4x40g', 99, { 'nvidia.com/gpu': '4' }],
    ]);
  });

  test('is not there with a managed group', () => {
    expect(JSON.stringify(other.toJSON())).not.toMatch(/karpenter/i);
    other.resourceCountIs('AWS::SQS::Queue', 0);
  });
});

describe('External Secrets', () => {
  test('reads the secrets of this installation and no others', () => {
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyName: Match.stringLikeRegexp('ExternalSecrets'),
      PolicyDocument: {
        Statement: [
          {
            Action: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
            Effect: 'Allow',
            Resource: {
              'Fn::Join': [
                '',
                ['arn:aws:secretsmanager:eu-central-1:', { Ref: 'AWS::AccountId' }, ':secret:hybrid-llm/*'],
              ],
            },
          },
        ],
      },
    });
  });

  test('has one store, after its own kinds are known; `auth` is there with IRSA alone', () => {
    const [store] = placed('ClusterSecretStore');
    expect(before(store!.id)).toContain(chartId('external-secrets'));
    expect((store!.object as any).spec.provider.aws).toEqual({ service: 'SecretsManager', region: 'eu-central-1' });
    const [withRole] = manifestsOf(other.toJSON()).filter(({ object }) => object.kind === 'ClusterSecretStore');
    expect((withRole!.object as any).spec.provider.aws.auth).toEqual({
      jwt: { serviceAccountRef: { name: 'external-secrets', namespace: 'external-secrets' } },
    });
  });

  test('runs in a namespace where pods may do next to nothing', () => {
    const [namespace] = placed('Namespace');
    expect(namespace!.object.metadata).toMatchObject({
      name: 'external-secrets',
      labels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
    });
    expect(before(chartId('external-secrets'))).toContain(namespace!.id);
  });
});
