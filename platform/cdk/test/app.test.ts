import { expect, test } from 'vitest';
import { stackNames } from '../lib/stacks.ts';
import { configWith, stacksOf } from './synth.ts';

test('an app has seven stacks in the order of their dependencies', () => {
  const { app } = stacksOf();
  const assembly = app.synth();
  expect(assembly.stacks.map((stack) => stack.stackName)).toEqual(expect.arrayContaining([...stackNames]));
  expect(assembly.stacks).toHaveLength(stackNames.length);
});

test('two zones are refused', () => {
  expect(() => stacksOf(configWith({ availabilityZones: ['eu-central-1a', 'eu-central-1b'] }))).toThrow(
    'availabilityZones: three different zones are needed',
  );
});
