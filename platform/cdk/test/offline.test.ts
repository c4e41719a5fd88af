// `npm run synth`, as it stands in the README, without network, account and
// credentials: what the tests above look at is what people get.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { stackNames } from '../lib/stacks.ts';
import { scratch } from './synth.ts';

const home = fileURLToPath(new URL('..', import.meta.url));

/** A network namespace without any interface, where that is allowed. */
const cutOff = spawnSync('unshare', ['--map-root-user', '--net', 'true']).status === 0;

test('the seven stacks are synthesised without network, account and credentials', () => {
  const out = scratch();
  const command = ['npm', 'run', '--silent', 'synth', '--', '--output', out];
  const [program, ...args] = cutOff ? ['unshare', '--map-root-user', '--net', ...command] : command;
  const env = {
    PATH: process.env['PATH'],
    HOME: out,
    TMPDIR: out,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    // Where nothing listens, should it be asked after all.
    ...(cutOff ? {} : { HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9' }),
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  execFileSync(program!, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const templates = readdirSync(out).filter((name) => name.endsWith('.template.json'));
  expect(templates.sort()).toEqual(stackNames.map((name) => `${name}.template.json`).sort());
}, 600_000);
