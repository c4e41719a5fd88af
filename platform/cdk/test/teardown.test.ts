// teardown/teardown, with stand-ins for kubectl, aws and npx that write down
// what they are asked for.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { stackNames } from '../lib/stacks.ts';
import { scratch } from './synth.ts';

const script = fileURLToPath(new URL('../teardown/teardown', import.meta.url));
const fake = fileURLToPath(new URL('fake', import.meta.url));

type Answers = [pattern: string, answers: string[]][];

/** A cluster with everything in it, of which each thing takes a while to go. */
const everything: Answers = [
  ['get-caller-identity', ['111122223333']],
  ['list-clusters', ['other\thybrid-llm']],
  ['describe-cluster', ['Q0E=']],
  ['config view', ['Q0E=']],
  ['api-resources', ['pods\nscaledobjects.keda.sh\nnodepools.karpenter.sh\nnodeclaims.karpenter.sh']],
  ['get scaledobjects.keda.sh --namespace inference', ['scaledobject.keda.sh/vllm']],
  ['get deployments --namespace inference', ['deployment.apps/vllm']],
  ['get pods --namespace inference', ['pod/vllm-0', 'pod/vllm-0', '']],
  ['get nodeclaims', ['nodeclaim.karpenter.sh/gpu-a', '']],
  ['get deployments --namespace clickhouse-operator', ['deployment.apps/clickhouse-operator']],
  ['get deployments --namespace monitoring', ['deployment.apps/operator']],
  ['get statefulsets --namespace langfuse', ['statefulset.apps/clickhouse\nstatefulset.apps/postgres']],
  ['get persistentvolumes', ['pvc-1\npvc-2', 'pvc-2', '']],
  ['elbv2.k8s.aws/cluster', ['arn:lb\tarn:tg', 'arn:tg', 'None']],
  ['describe-volumes', ['vol-1\tvol-2']],
  ['Key=weir:installation', ['arn:aws:s3:::models']],
];

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly calls: string[];
}

function teardown(args: string[], changed: Answers = [], input = '', patience = '60'): Ran {
  const folder = scratch();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['kubectl', 'aws', 'npx']) {
    copyFileSync(fake, join(bin, name));
    chmodSync(join(bin, name), 0o755);
  }
  const [log, answers] = [join(folder, 'log'), join(folder, 'answers')];
  [...changed, ...everything].forEach(([pattern, texts], index) => {
    const place = join(answers, String(100 + index));
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'pattern'), `${pattern}\n`);
    texts.forEach((text, at) => writeFileSync(join(place, String(at)), text));
  });
  const ran = spawnSync(script, args, {
    encoding: 'utf8',
    input,
    env: {
      PATH: `${bin}:${process.env['PATH']}`,
      FAKE_LOG: log,
      FAKE_ANSWERS: answers,
      TEARDOWN_PAUSE: '0',
      TEARDOWN_PATIENCE: patience,
      TMPDIR: folder,
    },
  });
  const calls = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  return { status: ran.status, out: ran.stdout, err: ran.stderr, calls };
}

const changing = /\b(delete|scale|annotate|destroy|delete-volume)\b/;
const changes = ({ calls }: Ran) => calls.filter((call) => changing.test(call));

let ran: Ran;
beforeAll(() => {
  ran = teardown(['--yes']);
});

