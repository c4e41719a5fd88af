// Scaling from zero, told in chapters: each does something and insists on what
// must come of it.  `make scale-from-zero` prints the story; the test runs it.
import assert from 'node:assert/strict';
import { eventually, sleep } from './harness.ts';
import { withTriggers } from './scaled-object.ts';
import { type Scaled, seconds, type World } from './scale-world.ts';

const PATIENCE_MS = 30_000; // a busy machine
const CODE = 'qwen2.5-coder-7b-instruct';

/** Until a model's tier has so many replicas. */
const until = (scaled: Scaled, replicas: number) =>
  eventually(`${scaled.name} has ${replicas} replicas`, () => scaled.replicas === replicas, PATIENCE_MS);

/** Until KEDA has looked so often. */
function looks(scaled: Scaled, times: number): Promise<unknown> {
  const from = scaled.polls;
  return eventually('KEDA has looked', () => scaled.polls >= from + times, PATIENCE_MS);
}

const wordOf = (scaled: Scaled, name: string) => scaled.scaler.words.find((word) => word.name === name)!;

/** Until the demand's query gives a value that fits. */
const demand = (scaled: Scaled, what: string, fits: (value: number) => boolean) =>
  eventually(`the demand ${what}`, () => {
    const word = wordOf(scaled, 'demand');
    return word !== undefined && word.error === undefined && fits(word.value);
  }, PATIENCE_MS);

/** Until Prometheus says so of the demand, whether or not KEDA has been told to ask. */
const known = (world: World, { object }: Scaled, what: string, fits: (value: number) => boolean) =>
  eventually(`the demand, in Prometheus, ${what}`, async () => {
    const [found] = await world.prometheus.query(object.spec.triggers[0]!.metadata.query!);
    return found !== undefined && fits(Number(found.value[1]));
  }, PATIENCE_MS);

function tell(world: World, from = 0): { local: number; cloud: number; failed: number } {
  const { local, cloud, failed } = world.callers.tally(from);
  world.say('callers', `${local + cloud + failed} requests: ${cloud} by the cloud, ${local} local, ${failed} failed`);
  return { local, cloud, failed };
}

type Chapter = (world: World, chat: Scaled, code: Scaled) => Promise<void>;

