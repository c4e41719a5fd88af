import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/*.test.ts'],
    globalSetup: 'test/global.ts',
    // One process for all files, which share the stacks that they look at: to
    // synthesise them is nearly all of the work.
    maxWorkers: 1,
    isolate: false,
    // A synthesis takes seconds, more on a busy machine.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
