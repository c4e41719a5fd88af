// The local tier sleeps at zero and wakes by demand: the ScaledObjects of
// platform/helm/vllm against a real Prometheus, real routers and stand-ins
// that come and go.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chapters } from './scale-from-zero.ts';
import { World } from './scale-world.ts';

let world: World;

beforeAll(async () => {
  world = await World.begin();
}, 60_000);
afterAll(() => world?.end(), 30_000);

// one after the other: each begins where the one before has ended
test.each(Object.keys(chapters))('%s', { timeout: 90_000 }, async (name) => {
  const { chat, code } = world.scaled;
  await chapters[name]!(world, chat!, code!).catch((error) => {
    throw new Error(`${error.message}\n${world.lines.join('\n')}`, { cause: error });
  });
});

test('the story was told', () => {
  expect(world.lines.length).toBeGreaterThan(15);
});
