import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import { Construct } from 'constructs';
import type { BudgetConfig } from './config.ts';

export interface BudgetProps {
  readonly name: string;
  readonly budget: BudgetConfig;
}

/** Tells by mail what the installation costs before the month is over. */
export class Budget extends Construct {
  constructor(scope: Construct, id: string, props: BudgetProps) {
    super(scope, id);
    const subscribers = props.budget.emails.map((address) => ({
      subscriptionType: 'EMAIL',
      address,
    }));
    const when = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: {
        notificationType,
        threshold,
        thresholdType: 'PERCENTAGE',
        comparisonOperator: 'GREATER_THAN',
      },
      subscribers,
    });
    new CfnBudget(this, 'Resource', {
      budget: {
        budgetName: props.name,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: props.budget.monthlyUsd, unit: 'USD' },
        // Counts once the tag is activated for cost allocation.
        costFilters: { TagKeyValue: [`user:weir:installation$${props.name}`] },
      },
      notificationsWithSubscribers: [when('ACTUAL', 80), when('FORECASTED', 100)],
    });
  }
}
