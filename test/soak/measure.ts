// Memory, descriptors and counters of the router.
import { readdirSync, readFileSync } from 'node:fs';
import type { Weir } from '../integration/harness.ts';

export interface Sample {
  at: number;
  rssKb: number;
  descriptors: number;
}

export function sample(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    at: Date.now(),
    rssKb: Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export const most = (values: number[]): number => values.reduce((a, b) => Math.max(a, b), 0);
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Resident memory over time as a straight line, by least squares. */
function line(samples: Sample[]): { kbPerMinute: number; meanKb: number } {
  const at = mean(samples.map((s) => s.at));
  const meanKb = mean(samples.map((s) => s.rssKb));
  const top = samples.reduce((sum, s) => sum + (s.at - at) * (s.rssKb - meanKb), 0);
  const bottom = samples.reduce((sum, s) => sum + (s.at - at) ** 2, 0);
  return { kbPerMinute: bottom === 0 ? 0 : (top / bottom) * 60_000, meanKb };
}

/** So many requests until nothing finds its size for the first time any more:
 * in half an hour of 150 requests a second the last step came after 44,000. */
const SETTLED = 45_000;

/** The first third is for warming up: pools, caches and the allocator find their
 * size, and do so again when there are for the first time as many callers as
 * there will ever be.  After it the line may rise by 3 MiB, or 15 % of what is
 * resident if that is more: runs that leak nothing rise or fall by up to 1 MiB,
 * with what waits for receivers that are away.  In thirty minutes at 150 requests
 * a second that is 17 bytes for each request.  A run whose third is over before
 * all has settled may rise by the last steps as well, another 3 MiB: in two
 * minutes at 250 requests a second 300 bytes a request; the smallest thing that
 * a request owns, its record, has more. */
export function checkMemory(samples: Sample[], sent: number, must: (what: string, ok: boolean) => void): string {
  const warm = samples.slice(Math.floor(samples.length / 3));
  const { kbPerMinute, meanKb } = line(warm);
  const minutes = (warm.at(-1)!.at - warm[0]!.at) / 60_000;
  const grown = kbPerMinute * minutes;
  const last = sent / 3 < SETTLED ? 3072 : 0;
  const allowed = Math.max(3072, meanKb * 0.15) + last;
  must(
    `memory is flat: ${kbPerMinute.toFixed(1)} KB/min, ${grown.toFixed(0)} KB in ${minutes.toFixed(1)} min, ${allowed.toFixed(0)} KB allowed`,
    grown <= allowed,
  );
  const perRequest = (grown * 1024) / ((sent * warm.length) / samples.length);
  return `resident: ${meanKb.toFixed(0)} KB in the mean after warming up, most ${most(samples.map((s) => s.rssKb))} KB; ${perRequest.toFixed(1)} bytes a request`;
}

// --- counters --------------------------------------------------------------------

export type Counters = Record<string, number>;

export async function counters(weir: Weir): Promise<Counters> {
  const page = async () => (await fetch(`${weir.url}/metrics`)).text();
  // a kept connection may be closed just when it is used again
  const text = await page().catch(page);
  const lines = text.split('\n').filter((l) => l.startsWith('weir_'));
  return Object.fromEntries(lines.map((l) => [l.slice(0, l.lastIndexOf(' ')), Number(l.split(' ').at(-1))]));
}

/** The sum of the series of a family with that label. */
export function sum(all: Counters, family: string, label = ''): number {
  return Object.entries(all)
    .filter(([name]) => name.startsWith(`${family}{`) && name.includes(label))
    .reduce((total, [, value]) => total + value, 0);
}
