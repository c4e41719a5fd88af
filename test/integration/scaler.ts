// What KEDA 2.20 and the HorizontalPodAutoscaler make of a ScaledObject:
//
//   0 <-> 1   KEDA, every pollingInterval: a trigger above its activation value
//             wakes; when none has been for cooldownPeriod, to sleep
//   1 <-> N   the HPA, every 15 seconds: the most that a trigger asks for,
//             within the bounds of `behavior`
//
// Nothing here knows a query, a threshold or a time: they are the
// ScaledObject's.
import { Cron } from 'croner';
import type { ScaledObject, Trigger } from './scaled-object.ts';

/** The HPA leaves a deviation alone that is not larger. */
const TOLERANCE = 0.1;

export interface Ground {
  /** Seconds of a clock that only goes on. */
  seconds(): number;
  /** What the calendar shows. */
  date(): Date;
  replicas(): number;
  scale(to: number, why: string): void;
}

/** One trigger's word: what it measures and what it wants per replica. */
interface Word {
  name: string;
  target: number;
  value: number;
  isActive: boolean;
  isFallback: boolean;
  error?: string;
}

// --- the triggers ----------------------------------------------------------------

/** As KEDA's scaler asks: one value or nothing, else it is an error. */
async function ask({ metadata }: Trigger): Promise<number> {
  // whole seconds, as KEDA spells the time
  const time = `${new Date().toISOString().slice(0, 19)}Z`;
  const params = new URLSearchParams({ query: metadata.query!, time });
  const answer = await fetch(`${metadata.serverAddress}/api/v1/query?${params}`, { signal: AbortSignal.timeout(3000) });
  if (!answer.ok) throw new Error(`Prometheus says ${answer.status}`);
  const { data } = (await answer.json()) as any;
  if (data.result.length > 1) throw new Error('the query gives several values');
  const value = data.result.length === 0 ? NaN : Number(data.result[0].value[1]);
  if (Number.isFinite(value)) return value;
  if (metadata.ignoreNullValues !== 'false') return 0;
  throw new Error('the query gives nothing');
}

/** Is the window's end nearer than its next start? */
export function isWithin({ metadata }: Trigger, date: Date): boolean {
  const next = (pattern: string) => new Cron(pattern, { timezone: metadata.timezone! }).nextRun(date)!;
  return next(metadata.end!) <= next(metadata.start!);
}

async function measure(trigger: Trigger, date: Date): Promise<{ value: number; isActive: boolean }> {
  const { metadata } = trigger;
  if (trigger.type === 'cron') {
    const isActive = isWithin(trigger, date);
    return { value: isActive ? Number(metadata.desiredReplicas) : 0, isActive };
  }
  const value = await ask(trigger);
  return { value, isActive: value > Number(metadata.activationThreshold ?? 0) };
}

// --- KEDA and the HPA ------------------------------------------------------------

export class Scaler {
  private readonly failures = new Map<string, number>();
  private readonly born: number;
  private lastActive: number | undefined;
  /** What the HPA wanted, and what it did, for `behavior`. */
  private wishes: { at: number; replicas: number }[] = [];
  private moves: { at: number; by: number }[] = [];
  /** The last words, for people. */
  words: Word[] = [];

  constructor(
    readonly object: ScaledObject,
    private readonly ground: Ground,
  ) {
    this.born = ground.seconds();
  }

  /** A trigger that fails speaks for the fallback after so many failures in a
   * row, whoever asked. */
  private async listen(trigger: Trigger): Promise<Word> {
    const { fallback } = this.object.spec;
    const target = trigger.type === 'cron' ? 1 : Number(trigger.metadata.threshold);
    const word = { name: trigger.name, target, value: 0, isActive: false, isFallback: false };
    try {
      const measured = await measure(trigger, this.ground.date());
      this.failures.set(trigger.name, 0);
      return { ...word, ...measured };
    } catch (error) {
      const failures = (this.failures.get(trigger.name) ?? 0) + 1;
      this.failures.set(trigger.name, failures);
      if (fallback === undefined || failures <= fallback.failureThreshold)
        return { ...word, error: (error as Error).message };
      return { ...word, value: this.fallbackReplicas() * target, isActive: true, isFallback: true };
    }
  }

  private fallbackReplicas(): number {
    const { replicas, behavior } = this.object.spec.fallback!;
    if (behavior !== 'currentReplicasIfHigher') throw new Error(`no such fallback here: ${behavior}`);
    return Math.max(replicas, this.ground.replicas());
  }

