// Secrets: AWS Secrets Manager makes and keeps them, External Secrets copies
// them into the cluster, and neither a template nor a Helm value holds one.
import { RemovalPolicy } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as sm from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { WeirConfig } from './config.ts';
import { accept } from './nag.ts';
import { manifest } from './releases.ts';

/** The ClusterSecretStore that External Secrets reads. */
export const secretStore = 'aws-secrets-manager';

/** All names begin with that of the installation: External Secrets may read no others. */
export const secretName = (config: WeirConfig, path: string): string => `${config.name}/${path}`;

/** Letters and digits alone: passwords become parts of URLs. */
const plain = { excludePunctuation: true, includeSpace: false };

export type Kind = 'password' | 'hex';

const recipes: Record<Kind, sm.SecretStringGenerator> = {
  password: { ...plain, passwordLength: 40 },
  // 256 bits in hexadecimal, as an encryption key is written.
  hex: {
    ...plain,
    passwordLength: 64,
    excludeUppercase: true,
    excludeCharacters: 'ghijklmnopqrstuvwxyz',
    requireEachIncludedType: false,
  },
};

export interface Generated {
  /** Behind the name of the installation. */
  readonly path: string;
  readonly description: string;
  readonly kind?: Kind;
}

/** A secret whose whole string is one random value. */
export function generate(scope: Construct, id: string, config: WeirConfig, what: Generated): sm.Secret {
  const secret = new sm.Secret(scope, id, {
    secretName: secretName(config, what.path),
    description: what.description,
    generateSecretString: recipes[what.kind ?? 'password'],
    removalPolicy: RemovalPolicy.DESTROY,
  });
  accept(
    secret,
    'AwsSolutions-SMG4',
    'Both ends of this secret take a new value only together and after a restart: it is changed by hand, as the README says, and not by a Lambda on a timetable.',
  );
  return secret;
}

/** Where one key of a Secret of the cluster comes from. */
export interface Source {
  /** The full name in Secrets Manager. */
  readonly name: string;
  /** A member, if the secret's string is a JSON object. */
  readonly property?: string;
}

export interface ExternalSecretProps {
  readonly cluster: eks.ICluster;
  readonly namespace: string;
  readonly name: string;
  readonly from: Readonly<Record<string, Source>>;
  /** What is not secret, or is made of several: Go templates over the keys of `from`. */
  readonly template?: Readonly<Record<string, string>>;
}

/** A Secret of the cluster that External Secrets writes and keeps up to date. */
export function externalSecret(scope: Construct, id: string, props: ExternalSecretProps): eks.KubernetesManifest {
  const target = {
    name: props.name,
    creationPolicy: 'Owner',
    deletionPolicy: 'Retain',
    ...(props.template ? { template: { engineVersion: 'v2', mergePolicy: 'Merge', data: props.template } } : {}),
  };
  return manifest(scope, id, props.cluster, {
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name: props.name, namespace: props.namespace },
    spec: {
      refreshInterval: '1h',
      secretStoreRef: { kind: 'ClusterSecretStore', name: secretStore },
      target,
      data: Object.entries(props.from).map(([secretKey, { name, property }]) => ({
        secretKey,
        remoteRef: { key: name, ...(property ? { property } : {}) },
      })),
    },
  });
}
