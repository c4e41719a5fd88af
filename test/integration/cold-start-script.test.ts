// scripts/cold-start with a kubectl that writes down what it is told, and does
// to the stand-ins what the real one does to a cluster.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adopt, eventually, Sim, Weir } from './harness.ts';

const script = fileURLToPath(new URL('../../scripts/cold-start', import.meta.url));

const GET =
  "kubectl get scaledobject vllm -n inference -o 'jsonpath={.metadata.annotations.autoscaling\\.keda\\.sh/paused-replicas}'";
const PAUSE = 'kubectl annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas=0 --overwrite';
const GONE = 'kubectl wait --for=delete pod -l app.kubernetes.io/name=vllm -n inference --timeout=10m';
const LET_GO = 'kubectl annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas-';
const PODS = 'kubectl get pods -l app.kubernetes.io/name=vllm -n inference -o wide';

let dir: string;
let sim: Sim | undefined;
let weir: Weir | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cold-start-'));
});
afterEach(async () => {
  await weir?.stop();
  await sim?.stop();
  weir = sim = undefined;
  rmSync(dir, { recursive: true, force: true });
});

/** A kubectl that does these things for the words that they begin with. */
function kubectl(does: Record<string, string> = {}): void {
  const cases = Object.entries(does).map(([words, commands]) => `'${words}'*) ${commands} ;;\n`);
  writeFileSync(join(dir, 'calls'), '');
  writeFileSync(
    join(dir, 'kubectl'),
    `#!/bin/sh\nprintf 'kubectl' >>'${dir}/calls'\nprintf ' %s' "$@" >>'${dir}/calls'\necho >>'${dir}/calls'\n` +
      `case "$*" in\n${cases.join('')}esac\n`,
    { mode: 0o755 },
  );
}

/** Whole lines: one may be being written. */
const calls = () => readFileSync(join(dir, 'calls'), 'utf8').split('\n').slice(0, -1);
/** As the shell gave them to it: without quotes. */
const plain = (...lines: string[]) => lines.map((line) => line.replaceAll("'", ''));