export const chapters: Record<string, Chapter> = {
  'at zero replicas nobody asks, and nothing is wrong': async (world, chat, code) => {
    await demand(chat, 'is 0', (value) => value === 0);
    await looks(chat, 2);
    for (const scaled of [chat, code]) {
      assert.equal(scaled.replicas, 0);
      assert.deepEqual(scaled.scaler.words.filter(({ isActive }) => isActive), []);
    }
    world.say('both', 'asleep: demand 0, queue nothing, and it is Sunday');
  },

  "vLLM's own metric alone never wakes it": async (world, chat, code) => {
    code.apply(withTriggers(code.object, 'queue'));
    world.say(code.name, 'with the trigger on its own queue alone');
    world.callers.start(2, { model: CODE }, 100);
    await known(world, code, 'is there', (value) => value > 0);
    await looks(code, 3);
    await world.callers.stop();
    const { local, cloud, failed } = tell(world);
    assert.deepEqual([local, failed, cloud > 4], [0, 0, true]);
    assert.deepEqual([wordOf(code, 'queue').value, wordOf(code, 'queue').isActive], [0, false]);
    assert.deepEqual([code.replicas, chat.replicas], [0, 0]);
    world.say(code.name, 'asleep all the while: the trap that the demand trigger is for');
  },

  'the very first request wakes it, and the cloud answers': async (world, chat, code) => {
    const { status, tier } = await world.callers.ask({ model: 'auto' });
    world.say('callers', `one request: ${status} by the ${tier}`);
    assert.deepEqual([status, tier], [200, 'cloud']);
    await until(chat, 1);
    assert.equal(code.replicas, 0, 'the other model is none of its business');
  },

  'no request fails while it loads, and then it is local again': async (world, chat, code) => {
    const from = world.callers.calls.length;
    world.callers.start(1, { model: 'auto' }, 350);
    await eventually('the last eight are local', () => {
      const last = world.callers.calls.slice(from).slice(-8);
      return last.length === 8 && last.every(({ tier }) => tier === 'local');
    }, PATIENCE_MS);
    const { local, cloud, failed } = tell(world, from);
    assert.deepEqual([failed, local >= 8, cloud > 0], [0, true, true]);
    assert.equal(chat.replicas, 1, 'one is enough for what it serves well');
    await known(world, code, 'is forgotten', (value) => value === 0);
    code.apply(code.object); // all of its triggers again
  },

  'more than one replica can take brings a second, and less takes it back': async (world, chat) => {
    await world.callers.stop();
    const from = world.callers.calls.length;
    world.callers.start(14, { model: 'auto', messages: [{ role: 'user', content: 'Count from 1 to 30' }] });
    world.say('callers', '14 at a time, of which one replica computes 8');
    await until(chat, 2);
    await sleep(1200); // two looks of the HPA
    assert.equal(chat.replicas, 2, 'it stays: the same work is half as much for each');
    await world.callers.stop();
    assert.equal(tell(world, from).failed, 0);
    world.callers.start(1, { model: 'auto' }, 100);
    await until(chat, 1);
    await world.callers.stop();
    assert.equal(world.callers.tally(from).failed, 0, 'also by the one that goes');
  },

  'a request that must not leave the house wakes its model': async (world, _, code) => {
    const before = (await world.cloud.state('anthropic')).requests;
    const pinned = () => world.callers.ask({ model: CODE }, { 'x-router-policy': 'local-only' });
    const first = await pinned();
    assert.equal(first.status, 503);
    assert.match(first.retryAfter!, /^\d+$/);
    world.say('callers', `one for code that is pinned: ${first.status}, Retry-After ${first.retryAfter}`);
    let refused = 1;
    const call = await eventually('it is answered', async () => {
      await sleep(Number(first.retryAfter) * 100);
      const again = await pinned();
      refused += again.status === 503 ? 1 : 0;
      return again.status === 200 && again;
    }, PATIENCE_MS);
    world.say('callers', `the same, ${refused} times refused: ${call.status} ${call.tier}`);
    assert.equal(call.tier, 'local');
    assert.equal(code.replicas, 1);
    assert.equal((await world.cloud.state('anthropic')).requests, before, 'the cloud never saw it');
  },

  'when nobody asks it sleeps, not before the cooldown': async (world, chat) => {
    const { to } = world.callers.calls.findLast(({ model }) => model === 'auto')!;
    await until(chat, 0);
    const idle = seconds() - to;
    assert.ok(idle > chat.object.spec.cooldownPeriod, `asleep after ${idle} s`);
  },

  'a router that is replaced, with counters from 0, wakes nobody': async (world, chat) => {
    await world.restartRouter(0);
    world.say('router', 'weir-0 is a new pod');
    await looks(chat, 3);
    await demand(chat, 'is 0', (value) => value === 0);
    assert.equal(chat.replicas, 0);
  },

  'in office hours one is kept though nobody asks, and not after': async (world, chat, code) => {
    const at = (date: string) => {
      world.date = new Date(date);
      world.say('calendar', world.date.toLocaleString('en-GB', { timeZone: 'Europe/Berlin', weekday: 'long', hour: '2-digit', minute: '2-digit' }));
    };
    at('2026-11-23T06:59:00Z'); // 7:59 in Berlin
    await looks(chat, 1);
    assert.equal(chat.replicas, 0);
    at('2026-11-23T07:01:00Z');
    await until(chat, 1);
    await looks(chat, chat.object.spec.cooldownPeriod + 1);
    assert.equal(chat.replicas, 1, 'longer than the cooldown');
    at('2026-11-23T19:01:00Z'); // 20:01
    await until(chat, 0);
    await until(code, 0);
  },

  'a lost Prometheus wakes one and keeps it, but not where that was not wanted': async (world, chat, code) => {
    await world.prometheus.halt();
    world.say('prometheus', 'is gone');
    await until(chat, 1);
    assert.ok(chat.scaler.words.some(({ isFallback }) => isFallback));
    const kept = looks(chat, chat.object.spec.cooldownPeriod + 2);
    await eventually('the local tier answers', async () => {
      const { status, tier } = await world.callers.ask({ model: 'auto' });
      assert.equal(status, 200);
      return tier === 'local';
    }, PATIENCE_MS);
    await kept;
    assert.deepEqual([chat.replicas, code.replicas], [1, 0]);
    await world.prometheus.resume();
    await demand(chat, 'is heard again', () => true);
    world.say('prometheus', 'is back, and heard');
  },
};
