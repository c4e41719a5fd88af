// What the tests look at: the stacks of one configuration, made as cdk.json
// makes them, in a folder that goes away.
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
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

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the tests of this file. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-cdk-'));
  folders.push(folder);
  return folder;
}

export function stacksOf(config: WeirConfig = shipped): Built {
  return build(config, new App({ context: { ...cdkJson.context }, outdir: scratch() }));
}

export const templateOf = (stack: Stack): Template => Template.fromStack(stack);
