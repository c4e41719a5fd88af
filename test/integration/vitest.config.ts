import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['*.test.ts'],
    setupFiles: ['./setup.ts'],
    // sanitizer builds on small machines are slow
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // a test that nobody meant to leave alone must not decide what runs
    allowOnly: false,
  },
});
