// Where the soak plays: three stand-ins, the router between them, and its
// configuration, which is read anew all the time.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sim, Weir } from '../integration/harness.ts';
import type { Place } from './faults.ts';
import type { BackendName } from './kinds.ts';

const PACE = ['--tokens-per-second', '1000', '--slots', '4096', '--embedding-model', 'bge-m3'];

const settings: Record<string, string> = {
  // a sanitizer that holds back what was freed would look like a leak
  ASAN_OPTIONS: 'detect_leaks=1:exitcode=66:quarantine_size_mb=8',
  CONNECT_TIMEOUT: '1s',
  FIRST_BYTE_TIMEOUT: '1s',
  FIRST_TOKEN_TIMEOUT: '1s',
  IDLE_TIMEOUT: '1s',
  HOLD_TIMEOUT: '1s',
  TOTAL_TIMEOUT: '10s',
  PROBE_INTERVAL: '500ms',
  PROBE_COLD_INTERVAL: '100ms',
  PROBE_TIMEOUT: '500ms',
  REST_TIME: '200ms',
  KEEP_ALIVE_TIMEOUT: '2s',
  POOL_IDLE_TIMEOUT: '2s',
  // full within the warm-up: what is stored would look like a leak, too
  RESPONSES_STORE_BYTES: '64KiB',
};

export interface Stage {
  weir: Weir;
  places: Record<BackendName, Place>;
  /** Reads the configuration anew: every other time there are rules and a
   * backend more in it. */
  reload(): void;
  close(): Promise<void>;
}

const more = `rules:
  - { name: shouted, when: { text: '[A-Z]{40}' }, use: spare-model }
`;
const spare = `  - name: spare
    tier: local
    url: http://127.0.0.1:9
    models: [{ name: spare-model }]
`;

export async function open(dir: string, env: Record<string, string>): Promise<Stage> {
  const sims = await Promise.all([Sim.start(...PACE), Sim.start(...PACE), Sim.start(...PACE)]);
  const [first, second, third] = sims as [Sim, Sim, Sim];
  const path = join(dir, 'weir.yaml');
  const write = (isMore: boolean) =>
    writeFileSync(
      path,
      `backends:
  - name: near
    tier: local
    url: [${first.vllm}, ${second.vllm}]
    models: [{ name: qwen2.5-7b }, { name: bge-m3, serves: embeddings }]
  - name: far
    tier: cloud
    url: ${third.anthropic}
    api_key: k
    default_model: claude-sonnet-4-6
${isMore ? spare + more : ''}`,
    );
  write(false);
  const stopSims = async () => void (await Promise.all(sims.map((sim) => sim.stop())));
  const weir = await Weir.start({ ...settings, ...env }, '--config', path).catch(async (error) => {
    await stopSims();
    throw error;
  });
  let isMore = false;
  return {
    weir,
    places: {
      'near-0': { sim: first, target: 'vllm' },
      'near-1': { sim: second, target: 'vllm' },
      far: { sim: third, target: 'anthropic' },
    },
    reload() {
      write((isMore = !isMore));
      weir.signal('SIGHUP');
    },
    close: stopSims,
  };
}
