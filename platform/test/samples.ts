// Objects that are right, for tests that make them wrong in one place.
import type { KubeObject } from './apiserver.ts';

/** A namespace whose pods must keep to the strictest of the standards. */
export function restricted(name: string): KubeObject {
  const labels = Object.fromEntries(
    ['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
  );
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** The pod that a workload would make. */
export function podIn(workload: KubeObject): KubeObject {
  const { metadata, spec } = structuredClone(workload.spec.template);
  // a volume of its own comes from the workload's template of claims
  const claims = (workload.spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }: KubeObject) => ({
    name,
    persistentVolumeClaim: { claimName: name },
  }));
  spec.volumes = [...(spec.volumes ?? []), ...claims];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'sample' }, spec };
}

type Spoil = (spec: any) => void;

const spoiled = (object: KubeObject, spoil: Spoil) => (spoil(object.spec), object);

export const compute = (spoil: Spoil) =>
  spoiled(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'sample' },
      spec: {
        selector: { matchLabels: { app: 'a' } },
        template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'a', image: 'a:1' }] } },
      },
    },
    spoil,
  );

export const disk = (storage: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'sample' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
});

export const scaledObject = (spoil: Spoil) =>
  spoiled(
    {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: { name: 'sample' },
      spec: {
        scaleTargetRef: { name: 'a' },
        triggers: [{ type: 'prometheus', metadata: { serverAddress: 'http://a', query: 'a', threshold: '1' } }],
      },
    },
    spoil,
  );

export const nodePool = (spoil: Spoil) =>
  spoiled(
    {
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodePool',
      metadata: { name: 'sample' },
      spec: {
        template: {
          metadata: { labels: { 'node.kubernetes.io/purpose': 'gpu-inference' } },
          spec: {
            nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'gpu' },
            requirements: [{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] }],
          },
        },
        disruption: { consolidationPolicy: 'WhenEmpty', consolidateAfter: '5m' },
      },
    },
    spoil,
  );
