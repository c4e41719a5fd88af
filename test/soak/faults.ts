// Random faults, by a seed, and the memory of when they were.
import { Sim, type Target } from '../integration/harness.ts';
import type { BackendName } from './kinds.ts';

/** The router cannot know at once that a fault is over: so long it may take. */
const GRACE_MS = 600;
/** A quarter of the shortest of the router's patience. */
const STARVED_MS = 250;
/** More than fit into the time that a request can take. */
const MOST_SPELLS = 400;

/** Marsaglia's xorshift, so that a run can be repeated. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** None that tells the caller to mend his request: that is nobody's failure. */
export const repertoire = [
  'refuse=60', 'crash=60', 'cold=60', 'status=500', 'status=502', 'status=503', 'status=503; retry-after=1',
  'status=429', 'status=429; retry-after=1', 'status=529', 'late=300', 'late=5000', 'slow=300', 'slow=5000',
  'never', 'stall=0', 'stall=5', 'error=0', 'error=5', 'cut=0', 'cut=300', 'cut=4000', 'end=0', 'end=300',
  'end=4000', 'garbage=http', 'garbage=json', 'empty', 'no-end', 'close', 'split=1', 'split=100',
];

export interface Place {
  sim: Sim;
  target: Target;
}

interface Spell {
  from: number;
  to: number;
}

export class Troubles {
  readonly counts: Record<string, number> = {};
  private readonly spells: Record<BackendName, Spell[]> = { 'near-0': [], 'near-1': [], far: [] };
  /** When this process itself got no processor for a while. */
  readonly starved = { times: 0, ms: 0 };
  private stopped = false;

  constructor(
    private readonly places: Record<BackendName, Place>,
    private readonly random: () => number,
  ) {}

  /** Was something wrong with all of them at some time from `from` to `to`? */
  hadNoneHealthy(names: BackendName[], from: number, to: number): boolean {
    return names.every((name) => this.hadTrouble(name, from, to));
  }

  hadTrouble(name: BackendName, from: number, to: number): boolean {
    return this.spells[name].some((spell) => spell.from <= to && spell.to + GRACE_MS >= from);
  }

  /** One backend after the other falls ill and recovers, until stop(). */
  async run(name: BackendName): Promise<void> {
    while (!this.stopped) {
      await this.sleep(500 + 4000 * this.random());
      if (this.stopped) return;
      const fault = repertoire[Math.floor(this.random() * repertoire.length)]!;
      const spell = { from: Date.now(), to: Infinity };
      this.remember(name, spell);
      this.counts[fault] = (this.counts[fault] ?? 0) + 1;
      await this.set(name, { fault });
      await this.sleep(200 + 2500 * this.random());
      await this.set(name, { fault: null });
      spell.to = Date.now();
    }
  }

  /** Whoever shares the machine may take all of it.  While this process gets no
   * processor the backends get none either, and are silent for the router: that
   * counts as an illness of them all. */
  async watchMachine(): Promise<void> {
    for (let from = Date.now(); !this.stopped; from = Date.now()) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const ms = Date.now() - from;
      if (ms < STARVED_MS) continue;
      this.starved.times++;
      this.starved.ms += ms;
      for (const name of Object.keys(this.spells) as BackendName[])
        this.remember(name, { from: from - STARVED_MS, to: from + ms + STARVED_MS });
    }
  }

  stop(): void {
    this.stopped = true;
  }

  private remember(name: BackendName, spell: Spell): void {
    this.spells[name].push(spell);
    if (this.spells[name].length > MOST_SPELLS) this.spells[name].shift();
  }

  private async set(name: BackendName, fault: object): Promise<void> {
    const { sim, target } = this.places[name];
    // through the twin, which has nothing else to do and never refuses
    const port = target === 'vllm' ? sim.anthropic : sim.vllm;
    const order = () =>
      fetch(`${port}/sim/fault?target=${target}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(fault),
      });
    // a kept connection may be closed just when it is used again
    const answer = await order().catch(order);
    if (answer.status !== 200) throw new Error(await answer.text());
  }

  private async sleep(ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!this.stopped && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, Math.min(100, end - Date.now() + 1)));
  }
}
