// The command line of Claude Code, headless: a whole loop with a tool that it
// runs itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { useStage } from './clients.ts';

const stage = useStage({}, '--max-model-len', '131072');
const installed = fileURLToPath(new URL('agents/node_modules', import.meta.url));

/** Only a shell makes these capital letters of it. */
const prompt = `Run the command 'echo hello | tr a-z A-Z' with Bash`;

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'weir-agent-'));
  mkdirSync(join(home, 'work'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Runs one in a home of its own; it and what it started end with the test. */
async function run(script: string, args: string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [join(installed, script), ...args], {
    cwd: join(home, 'work'),
    env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, to be ended as one
  });
  const output = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (output.out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output.err += text));
  const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 50_000);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  if (code !== 0) throw new Error(`exit code ${code}\n${output.out}\n${output.err}`);
  return output.out;
}

async function claude(model: string, ...args: string[]): Promise<any> {
  const text = await run(
    '@anthropic-ai/claude-code/cli-wrapper.cjs',
    ['-p', prompt, '--allowedTools', 'Bash', '--output-format', 'json', '--max-turns', '4', ...args],
    {
      CLAUDE_CONFIG_DIR: join(home, '.claude'),
      ANTHROPIC_BASE_URL: stage.url,
      ANTHROPIC_API_KEY: 'sk-caller',
      ANTHROPIC_MODEL: model,
      CLAUDE_CODE_MAX_RETRIES: '0',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
    },
  );
  return JSON.parse(text);
}

/** The backends of all requests so far, as the log has them. */
async function backends(requests: number): Promise<string[]> {
  await stage.weir.says(/"msg":"request"/);
  const lines = stage.weir.log.filter((line) => line.includes('"msg":"request"'));
  return lines.slice(-requests).map((line) => JSON.parse(line).backend);
}

describe('Claude Code', () => {
  test.each(['local', 'cloud', 'claude-opus-4-8'])('runs a command and tells what it said (%s)', async (model) => {
    const result = await claude(model);
    expect(result).toMatchObject({ is_error: false, subtype: 'success', num_turns: 2 });
    expect(result.result).toContain('HELLO');
    expect(result.usage.output_tokens).toBeGreaterThan(0);
    const [tier, target] = model === 'local' ? ['local', 'vllm' as const] : ['cloud', 'anthropic' as const];
    expect(await backends(2)).toEqual([tier, tier]);
    const sent = JSON.stringify(await stage.sim.lastBody(target));
    expect(sent).toContain('HELLO');
  }, 60_000);
});
