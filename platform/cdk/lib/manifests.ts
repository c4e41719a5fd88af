// The Kubernetes objects that a template brings into the cluster, with dummies
// for what only AWS can know: as they are, an API server can check them.

type Json = Record<string, unknown>;

export interface Placed {
  /** The resource of the template that holds it. */
  readonly id: string;
  readonly object: KubernetesObject;
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Json;
}

/** Looks like what AWS would say, where the form of it is checked. */
const dummies: readonly [RegExp, string][] = [
  [/ClusterSecurityGroupId/, 'sg-0123456789abcdef0'],
  [/AWS::AccountId/, '111122223333'],
  [/AWS::Partition/, 'aws'],
  [/AWS::URLSuffix/, 'amazonaws.com'],
];

function dummy(name: string): string {
  const known = dummies.find(([pattern]) => pattern.test(name));
  // Letters, digits and dashes are allowed nearly everywhere.
  return known ? known[1] : `dummy-${name.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase()}`;
}

/** A property of a template as text. */
export function resolve(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    const [[name, argument] = ['', ''], ...others] = Object.entries(value);
    if (others.length === 0) return intrinsic(name, argument);
  }
  throw new Error(`no text: ${JSON.stringify(value)}`);
}

function intrinsic(name: string, argument: unknown): string {
  switch (name) {
    case 'Fn::Join': {
      const [separator, parts] = argument as [string, unknown[]];
      return parts.map(resolve).join(separator);
    }
    case 'Ref':
      return dummy(argument as string);
    case 'Fn::GetAtt':
      return dummy((argument as string[]).join('.'));
    case 'Fn::ImportValue':
      return dummy(resolve(argument));
    case 'Fn::Sub':
      return resolve(argument).replaceAll(/\$\{([^}]+)\}/g, (_, inner: string) => dummy(inner));
    case 'Fn::Select':
    case 'Fn::Split':
      return dummy(name);
    default:
      throw new Error(`no text for ${name}`);
  }
}

export function manifestsOf(template: Json): Placed[] {
  const resources = Object.entries((template['Resources'] ?? {}) as Record<string, Json>);
  return resources
    .filter(([, resource]) => resource['Type'] === 'Custom::AWSCDK-EKS-KubernetesResource')
    .flatMap(([id, resource]) => {
      const { Manifest } = resource['Properties'] as { Manifest: unknown };
      const objects = JSON.parse(resolve(Manifest)) as KubernetesObject[];
      return objects.map((object) => ({ id, object }));
    });
}

/** A file name that sorts in the order of the stacks. */
export function fileName(stack: string, index: number, { object }: Placed): string {
  const { kind, metadata } = object;
  return `${stack}-${String(index).padStart(2, '0')}-${kind}-${metadata.name}.json`.toLowerCase();
}
