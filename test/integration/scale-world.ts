// Where scaling from zero is tried out: two routers of two workers each, as
// two pods of a Deployment; a real Prometheus that scrapes them and the
// stand-ins for vLLM; the ScaledObjects of platform/helm/vllm, and what KEDA
// and the HPA make of them.
import { fileURLToPath } from 'node:url';
import { eventually, freePort, hello, Sim, sleep, Weir } from './harness.ts';
import { LocalTier } from './local-tier.ts';
import { type Job, Prometheus, scraping } from './prometheus.ts';
import { renderChart, type ScaledObject, scaledObjects } from './scaled-object.ts';
import { Scaler } from './scaler.ts';

const values = fileURLToPath(new URL('scale-from-zero.values.yaml', import.meta.url));
/** The HPA looks every 15 s; no value of the chart can change that. */
const HPA_SYNC_MS = 500;
/** A Sunday night: no hour in which anything is kept warm. */
const NIGHT = '2026-11-22T02:00:00Z';

const started = performance.now();
export const seconds = () => (performance.now() - started) / 1000;

// --- the callers -----------------------------------------------------------------

export interface Call {
  model: string;
  to: number;
  status: number;
  /** local, cloud, or none when nobody answered. */
  tier: string;
  retryAfter: string | null;
}

export class Callers {
  readonly calls: Call[] = [];
  private turn = 0;
  private readonly loops: Promise<void>[] = [];
  private isAsking = false;

  constructor(private readonly routers: () => Weir[]) {}

  /** One request, to the routers in turn. */
  async ask(body: { model: string }, headers: Record<string, string> = {}): Promise<Call> {
    const routers = this.routers();
    const router = routers[this.turn++ % routers.length]!;
    const answer = await router.post({ messages: hello, ...body }, headers);
    await answer.text();
    const call = {
      model: body.model,
      to: seconds(),
      status: answer.status,
      tier: answer.headers.get('x-router-backend') ?? 'none',
      retryAfter: answer.headers.get('retry-after'),
    };
    this.calls.push(call);
    return call;
  }

  /** So many at a time, until stop(). */
  start(parallel: number, body: { model: string; messages?: object[] }, pauseMs = 0): void {
    this.isAsking = true;
    const loop = async () => {
      while (this.isAsking) {
        await this.ask(body);
        await sleep(pauseMs);
      }
    };
    for (let i = 0; i < parallel; i++) this.loops.push(loop());
  }

  async stop(): Promise<void> {
    this.isAsking = false;
    await Promise.all(this.loops.splice(0));
  }

  /** How many of the calls from there on each tier answered, and failures. */
  tally(from = 0): { local: number; cloud: number; failed: number } {
    const calls = this.calls.slice(from);
    const by = (tier: string) => calls.filter((call) => call.status === 200 && call.tier === tier).length;
    return { local: by('local'), cloud: by('cloud'), failed: calls.filter(({ status }) => status !== 200).length };
  }
}

// --- a model's tier, and who scales it ---------------------------------------------

export class Scaled {
  scaler: Scaler;
  /** Moments at which KEDA has looked. */
  polls = 0;
  private isRunning = true;
  private readonly loops: Promise<void>[];

  constructor(
    readonly name: string,
    readonly object: ScaledObject,
    readonly tier: LocalTier,
    private readonly world: World,
  ) {
    this.scaler = this.scalerOf(object);
    this.loops = [
      this.every(object.spec.pollingInterval * 1000, async () => {
        await this.scaler.poll();
        this.polls++;
      }),
      this.every(HPA_SYNC_MS, () => this.scaler.sync()),
    ];
  }

  get replicas(): number {
    return this.tier.replicas;
  }

  /** From now on this is what KEDA has been told. */
  apply(object: ScaledObject): void {
    this.scaler = this.scalerOf(object);
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await Promise.all(this.loops);
    await this.tier.stop();
  }

  private scalerOf(object: ScaledObject): Scaler {
    return new Scaler(object, {
      seconds,
      date: () => this.world.date,
      replicas: () => this.tier.replicas,
      scale: (to, why) => {
        this.world.say(this.name, `${this.tier.replicas} -> ${to}: ${why}`);
        this.tier.scale(to);
      },
    });
  }

  private async every(ms: number, look: () => Promise<void>): Promise<void> {
    for (let due = performance.now(); this.isRunning; due = Math.max(due + ms, performance.now())) {
      while (this.isRunning && performance.now() < due) await sleep(Math.min(50, due - performance.now()));
      if (this.isRunning) await look();
    }
  }
}

// --- all of it -----------------------------------------------------------------------

