// What cdk-nag may find and why it stays: each with its reason, where it is.
import {
  type IPolicyValidationContext,
  type IPolicyValidationPlugin,
  type PolicyValidationPluginReport,
  Validations,
} from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';

type Reasons = Map<string, string>;

const accepted = new WeakMap<IConstruct, Reasons>();

/**
 * Accepts a rule for a construct and for what it is made of: `AwsSolutions-X`
 * or one finding, `AwsSolutions-X[finding]`.  A rule about wildcards
 * (IAM5) without a finding means those in resources; wildcards in actions are
 * named one by one.
 */
export function accept(construct: IConstruct, id: string, reason: string): void {
  if (!id.startsWith(packName)) {
    Validations.of(construct).acknowledge({ id, reason });
    return;
  }
  const reasons: Reasons = accepted.get(construct) ?? new Map();
  accepted.set(construct, reasons.set(id, reason));
}

const packName = 'AwsSolutions';

function reasonFor(reasons: Reasons, finding: string): string | undefined {
  const exact = reasons.get(finding);
  const rule = finding.split('[')[0]!;
  if (exact !== undefined || finding.startsWith('AwsSolutions-IAM5[Action::')) return exact;
  return reasons.get(rule);
}

/** The nearest construct around it that accepts the finding. */
function accepting(from: IConstruct | undefined, finding: string): [IConstruct, string] | undefined {
  for (let at = from; at; at = at.node.scope) {
    const reason = reasonFor(accepted.get(at) ?? new Map(), finding);
    if (reason !== undefined) return [at, reason];
  }
  return undefined;
}

/**
 * The rules of cdk-nag.  It wants an acknowledgement for each of the findings
 * of a rule; this gives it the one that was accepted, and the report of the
 * synthesis lists them all with their reasons.
 */
export class Checks implements IPolicyValidationPlugin {
  readonly name = packName;
  private readonly root: IConstruct;

  constructor(root: IConstruct) {
    this.root = root;
  }

  validate(context: IPolicyValidationContext): PolicyValidationPluginReport {
    const report = new AwsSolutionsChecks(this.root).validate(context);
    for (const { ruleName, violatingResources } of report.violations)
      for (const { constructPath } of violatingResources) this.acknowledge(ruleName, constructPath ?? '');
    return report;
  }

  private acknowledge(finding: string, path: string): void {
    const construct = path
      .split('/')
      .reduce<IConstruct | undefined>((at, id) => at?.node.tryFindChild(id), this.root);
    const found = accepting(construct, finding);
    if (!found) return;
    Validations.of(found[0]).acknowledge({ id: `${packName}::${finding}`, reason: found[1] });
  }
}
