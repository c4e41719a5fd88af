/** Works on all items, so many at a time; gives the results in their order.
 * The first that fails ends them all. */
export async function inParallel<T, R>(
  items: T[],
  width: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const stop = new AbortController();
  let next = 0;
  const take = async () => {
    for (let at = next++; at < items.length && !stop.signal.aborted; at = next++)
      results[at] = await work(items[at]!, stop.signal);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(width, items.length) }, take));
  } catch (error) {
    stop.abort();
    throw error;
  }
  return results;
}
