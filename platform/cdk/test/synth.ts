// What the tests look at: the stacks of a configuration, made as cdk.json
// makes them, once for all files.
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { build, type Built } from '../lib/app.ts';
import type { WeirConfig } from '../lib/config.ts';
import shipped from '../weir.config.ts';

const cdkJson = JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8')) as {
  context: Record<string, unknown>;
};

export type Partly<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Partly<T[K]> }
    : T;

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function merged(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over;
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) out[key] = merged(base[key], value);
  return out;
}

/** The shipped configuration with some of it replaced. */
export const configWith = (over: Partly<WeirConfig> = {}): WeirConfig => merged(shipped, over) as WeirConfig;

/** The shipped one, with every option of the base turned the other way. */
export const turned: WeirConfig = configWith({
  account: '111122223333',
  network: { endpoints: 'all', natGateways: 3 },
  cluster: {
    accessHost: false,
    addonVersions: { 'vpc-cni': 'v1.21.0-eksbuild.1', 'eks-pod-identity-agent': 'v1.3.10-eksbuild.2' },
  },
  gpuPool: { provisioner: 'managed', instanceTypes: ['g5.2xlarge', 'g6.2xlarge'] },
  identity: 'irsa',
});

/** A folder that is gone after the tests. */
export const scratch = (): string => mkdtempSync(join(inject('scratch'), 'a-'));

// Modules are loaded anew for each file; what is global is not.
const cache: Map<string, Built> = ((globalThis as Record<string, unknown>)['weirStacks'] ??= new Map()) as never;

/** An app with the feature flags of cdk.json. */
export const newApp = (): App => new App({ context: { ...cdkJson.context }, outdir: scratch() });

/** Not to be changed by a test: others look at the same. */
export function stacksOf(config: WeirConfig = shipped): Built {
  const key = JSON.stringify(config);
  const known = cache.get(key);
  if (known) return known;
  const built = build(config, newApp());
  cache.set(key, built);
  return built;
}

export const templateOf = (stack: Stack): Template => Template.fromStack(stack);
