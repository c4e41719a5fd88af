// What a stack puts into the cluster, read from its template: releases of
// charts and objects, with dummies for what only AWS knows.
import { Template } from 'aws-cdk-lib/assertions';
import type { Stack } from 'aws-cdk-lib';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { manifestsOf, resolve } from '../lib/manifests.ts';
import { chartFolder } from '../lib/releases.ts';
import { scratch } from './synth.ts';

type Json = Record<string, any>;

export interface Resource {
  readonly Type: string;
  readonly Properties: Json;
  readonly DependsOn?: string | readonly string[];
  readonly DeletionPolicy?: string;
}

export const resources = (stack: Stack): Record<string, Resource> =>
  (Template.fromStack(stack).toJSON()['Resources'] ?? {}) as Record<string, Resource>;

export const ofType = (stack: Stack, type: string): Resource[] =>
  Object.values(resources(stack)).filter((resource) => resource.Type === type);

export interface Release {
  readonly id: string;
  readonly release: string;
  readonly namespace: string;
  readonly chart: string | undefined;
  readonly repository: string | undefined;
  readonly version: string | undefined;
  readonly wait: boolean;
  readonly timeout: string;
  readonly createNamespace: boolean;
  readonly values: any;
}

export function releases(stack: Stack): Release[] {
  return Object.entries(resources(stack))
    .filter(([, resource]) => resource.Type === 'Custom::AWSCDK-EKS-HelmChart')
    .map(([id, { Properties: p }]) => ({
      id,
      release: p['Release'],
      namespace: p['Namespace'],
      chart: p['Chart'],
      repository: p['Repository'],
      version: p['Version'],
      wait: p['Wait'] === true,
      timeout: p['Timeout'],
      createNamespace: p['CreateNamespace'] === true,
      values: JSON.parse(resolve(p['Values'] ?? '{}')),
    }));
}

export function releaseOf(stack: Stack, name: string): Release {
  const found = releases(stack).find(({ release }) => release === name);
  if (!found) throw new Error(`${stack.stackName} installs no ${name}`);
  return found;
}

/** The objects of a stack, with the resources that hold them. */
export const objects = (stack: Stack, kind?: string): { id: string; object: any }[] =>
  manifestsOf(Template.fromStack(stack).toJSON()).filter(({ object }) => kind === undefined || object.kind === kind);

/** All that a resource waits for, step by step; DependsOn and references alike. */
export function before(stack: Stack, id: string): Set<string> {
  const all = resources(stack);
  const seen = new Set<string>();
  const visit = (name: string) => {
    const resource = all[name];
    if (!resource) return;
    for (const next of [...[resource.DependsOn ?? []].flat(), ...references(resource.Properties)])
      if (!seen.has(next)) {
        seen.add(next);
        visit(next);
      }
  };
  visit(id);
  return seen;
}

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  const json = value as Json;
  if (typeof json['Ref'] === 'string') return [json['Ref']];
  if (json['Fn::GetAtt']) return [(json['Fn::GetAtt'] as string[])[0]!];
  return Object.values(json).flatMap(references);
}

const helm = process.env['HELM'] ?? fileURLToPath(new URL('../../../.tools/kubernetes/helm', import.meta.url));

/** The objects of one of our own charts with these values; its schema is strict. */
export function rendered(folder: string, { release, namespace, values }: Release): any[] {
  const file = join(scratch(), 'values.json');
  writeFileSync(file, JSON.stringify(values));
  const out = execFileSync(helm, ['template', release, chartFolder(folder), '--namespace', namespace, '-f', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  return parseAllDocuments(out)
    .map((document) => document.toJS() as unknown)
    .filter((object) => object !== null);
}

export function one(all: readonly any[], kind: string, name?: string): any {
  const found = all.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name ?? ''}`);
  return found[0];
}
