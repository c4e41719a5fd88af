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

const WINDOWS = 5;

/** The first third is for warming up: pools, caches and the allocator find their
 * size.  They do so again, by a step of up to 4 MiB, when there are for the first
 * time as many callers, or as much that waits for a receiver, as there will ever
 * be; a leak rises all the time.  So the rest is cut into five windows, and the
 * median of their slopes counts: by it memory may rise by 3 MiB, or 15 % of what
 * is resident if that is more.  In two minutes at 250 requests a second that is
 * 150 bytes for each request, in thirty minutes at 150 of them 17; the smallest
 * thing that a request owns, its record, has 832.  All steps together may take
 * three times as much. */
export function checkMemory(samples: Sample[], sent: number, must: (what: string, ok: boolean) => void): string {
  const warm = samples.slice(Math.floor(samples.length / 3));
  const minutes = (warm.at(-1)!.at - warm[0]!.at) / 60_000;
  const { kbPerMinute: withSteps, meanKb } = line(warm);
  const size = warm.length / WINDOWS;
  const slopes = Array.from({ length: WINDOWS }, (_, i) => line(warm.slice(Math.round(i * size), Math.round((i + 1) * size))).kbPerMinute);
  const kbPerMinute = slopes.sort((a, b) => a - b)[(WINDOWS - 1) / 2]!;
  const grown = kbPerMinute * minutes;
  const allowed = Math.max(3072, meanKb * 0.15);
  must(
    `memory is flat: ${kbPerMinute.toFixed(1)} KB/min, ${grown.toFixed(0)} KB in ${minutes.toFixed(1)} min, ${allowed.toFixed(0)} KB allowed; ` +
      `with steps ${(withSteps * minutes).toFixed(0)} KB, ${(3 * allowed).toFixed(0)} KB allowed`,
    grown <= allowed && withSteps * minutes <= 3 * allowed,
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
