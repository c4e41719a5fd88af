import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/*.test.ts'],
    // A template of the whole app takes seconds, more on a busy machine.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
