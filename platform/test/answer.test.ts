// A router runs with the configuration of the chart, and the pod of `helm test`
// asks it: its own command, by the system's shell and curl.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run, type Ran } from './apiserver.ts';
import { chartNamed, only, render } from './charts.ts';
import { environment, podOf, Program } from './router.ts';

const key = '{"name":"helm-test","secret":"${WEIR_KEY_TEST}"}';
const keyed = [`config.keys=[${key}]`, 'secret.keys=["ANTHROPIC_API_KEY","WEIR_KEY_TEST"]'];

let standIns: Program;
let backends: string;
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  standIns = Program.start([
    ...['sim', '--vllm-port', '0', '--anthropic-port', '0', '--model', 'qwen2.5-7b-instruct'],
    ...['--tokens-per-second', '0', '--first-token-ms', '0'],
  ]);
  stops.push(() => standIns.stop());
  backends = JSON.stringify([
    {
      name: 'vllm',
      tier: 'local',
      url: await standIns.says(/^vllm (\S+)/),
      models: [{ name: 'qwen2.5-7b-instruct', context_window: 8192 }],
    },
    {
      name: 'anthropic',
      tier: 'cloud',
      url: await standIns.says(/^anthropic (\S+)/),
      api_key: '${ANTHROPIC_API_KEY}',
      default_model: 'claude-sonnet-4-6',
    },
  ]);
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** Renders the chart, runs its router with its own environment, and its test. */
async function helmTest(...sets: string[]): Promise<Ran> {
  const { objects } = await render(chartNamed('weir'), undefined, [`config.backends=${backends}`, ...sets]);
  const folder = mkdtempSync(join(tmpdir(), 'weir-pod-'));
  stops.push(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'data'));
  const pod = podOf(objects);
  writeFileSync(join(folder, 'weir.yaml'), pod.config.replaceAll('/var/lib/weir', join(folder, 'data')));
  const args = pod.container.args.map((arg: string) => arg.replace('/etc/weir', folder));
  const router = Program.start(args, { ...pod.env, HOST: '127.0.0.1', PORT: '0', DRAIN_DELAY: '0' });
  stops.push(() => router.stop());
  const url = await router.says(/msg=listening detail="(http\S+) /);
  const [tester] = only(objects, 'Pod').spec.containers;
  const [shell, ...flags] = tester.command;
  return run(shell, [...flags, ...tester.args], '', { PATH: process.env.PATH!, ...environment(tester), URL: url });
}

test('helm test gets an answer', async () => {
  const { code, out, err } = await helmTest('persistence.enabled=true');
  expect(err).toBe('');
  expect(out).toBe('ok: GET /health\nok: GET /v1/models\nok: POST /v1/chat/completions, model auto\n');
  expect(code).toBe(0);
});

test('helm test sends a caller’s key where one is asked for', async () => {
  const { code, out } = await helmTest(...keyed, 'test.secretKey="WEIR_KEY_TEST"');
  expect(out).toContain('ok: POST /v1/chat/completions');
  expect(code).toBe(0);
});

test('helm test without a key sees that it is refused', async () => {
  const { code, out } = await helmTest(...keyed);
  expect(out).toContain('ok: GET /v1/models without a key is refused');
  expect(out).not.toContain('POST');
  expect(code).toBe(0);
});

test('helm test fails with a key that is not the caller’s', async () => {
  const { code, out } = await helmTest(
    ...keyed,
    'secret.keys=["ANTHROPIC_API_KEY","WEIR_KEY_TEST","WEIR_KEY_OLD"]',
    'test.secretKey="WEIR_KEY_OLD"',
  );
  expect(out).toContain('GET /v1/models: "object":"list" is not in:');
  expect(code).toBe(1);
});

test('helm test fails when nobody answers', async () => {
  const nobody = '[{"name":"a","tier":"local","url":"http://127.0.0.1:9","models":[{"name":"a"}]}]';
  const { code, out } = await helmTest(`config.backends=${nobody}`, 'secret.keys=[]', 'config.timeouts={"hold":"100ms","retry_after":"1s"}');
  expect(out).toContain('POST /v1/chat/completions, model auto: "choices" is not in:');
  expect(code).toBe(1);
});
