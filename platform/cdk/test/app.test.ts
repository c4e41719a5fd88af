import { expect, test } from 'vitest';
import { stackNames } from '../lib/stacks.ts';
import { configWith, stacksOf } from './synth.ts';

test('an app has seven stacks, each deployed after those that it needs', () => {
  const { app } = stacksOf();
  const { stacks } = app.synth();
  expect(stacks.map(({ stackName }) => stackName).sort()).toEqual([...stackNames].sort());
  // `cdk deploy --all` goes by these; the list is what the teardown reverses.
  for (const stack of stacks) {
    const before = stackNames.slice(0, stackNames.indexOf(stack.stackName as never));
    const needed = stack.dependencies.map(({ id }) => id.replace(/\.assets$/, '')).filter((id) => id !== stack.id);
    for (const id of needed) expect(before, stack.stackName).toContain(id);
    const previous = before.at(-1);
    if (previous) expect(reachable(stack), stack.stackName).toContain(previous);
  }
});

/** All stacks that must be there before, however far away. */
function reachable(stack: { dependencies: readonly { id: string }[] }, seen = new Set<string>()): Set<string> {
  for (const next of stack.dependencies)
    if (!seen.has(next.id)) {
      seen.add(next.id);
      reachable(next as never, seen);
    }
  return seen;
}

test('two zones are refused', () => {
  expect(() => stacksOf(configWith({ availabilityZones: ['eu-central-1a', 'eu-central-1b'] }))).toThrow(
    'availabilityZones: three different zones are needed',
  );
});
