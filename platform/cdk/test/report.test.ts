// What cdk-nag and CloudFormation's own rules say about the seven stacks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stack } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { describe, expect, test } from 'vitest';
import { build } from '../lib/app.ts';
import { configWith, newApp, stacksOf, turned } from './synth.ts';
import shipped from '../weir.config.ts';

interface Finding {
  readonly ruleName: string;
  readonly reason?: string;
  readonly violatingConstructs: readonly { readonly constructPath: string }[];
}

interface Report {
  readonly pluginReports: readonly {
    readonly pluginName: string;
    readonly conclusion: string;
    readonly violations: readonly Finding[];
    readonly suppressedViolations?: readonly Finding[];
  }[];
}

function reportOf(config: typeof shipped): Report {
  const { directory } = stacksOf(config).app.synth();
  return JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8')) as Report;
}

const rds = configWith({ observability: { langfuse: { database: 'rds' } } });

describe.each([
  ['shipped', shipped],
  ['turned', turned],
  ['with RDS', rds],
])('the configuration %s', (_, config) => {
  const report = reportOf(config);

  test('breaks no rule', () => {
    expect(report.pluginReports.map(({ pluginName }) => pluginName)).toEqual(
      expect.arrayContaining(['AwsSolutions', 'CloudFormation Validate']),
    );
    for (const { pluginName, conclusion, violations } of report.pluginReports) {
      expect(violations, pluginName).toEqual([]);
      expect(conclusion).toBe('success');
    }
  });

  test('gives a reason for each exception', () => {
    const exceptions = report.pluginReports.flatMap(({ suppressedViolations }) => suppressedViolations ?? []);
    expect(exceptions.length).toBeGreaterThan(10);
    for (const { ruleName, reason } of exceptions) expect(reason, ruleName).toMatch(/^.{40,}$/s);
  });
});

/** Rules of which no exception may be made, whatever the reason. */
const never =
  /EKS1|EKS2|EC23|VPC7|KMS5|S2|S10|SQS4|RDS2|SMG1|IAM5\[Action::\*\]|IAM5\[Action::[a-z0-9-]+:\*\]/;

test('no exception is made of what matters most', () => {
  for (const config of [shipped, turned, rds])
    for (const { suppressedViolations } of reportOf(config).pluginReports)
      for (const { ruleName } of suppressedViolations ?? []) expect(ruleName).not.toMatch(never);
});

test('wildcards in actions are those of the library, which reads its assets', () => {
  const actions = reportOf(shipped)
    .pluginReports.flatMap(({ suppressedViolations }) => suppressedViolations ?? [])
    .filter(({ ruleName }) => ruleName.includes('IAM5[Action::'));
  expect(new Set(actions.map(({ ruleName }) => /Action::(.*)\]/.exec(ruleName)![1]))).toEqual(
    new Set(['s3:GetBucket*', 's3:GetObject*', 's3:List*']),
  );
  for (const { violatingConstructs } of actions)
    for (const { constructPath } of violatingConstructs) expect(constructPath).toContain('/KubectlProvider/Handler/');
});

test('a bucket that is read without TLS would stop the synthesis', () => {
  const app = newApp();
  build(shipped, app);
  const stack = new Stack(app, 'Another');
  new s3.Bucket(stack, 'Plain');
  expect(() => app.synth()).toThrow(/AwsSolutions-S10/);
});