function start(args: string[], env: Record<string, string>) {
  const child = spawn(script, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${dir}:${process.env.PATH}`, HOME: dir, NO_COLOR: '1', ...env },
  });
  adopt(child);
  return child;
}

async function run(args: string[], env: Record<string, string>): Promise<{ out: string; err: string; status: number }> {
  const child = start(args, env);
  const gone = once(child, 'close');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err, status: (await gone)[0] };
}

async function router(): Promise<string> {
  sim = await Sim.start();
  weir = await Weir.between(sim, { PROBE_COLD_INTERVAL: '100ms', HOLD_TIMEOUT: '300ms' });
  return weir.url;
}

/** What a real one would bring about in the end. */
const cluster = () => {
  const fault = (body: string) =>
    `curl --fail --silent --output /dev/null --data '${body}' '${sim!.anthropic}/sim/fault?target=vllm'`;
  return {
    'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas=0': fault('{"fault":"refuse","seconds":600}'),
    'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas-': fault('{"fault":null}'),
  };
};

test('--dry-run prints the commands and runs none', async () => {
  kubectl();
  const { out, err, status } = await run(['--dry-run'], { ROUTER_URL: 'https://router.example.com' });
  const look = (phase: string) =>
    `env COLD_START_PHASE=${phase} COLD_START_WARM_SECONDS=1800 node_modules/.bin/vitest run cold-start.test.ts`;
  expect(out.trim().split('\n')).toEqual([GET, PAUSE, GONE, look('cold'), LET_GO, look('warm'), PODS]);
  expect([err, status]).toEqual(['', 0]);
  expect(calls()).toEqual([]);
  const other = await run(['--dry-run'], {
    ROUTER_URL: 'https://router.example.com',
    ...{ NAMESPACE: 'gpu', SCALED_OBJECTS: 'small large', SELECTOR: 'app in (small, large)', COLD_TIMEOUT: '3m' },
  });
  expect(other.out).toContain(
    'kubectl annotate scaledobject small -n gpu autoscaling.keda.sh/paused-replicas=0 --overwrite\n' +
      'kubectl annotate scaledobject large -n gpu autoscaling.keda.sh/paused-replicas=0 --overwrite\n' +
      "kubectl wait --for=delete pod -l 'app in (small, large)' -n gpu --timeout=3m\n",
  );
});

test('cold and back: the test runs against the router, and KEDA goes on', async () => {
  const url = await router();
  kubectl(cluster());
  const { out, err, status } = await run([], { ROUTER_URL: url });
  expect(status, out + err).toBe(0);
  expect(calls()).toEqual(plain(GET, PAUSE, GONE, LET_GO, PODS));
  expect(out).toMatch(/Tests +2 passed \| 1 skipped[^]*Tests +1 passed \| 2 skipped/);
  expect(err).toContain(`+ ${PAUSE}\n+ ${GONE}\n`);
  expect(err).toMatch(/cold-start: cold and back, and no caller has noticed\n$/);
}, 90_000);

test('a test that fails leaves nothing paused, and says so by its status', async () => {
  const url = await router();
  kubectl(); // one that does not take the local tier away
  const { out, status } = await run([], { ROUTER_URL: url });
  expect(out).toMatch(/Tests +2 failed/);
  expect(status).toBe(1);
  expect(calls()).toEqual(plain(GET, PAUSE, GONE, LET_GO));
}, 90_000);

test.each([
  ['pods that do not go', { wait: 'exit 1' }, [GET, PAUSE, GONE, LET_GO]],
  ['an annotation that is perhaps not there', { 'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas=0': 'exit 1' }, [GET, PAUSE, LET_GO]],
])('%s: KEDA goes on all the same', async (_, does, expected) => {
  kubectl(does);
  const { status } = await run([], { ROUTER_URL: 'http://127.0.0.1:1' });
  expect(status).toBe(1);
  expect(calls()).toEqual(plain(...expected));
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s: KEDA goes on at once', async (signal) => {
  kubectl({ wait: 'exec sleep 600' });
  const child = start([], { ROUTER_URL: 'http://127.0.0.1:1' });
  const gone = once(child, 'close'); // and nobody holds its output any more
  child.stdout.resume();
  child.stderr.resume();
  await eventually('it waits for the pods', () => calls().length === 3);
  child.kill(signal);
  expect((await gone)[0]).toBe(130);
  expect(calls()).toEqual(plain(GET, PAUSE, GONE, LET_GO));
});

test('a signal while it comes back ends the waiting, too', async () => {
  const url = await router();
  const { 'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas=0': goes } = cluster();
  kubectl({ 'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas=0': goes }); // it never comes back
  const child = start([], { ROUTER_URL: url });
  const gone = once(child, 'close');
  child.stdout.resume();
  child.stderr.resume();
  await eventually('KEDA goes on', () => calls().length === 4, 60_000);
  const before = await weir!.metric('weir_local_wanted_total');
  await eventually('it asks whether the local tier serves', async () => (await weir!.metric('weir_local_wanted_total')) > before, 60_000);
  child.kill('SIGTERM');
  expect((await gone)[0]).toBe(130);
  expect(calls()).toEqual(plain(GET, PAUSE, GONE, LET_GO));
}, 150_000);

test('one that cannot be let go is told about loudly', async () => {
  kubectl({ wait: 'exit 1', 'annotate scaledobject vllm -n inference autoscaling.keda.sh/paused-replicas-': 'exit 1' });
  const { err, status } = await run([], { ROUTER_URL: 'http://127.0.0.1:1' });
  expect(err).toContain(`cold-start: scaledobject vllm IS STILL PAUSED; by hand:\n${LET_GO}\n`);
  expect(status).toBe(1);
});

test('what somebody else has paused is left alone', async () => {
  kubectl({ get: 'printf 0' });
  const { err, status } = await run([], { ROUTER_URL: 'http://127.0.0.1:1' });
  expect(err).toMatch(/cold-start: scaledobject vllm is paused at 0 already: end that first\n$/);
  expect(status).toBe(1);
  expect(calls()).toEqual(plain(GET));
});

test.each([
  [[], {}, 'ROUTER_URL says where the router is'],
  [['--dry'], { ROUTER_URL: 'http://x' }, 'read "--dry", expected --dry-run or nothing'],
  [['--dry-run', 'now'], { ROUTER_URL: 'http://x' }, 'read "now", expected nothing behind --dry-run'],
])('a command line that is wrong: %s', async (args, env, why) => {
  kubectl();
  const { err, status } = await run(args, env as Record<string, string>);
  expect(err).toBe(`cold-start: ${why}\nusage: ROUTER_URL=URL scripts/cold-start [--dry-run]\n`);
  expect(status).toBe(2);
  expect(calls()).toEqual([]);
});