export class World {
  /** What the calendar shows; only cron reads it. */
  date = new Date(NIGHT);
  readonly lines: string[] = [];
  readonly scaled: Record<string, Scaled> = {};
  readonly callers = new Callers(() => this.routers);
  routers: Weir[] = [];
  cloud!: Sim;
  prometheus!: Prometheus;
  private config = '';
  private routerPorts: number[] = [];

  private constructor(private readonly print: (line: string) => void) {}

  static async begin(print: (line: string) => void = () => {}): Promise<World> {
    const world = new World(print);
    const [prometheus, ...free] = await Promise.all(Array.from({ length: 6 }, freePort));
    const ports: Ports = { chat: free.slice(0, 2), code: free.slice(2, 3) };
    world.routerPorts = free.slice(3);
    const rendered = renderChart([values], { 'prometheus.serverAddress': `http://127.0.0.1:${prometheus}` });
    const models = modelsOf(rendered);
    world.cloud = await Sim.start();
    world.config = configOf(models, ports, world.cloud.anthropic);
    world.routers = await Promise.all(world.routerPorts.map((_, i) => world.startRouter(i)));
    world.prometheus = await Prometheus.start(scraping(jobsOf(world.routerPorts, models, ports), '250ms'), 1, prometheus);
    await eventually('Prometheus has seen the routers twice', async () => {
      const looks = Object.values(models).map(({ object }) => world.prometheus.query(object.spec.triggers[0]!.metadata.query!));
      return (await Promise.all(looks)).every((found) => found.length === 1);
    }, 30_000);
    for (const [key, { name, servedName, object }] of Object.entries(models)) {
      const args = ['--slots', '8', '--tokens-per-second', '60', '--first-token-ms', '20'];
      const tier = new LocalTier({ model: servedName, ports: ports[key]!, nodeMs: 700, loadSeconds: 1, args });
      world.scaled[key] = new Scaled(name, object, tier, world);
    }
    return world;
  }

  say(who: string, what: string): void {
    const line = `${seconds().toFixed(1).padStart(5)} s  ${who.padEnd(10)}  ${what}`;
    this.lines.push(line);
    this.print(line);
  }

  /** A pod that was replaced: all of its counters begin anew. */
  async restartRouter(i: number): Promise<void> {
    await this.routers[i]!.stop();
    this.routers[i] = await this.startRouter(i);
  }

  async end(): Promise<void> {
    await this.callers.stop();
    await Promise.all(Object.values(this.scaled).map((scaled) => scaled.stop()));
    await Promise.all(this.routers.map((router) => router.stop()));
    await this.prometheus.stop();
    await this.cloud.stop();
  }

  private startRouter(i: number): Promise<Weir> {
    return Weir.configured(this.config, {
      PORT: String(this.routerPorts[i]),
      WEIR_WORKERS: '2',
      HOLD_TIMEOUT: '1s',
      PROBE_COLD_INTERVAL: '200ms',
      PROBE_INTERVAL: '500ms',
    });
  }
}

type Ports = Record<string, number[]>;

interface Model {
  name: string;
  servedName: string;
  /** As the router calls it. */
  backend: string;
  object: ScaledObject;
}

/** By their keys in values.yaml, from what the chart makes of them. */
function modelsOf(rendered: any[]): Record<string, Model> {
  const objects = scaledObjects(rendered);
  return Object.fromEntries(
    rendered
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata: { name, labels }, spec }) => {
        const object = objects[name]!;
        const { args } = spec.template.spec.containers[0];
        const servedName = args.find((arg: string) => arg.startsWith('--served-model-name=')).split('=')[1];
        const backend = /backend="([^"]*)"/.exec(object.spec.triggers[0]!.metadata.query!)![1]!;
        return [labels['app.kubernetes.io/component'], { name, servedName, backend, object }];
      }),
  );
}

/** With the labels that they have in the cluster. */
function jobsOf(routers: number[], models: Record<string, Model>, ports: Ports): Job[] {
  const pods = (namespace: string, name: string, list: number[]) =>
    list.map((port, i) => ({ port, labels: { namespace, pod: `${name}-${i}` } }));
  const tiers = Object.entries(models).flatMap(([key, { name }]) => pods('inference', name, ports[key]!));
  return [
    { name: 'weir', targets: pods('router', 'weir', routers) },
    { name: 'vllm', targets: tiers },
  ];
}

function configOf(models: Record<string, Model>, ports: Ports, cloud: string): string {
  const local = Object.entries(models).map(([key, { backend, servedName }]) => ({
    name: backend,
    tier: 'local',
    url: ports[key]!.map((port) => `http://127.0.0.1:${port}`),
    models: [{ name: servedName, context_window: 8192 }],
  }));
  const backends = [
    ...local,
    { name: 'anthropic', tier: 'cloud', url: cloud, api_key: 'sk-test', default_model: 'claude-sonnet-4-6' },
  ];
  return JSON.stringify({ backends }); // which is YAML, too
}