  /** KEDA's look at the triggers. */
  async poll(): Promise<void> {
    const { fallback, minReplicaCount } = this.object.spec;
    const words = await Promise.all(this.object.spec.triggers.map((trigger) => this.listen(trigger)));
    const active = words.filter(({ isActive }) => isActive);
    const isError = words.some(({ error }) => error !== undefined);
    this.words = words;
    if (active.length > 0) {
      if (this.ground.replicas() === 0)
        this.ground.scale(Math.max(minReplicaCount, 1), active.map(tell).join(', '));
      else if (isError) return; // it does not count as a sign of life
      this.lastActive = this.ground.seconds();
    } else if (isError && (fallback === undefined || fallback.replicas !== 0)) {
      // blind, and not yet, or never, to fall back: all stays as it is
    } else if (this.ground.replicas() > 0 && minReplicaCount === 0 && this.hasCooled()) {
      this.ground.scale(0, `nobody asked for ${this.object.spec.cooldownPeriod} s`);
    }
  }

  private hasCooled(): boolean {
    const { cooldownPeriod, initialCooldownPeriod } = this.object.spec;
    const due =
      this.lastActive === undefined ? this.born + initialCooldownPeriod : this.lastActive + cooldownPeriod;
    return this.ground.seconds() > due;
  }

  /** The HPA's look; it is off while there are no replicas. */
  async sync(): Promise<void> {
    const { minReplicaCount, maxReplicaCount, triggers } = this.object.spec;
    const now = this.ground.replicas();
    if (now === 0) {
      this.wishes = [];
      return;
    }
    const words = await Promise.all(triggers.map((trigger) => this.listen(trigger)));
    const sound = words.filter(({ error }) => error === undefined);
    const wish = Math.max(...sound.map((word) => wanted(word, now)));
    const at = this.ground.replicas();
    // without all of them it does not become fewer; KEDA may have been faster
    if (sound.length === 0 || at !== now || (sound.length < words.length && wish < now)) return;
    const bounded = Math.min(Math.max(wish, minReplicaCount, 1), maxReplicaCount);
    const to = this.allowed(bounded, now);
    if (to === now) return;
    this.moves.push({ at: this.ground.seconds(), by: to - now });
    const why = to > now ? sound.filter((word) => wanted(word, now) > now) : sound.filter(({ value }) => value > 0);
    this.ground.scale(to, why.map(tell).join(', ') || 'nothing asks for more');
  }

  /** `behavior`: what was wanted for a while, and no faster than this. */
  private allowed(wish: number, now: number): number {
    const { scaleUp, scaleDown } = this.object.spec.advanced.horizontalPodAutoscalerConfig.behavior;
    const seconds = this.ground.seconds();
    const since = (window: number) =>
      this.wishes.filter(({ at }) => at > seconds - window).map(({ replicas }) => replicas);
    if (this.wishes.length === 0) this.wishes.push({ at: seconds, replicas: now });
    this.wishes = [...this.wishes.slice(-1000), { at: seconds, replicas: wish }];
    const up = Math.min(wish, ...since(scaleUp.stabilizationWindowSeconds));
    const down = Math.max(wish, ...since(scaleDown.stabilizationWindowSeconds));
    if (up > now) return Math.min(up, Math.max(...scaleUp.policies.map((policy) => this.bound(policy, now, +1))));
    if (down < now) return Math.max(down, Math.min(...scaleDown.policies.map((policy) => this.bound(policy, now, -1))));
    return now;
  }

  /** As far as one policy lets it go, counted from the period's begin. */
  private bound(policy: { type: string; value: number; periodSeconds: number }, now: number, sign: 1 | -1): number {
    const since = this.ground.seconds() - policy.periodSeconds;
    const moved = this.moves.filter(({ at }) => at > since);
    const begin = now - moved.reduce((sum, { by }) => sum + by, 0);
    return policy.type === 'Pods'
      ? begin + sign * policy.value
      : sign > 0
        ? Math.ceil(begin * (1 + policy.value / 100))
        : Math.floor(begin * (1 - policy.value / 100));
  }
}

/** Of an AverageValue: so many replicas that each has its target. */
function wanted({ value, target }: Word, now: number): number {
  const milli = Math.trunc(value * 1000) / 1000; // as the metrics API spells it
  return Math.abs(milli / (target * now) - 1) <= TOLERANCE ? now : Math.ceil(milli / target);
}

function tell({ name, value, isFallback }: Word): string {
  return isFallback ? `${name} fell back` : `${name} ${Number(value.toFixed(2))}`;
}
