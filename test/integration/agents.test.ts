// The command lines of Claude Code and Codex, headless: a whole loop with a
// tool that they run themselves.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tiers, useStage } from './clients.ts';
import { eventually, Weir } from './harness.ts';

const stage = useStage({}, '--max-model-len', '131072');
const installed = fileURLToPath(new URL('agents/node_modules', import.meta.url));

/** Only a shell makes these capital letters of it; it is called twice at once. */
const prompt = `Run the command 'echo hello | tr a-z A-Z' with Bash\n[[sim: calls=2]]`;

let home: string;
let logged: number;
beforeEach(() => {
  logged = stage.weir.log.length;
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

/** The events of one run. */
async function codex(url: string, model: string, ask: string, settings = ''): Promise<any[]> {
  const folder = join(home, '.codex');
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'config.toml'),
    `model = "${model}"
model_provider = "weir"
${settings}
[model_providers.weir]
name = "Weir"
base_url = "${url}/v1"
env_key = "WEIR_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
`,
  );
  const text = await run(
    '@openai/codex/bin/codex.js',
    ['exec', '--json', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', ask],
    { CODEX_HOME: folder, WEIR_KEY: 'sk-caller' },
  );
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

function completed(events: any[]): any[] {
  return events.filter((event) => event.type === 'item.completed').map((event) => event.item);
}

const requestsIn = (log: string[]) => log.filter((line) => line.includes('"msg":"request"'));

/** The backends of a test's requests, when the log has that many. */
async function backends(count: number): Promise<string[]> {
  const lines = await eventually('the log has the requests', () => {
    const since = requestsIn(stage.weir.log.slice(logged));
    return since.length >= count && since;
  });
  return lines.map((line) => JSON.parse(line).backend);
}

/** What the assistant said and did first, as the backend got it back. */
function firstTurn(body: any): any {
  return body.messages.find((message: any) => message.role === 'assistant');
}

/** vLLM got a conversation that is one, and nothing that is not its own. */
async function expectPlainChat(): Promise<void> {
  const body = await stage.sim.lastBody('vllm');
  const roles = body.messages.map((message: any) => message.role);
  expect(roles.join(' ')).toMatch(/^system (user )+assistant tool tool$/);
  // in the order in which they were done
  expect(firstTurn(body).tool_calls.map((call: any) => call.id).sort()).toEqual(
    body.messages.slice(-2).map((message: any) => message.tool_call_id).sort(),
  );
  for (const message of body.messages.slice(-2)) expect(message.content).toContain('HELLO');
  expect(body.tools.length).toBeGreaterThan(5);
  expect(new Set(body.tools.map((tool: any) => tool.type))).toEqual(new Set(['function']));
  expect(JSON.stringify(body)).not.toMatch(
    /"(cache_control|defer_loading|signature|encrypted_content|context_management)"|x-anthropic-billing/,
  );
}

/** Claude got its own thinking back, and both results in one message. */
async function expectThinkingBack(): Promise<void> {
  const body = await stage.sim.lastBody('anthropic');
  const [thinking] = firstTurn(body).content;
  expect(thinking).toMatchObject({ type: 'thinking', signature: expect.stringMatching(/.{8}/) });
  const results = body.messages
    .flatMap((message: any) => (Array.isArray(message.content) ? message.content : []))
    .filter((block: any) => block.type === 'tool_result');
  expect(results).toHaveLength(2);
  for (const result of results) expect(JSON.stringify(result)).toContain('HELLO');
}

describe('Claude Code', () => {
  test.each(['local', 'cloud', 'claude-opus-4-8'])('runs commands and tells what they said (%s)', async (model) => {
    const result = await claude(model);
    expect(result).toMatchObject({ is_error: false, subtype: 'success', num_turns: 3 });
    expect(result.result).toContain('HELLO');
    expect(result.usage.output_tokens).toBeGreaterThan(0);
    const tier = model === 'local' ? 'local' : 'cloud';
    expect(await backends(2)).toEqual([tier, tier]);
    await (tier === 'local' ? expectPlainChat() : expectThinkingBack());
  }, 60_000);
});

describe('Codex', () => {
  test.each(['local', 'cloud'])('runs commands and tells what they said (%s)', async (model) => {
    const events = await codex(stage.url, model, prompt, 'model_reasoning_effort = "high"');
    const items = completed(events);
    const ran = items.filter((item) => item.type === 'command_execution');
    expect(ran).toHaveLength(2);
    for (const command of ran)
      expect(command).toMatchObject({ aggregated_output: 'HELLO\n', exit_code: 0, status: 'completed' });
    expect(items.at(-1)).toMatchObject({ type: 'agent_message', text: expect.stringContaining('HELLO') });
    expect(events.at(-1)).toMatchObject({
      type: 'turn.completed', usage: { output_tokens: expect.any(Number) },
    });
    expect(await backends(2)).toEqual([model, model]);
    await (model === 'local' ? expectPlainChat() : expectThinkingBack());
  }, 60_000);

  // under a name that it knows its apply_patch takes free text, not JSON
  test.each(tiers)('changes a file with its own tool (%s)', async (tier) => {
    const file = join(home, 'weir.yaml');
    const backend =
      tier === 'local'
        ? `url: ${stage.sim.vllm}\n    models: [{ name: gpt-5.5, upstream: qwen2.5-7b }]`
        : `url: ${stage.sim.anthropic}\n    api_key: sk-test\n    models: [{ name: gpt-5.5, upstream: claude-opus-4-8 }]`;
    writeFileSync(
      file,
      `backends:
  - name: one
    tier: ${tier}
    ${backend}
`,
    );
    const weir = await Weir.start({}, '--config', file);
    try {
      const patch = '*** Begin Patch\n*** Add File: hello.txt\n+hello\n*** End Patch';
      const events = await codex(weir.url, 'gpt-5.5', `Use the apply_patch tool with the text "${patch}"`);
      const items = completed(events);
      expect(items.find((item) => item.type === 'file_change')).toMatchObject({
        status: 'completed', changes: [{ kind: 'add' }],
      });
      expect(readFileSync(join(home, 'work', 'hello.txt'), 'utf8')).toBe('hello\n');
      expect(items.at(-1).text).toContain('Success');
    } finally {
      await weir.stop();
    }
  }, 60_000);
});
