// A local tier that can be put to sleep: stand-ins for vLLM on fixed ports.
// What is asleep refuses connections; what wakes does so, too, while "its node
// comes", and answers 503 while it loads.
import { Sim, sleep } from './harness.ts';

export interface TierOptions {
  model: string;
  /** One for each replica that there may be. */
  ports: number[];
  /** How long a node takes to come. */
  nodeMs: number;
  /** How long the model loads, in whole seconds. */
  loadSeconds: number;
  /** Further arguments of `weir sim`. */
  args: string[];
}

class Pod {
  private readonly begun: Promise<Sim | undefined>;
  private isWanted = true;

  /** `before` is the end of the one that had the port. */
  constructor(port: number, options: TierOptions, before: Promise<unknown> | undefined) {
    this.begun = Promise.all([sleep(options.nodeMs), before]).then(() => {
      if (!this.isWanted) return undefined;
      const { model, loadSeconds, args } = options;
      return Sim.start('--vllm-port', String(port), '--model', model, '--cold', String(loadSeconds), ...args);
    });
  }

  /** As vLLM ends with --shutdown-timeout, and the Service before it: nothing
   * new comes in, and what is under way goes on. */
  async end(): Promise<void> {
    this.isWanted = false;
    const sim = await this.begun;
    if (sim === undefined) return;
    await sim.fault('vllm', { fault: 'refuse', seconds: 60 });
    const isBusy = async () => {
      const { running, waiting } = await sim.state('vllm');
      return running + waiting > 0;
    };
    while (await isBusy()) await sleep(50);
    await sim.stop();
  }
}

export class LocalTier {
  private readonly pods: Pod[] = [];
  private readonly ends: Promise<void>[] = [];

  constructor(private readonly options: TierOptions) {}

  get replicas(): number {
    return this.pods.length;
  }

  /** The youngest goes first. */
  scale(to: number): void {
    while (this.pods.length > to) {
      const pod = this.pods.pop()!;
      this.ends[this.pods.length] = pod.end();
    }
    while (this.pods.length < to) {
      const at = this.pods.length;
      this.pods.push(new Pod(this.options.ports[at]!, this.options, this.ends[at]));
    }
  }

  /** Asleep, and nothing is left of what was awake. */
  async stop(): Promise<void> {
    this.scale(0);
    await Promise.all(this.ends);
  }
}