describe('everything goes', () => {
  test('in the order in which nothing stays behind', () => {
    expect(ran.err).toBe('');
    expect(ran.status).toBe(0);
    const destroyed = [...stackNames].reverse();
    expect(changes(ran).map((call) => call.replace(/--app \S+/, '--app DIR'))).toEqual([
      'kubectl annotate scaledobject.keda.sh/vllm --namespace inference --overwrite autoscaling.keda.sh/paused-replicas=0',
      'kubectl scale deployment.apps/vllm --namespace inference --replicas=0',
      'kubectl delete nodepools.karpenter.sh --all --wait=false',
      'kubectl delete ingresses --all --all-namespaces --wait=false',
      'kubectl scale deployment.apps/clickhouse-operator --namespace clickhouse-operator --replicas=0',
      'kubectl scale deployment.apps/operator --namespace monitoring --replicas=0',
      'kubectl delete persistentvolumeclaims --all --namespace monitoring --wait=false',
      'kubectl scale statefulset.apps/clickhouse --namespace langfuse --replicas=0',
      'kubectl scale statefulset.apps/postgres --namespace langfuse --replicas=0',
      'kubectl delete persistentvolumeclaims --all --namespace langfuse --wait=false',
      'kubectl delete persistentvolumeclaims --all --namespace router --wait=false',
      ...destroyed.map(
        (name) => `npx --no-install cdk destroy --app DIR --exclusively --force --no-notices ${name}`,
      ),
      'aws ec2 delete-volume --volume-id vol-1',
      'aws ec2 delete-volume --volume-id vol-2',
    ]);
  });

  test.each([
    ['pods', 'get pods --namespace inference', 3, 'delete nodepools'],
    ['GPU nodes', 'get nodeclaims', 2, 'delete ingresses'],
    ['load balancers', 'elbv2.k8s.aws/cluster', 3, 'scale deployment.apps/clickhouse-operator'],
    ['volumes', 'get persistentvolumes', 3, 'cdk destroy'],
  ])('%s are gone before the next step', (_, question, times, next) => {
    const asked = ran.calls.flatMap((call, at) => (call.includes(question) ? [at] : []));
    expect(asked).toHaveLength(times);
    expect(asked.at(-1)).toBeLessThan(ran.calls.findIndex((call) => call.includes(next)));
  });

  test('and what is kept is told', () => {
    expect(ran.out).toContain('arn:aws:s3:::models');
    expect(ran.out).toContain('Kept on purpose: the buckets');
  });
});

test('--dry-run tells the same steps, and does none of them', () => {
  const dry = teardown(['--dry-run']);
  expect(dry.err).toBe('');
  expect(dry.status).toBe(0);
  expect(changes(dry)).toEqual([]);
  for (const step of changes(ran))
    expect(dry.out).toContain(`+ ${step.replace(/--app \S+.*/, '')}`);
});

test('another cluster is not touched', () => {
  const ran = teardown(['--yes'], [['config view', ['T1RIRVI=']]]);
  expect(ran.status).toBe(1);
  expect(ran.err).toContain('kubectl speaks to another cluster than hybrid-llm');
  expect(changes(ran)).toEqual([]);
});

test('without the right name nothing is done', () => {
  const ran = teardown([], [], 'yes\n');
  expect(ran.status).toBe(1);
  expect(ran.err).toContain('nothing was done');
  expect(changes(ran)).toEqual([]);
});

test('with it, it goes on', () => {
  expect(teardown([], [], 'hybrid-llm\n').status).toBe(0);
});

test('where the cluster is gone already, stacks and volumes go', () => {
  const ran = teardown(['--yes'], [['list-clusters', ['other']]]);
  expect(ran.status).toBe(0);
  expect(ran.calls.filter((call) => call.startsWith('kubectl'))).toEqual([]);
  expect(changes(ran)).toHaveLength(stackNames.length + 2);
});

test('a cluster without KEDA and Karpenter has nothing of theirs to go', () => {
  const ran = teardown(['--yes'], [['api-resources', ['pods']]]);
  expect(ran.status).toBe(0);
  expect(ran.calls.join('\n')).not.toMatch(/scaledobjects|nodepools|nodeclaims/);
});

describe('it stops, before the stacks go,', () => {
  test('where something does not go', () => {
    const stuck: Answers = [
      ['get pods', ['']],
      ['get nodeclaims', ['nodeclaim.karpenter.sh/stuck']],
    ];
    const ran = teardown(['--yes'], stuck, '', '0');
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('nodes are still there after 0 s: nodeclaim.karpenter.sh/stuck');
    expect(ran.calls.join('\n')).not.toContain('destroy');
  });

  test('where it cannot tell what is left', () => {
    const ran = teardown(['--yes'], [['elbv2.k8s.aws/cluster', ['!access denied']]]);
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('cannot tell which load balancers are left');
    expect(ran.calls.join('\n')).not.toContain('destroy');
  });

  test('where kubectl does not reach the cluster', () => {
    const ran = teardown(['--yes'], [['api-resources', ['!no route to host']]]);
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('kubectl does not reach hybrid-llm');
    expect(changes(ran)).toEqual([]);
  });
});

test('the usage is the head of the script', () => {
  const { status, out } = teardown(['--help']);
  expect(status).toBe(0);
  expect(out).toMatch(/^Removes the installation[\s\S]*--dry-run[\s\S]*goes on where it was\.\n$/);
  expect(teardown(['--all']).status).toBe(2);
});
