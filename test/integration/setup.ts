/** For every test file: nothing that it started outlives it. */
import { afterAll } from 'vitest';
import { endAll } from './harness.ts';

afterAll(endAll);
