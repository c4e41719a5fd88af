// What the tests of the client libraries share: one router on both stand-ins
// for a file, and an eye on which backend each answer came from.
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { z } from 'zod';
import { Sim, Weir } from './harness.ts';

/** Names that the router takes for a whole tier. */
export const tiers = ['local', 'cloud'] as const;

export class Stage {
  sim!: Sim;
  weir!: Weir;
  /** X-Router-Backend of each answer, since the test began. */
  backends: (string | null)[] = [];

  /** For the options of an SDK. */
  fetch: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    this.backends.push(answer.headers.get('x-router-backend'));
    return answer;
  };

  get url(): string {
    return this.weir.url;
  }
}

/** To be called at the top of a test file. */
export function useStage(env: Record<string, string> = {}, ...simArgs: string[]): Stage {
  const stage = new Stage();
  beforeAll(async () => {
    stage.sim = await Sim.start(...simArgs);
    stage.weir = await Weir.between(stage.sim, env);
  });
  beforeEach(() => {
    stage.backends = [];
  });
  afterAll(async () => {
    await stage.weir?.stop();
    await stage.sim?.stop();
  });
  return stage;
}

// --- what is asked -----------------------------------------------------------

export const count = 'Count from 1 to 5';
export const counted = /1\D+2\D+3\D+4\D+5/;

export const twoCities = 'What is the weather in Berlin and in Paris?';
export const City = z.object({ city: z.string() });

/** The tool itself: each city has its degrees. */
export function degrees(city: string): string {
  return city === 'Paris' ? '19 degrees in Paris' : '7 degrees in Berlin';
}

export const ada = 'Describe a person named Ada';
export const Person = z.object({
  name: z.string(),
  age: z.number().int(),
  tags: z.array(z.string()),
});

// --- what goes wrong ----------------------------------------------------------

/** As the last line of a question: the stand-in has no time for it. */
export const busy = '[[sim: status=429; retry-after=7]]';

/** A question whose answer breaks off when some of it has been sent. */
export const breaks = 'Count from 1 to 200\n[[sim: error=60; split=200]]';

/** What a call was refused with; that it is not refused is a failure. */
export async function failure(call: PromiseLike<unknown>): Promise<any> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('nothing went wrong');
}
