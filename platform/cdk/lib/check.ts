import { serviceRules } from './check-services.ts';
import type { WeirConfig } from './config.ts';

/** Refuses a configuration that would deploy something else than it says. */
export function check(config: WeirConfig): void {
  const wrong = rules(config);
  if (wrong.length > 0)
    throw new Error(`weir.config.ts:\n${wrong.map((text) => `  ${text}`).join('\n')}`);
}

function rules(config: WeirConfig): string[] {
  const wrong: string[] = [];
  if (new Set(config.availabilityZones).size !== 3)
    wrong.push('availabilityZones: three different zones are needed');
  return [...wrong, ...serviceRules(config)];
}
