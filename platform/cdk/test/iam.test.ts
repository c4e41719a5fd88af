// Every policy of every stack: who may do what.
import { describe, expect, test } from 'vitest';
import { resolve } from '../lib/manifests.ts';
import { configWith, stacksOf, templateOf, turned } from './synth.ts';
import shipped from '../weir.config.ts';

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
  readonly Principal?: unknown;
}

interface Policy {
  readonly where: string;
  readonly type: string;
  readonly statements: readonly Statement[];
}

const identityTypes = ['AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy', 'AWS::IAM::Role'];

/** All policy documents, wherever they stand in a template. */
function documentsIn(value: unknown): Statement[][] {
  if (typeof value !== 'object' || value === null) return [];
  const of = value as Record<string, unknown>;
  if (Array.isArray(of['Statement'])) return [of['Statement'] as Statement[]];
  return Object.values(of).flatMap(documentsIn);
}

function policiesOf(config: typeof shipped): Policy[] {
  const { app: _, ...stacks } = stacksOf(config);
  return Object.entries(stacks).flatMap(([name, stack]) =>
    Object.entries(templateOf(stack).toJSON()['Resources'] as Record<string, { Type: string; Properties: object }>)
      .flatMap(([id, { Type, Properties }]) =>
        documentsIn(Properties).map((statements) => ({ where: `${name}/${id}`, type: Type, statements })),
      ),
  );
}

const list = (value: unknown): unknown[] => [value ?? []].flat();

const everything = [
  shipped,
  turned,
  configWith({ observability: { langfuse: { database: 'rds' } } }),
].flatMap(policiesOf);
const allowed = everything.flatMap(({ where, type, statements }) =>
  statements.filter(({ Effect }) => Effect === 'Allow').map((statement) => ({ where, type, statement })),
);

test('there are policies to look at', () => {
  expect(allowed.length).toBeGreaterThan(100);
});

describe('actions', () => {
  /** A key's own policy must give its account everything: without it the key is lost. */
  const isKeyPolicy = ({ type }: { type: string }) => type === 'AWS::KMS::Key';

  test('are never all of a service, let alone of all', () => {
    for (const { where, type, statement } of allowed) {
      if (isKeyPolicy({ type })) continue;
      for (const action of list(statement.Action)) expect(action, where).not.toMatch(/^\*$|:\*$/);
    }
  });

  test('are named one by one, but for the library reading its assets', () => {
    for (const { where, type, statement } of allowed) {
      if (isKeyPolicy({ type }) || where.includes('KubectlProviderHandler')) continue;
      for (const action of list(statement.Action)) expect(action, where).not.toContain('*');
    }
  });

  test('on a key that are all are for its own account', () => {
    for (const { where, statement } of allowed.filter(isKeyPolicy))
      if (list(statement.Action).includes('kms:*'))
        expect(resolve((statement.Principal as any).AWS), where).toMatch(/^arn:aws:iam::111122223333:root$/);
  });
});

/** What AWS lets nobody limit to a resource, or what must be seen to be chosen. */
const unlimited =
  /^(ec2:(Describe|GetSecurityGroupsForVpc)|elasticloadbalancing:Describe|acm:(List|Describe)Certificate|pricing:GetProducts$|iam:ListInstanceProfiles$|iam:CreateServiceLinkedRole$|ecr:GetAuthorizationToken$)/;

/** Policies that stand on a resource speak of that resource: `*` is no other. */
const onResources = ['AWS::KMS::Key', 'AWS::S3::BucketPolicy', 'AWS::SQS::QueuePolicy'];

test('what has no resource has none in AWS either, or only reads offers', () => {
  const identity = allowed.filter(({ type }) => !onResources.includes(type));
  for (const { where, statement } of identity)
    if (list(statement.Resource).includes('*'))
      for (const action of list(statement.Action)) expect(action, where).toMatch(unlimited);
});

test('a service-linked role may be made for load balancers alone', () => {
  const made = allowed.filter(({ statement }) => list(statement.Action).includes('iam:CreateServiceLinkedRole'));
  expect(made.length).toBeGreaterThan(0);
  for (const { statement } of made)
    expect(statement.Condition).toEqual({
      StringEquals: { 'iam:AWSServiceName': 'elasticloadbalancing.amazonaws.com' },
    });
});

describe('what ends or changes things is bound to this cluster', () => {
  const bound: [string, RegExp][] = [
    ['ec2:TerminateInstances', /aws:ResourceTag\/kubernetes\.io\/cluster\/hybrid-llm":"owned"/],
    ['ec2:DeleteLaunchTemplate', /aws:ResourceTag\/kubernetes\.io\/cluster\/hybrid-llm":"owned"/],
    ['ec2:CreateLaunchTemplate', /aws:RequestTag\/kubernetes\.io\/cluster\/hybrid-llm":"owned"/],
    ['iam:CreateInstanceProfile', /aws:RequestTag\/kubernetes\.io\/cluster\/hybrid-llm":"owned"/],
    ['iam:DeleteInstanceProfile', /aws:ResourceTag\/kubernetes\.io\/cluster\/hybrid-llm":"owned"/],
    ['iam:PassRole', /"iam:PassedToService":"ec2\.amazonaws\.com"/],
    ['ec2:AuthorizeSecurityGroupIngress', /"ArnEquals":\{"ec2:Vpc"/],
    ['ec2:DeleteSecurityGroup', /aws:ResourceTag\/elbv2\.k8s\.aws\/cluster":"hybrid-llm"/],
    ['elasticloadbalancing:DeleteLoadBalancer', /aws:ResourceTag\/elbv2\.k8s\.aws\/cluster":"hybrid-llm"/],
    ['elasticloadbalancing:CreateLoadBalancer', /aws:RequestTag\/elbv2\.k8s\.aws\/cluster":"hybrid-llm"/],
  ];

  test.each(bound)('%s', (action, condition) => {
    // What names one resource is bound by that.
    const giving = allowed.filter(
      ({ statement }) =>
        list(statement.Action).includes(action) &&
        (action === 'iam:PassRole' || JSON.stringify(statement.Resource).includes('*')),
    );
    expect(giving.length).toBeGreaterThan(0);
    for (const { where, statement } of giving)
      expect(JSON.stringify(statement.Condition ?? {}), where).toMatch(condition);
  });

  test('a role can be passed by its name alone', () => {
    for (const { statement } of allowed.filter(({ statement: of }) => list(of.Action).includes('iam:PassRole')))
      expect(statement.Resource).toEqual({ 'Fn::GetAtt': [expect.stringContaining('NodeRole'), 'Arn'] });
  });
});

describe('who may take a role', () => {
  const roles = everything.filter(({ type }) => type === 'AWS::IAM::Role');

  test('is a service of AWS or an account of the cluster, never everybody', () => {
    expect(roles.length).toBeGreaterThan(20);
    for (const { where, statements } of roles)
      for (const { Principal, Action } of statements.filter((statement) => statement.Principal)) {
        const principal = Principal as { Service?: string; Federated?: unknown };
        if (principal.Federated) {
          expect(Action, where).toBe('sts:AssumeRoleWithWebIdentity');
          continue;
        }
        expect(principal.Service, where).toMatch(
          /^(ec2|eks|lambda|pods\.eks|vpc-flow-logs|monitoring\.rds)\.amazonaws\.com$/,
        );
      }
  });
});

test('policies of identities that have a type we know are all that there are', () => {
  const types = new Set(everything.map(({ type }) => type));
  for (const type of types) expect([...identityTypes, ...onResources]).toContain(type);
});
