/* The clerk: one thread that takes the accounts of finished exchanges and
 * does all that may block: ledger, traces, generations.
 *
 *   worker 0 ─▶ line 0 ─┐
 *   worker 1 ─▶ line 1 ─┴─▶ clerk ─▶ exporter, exporter, …
 *
 * A line is a bounded ring with one writer and one reader.  A full one never
 * slows a request: what does not fit is dropped, counted, and said. */
#ifndef WEIR_CLERK_H
#define WEIR_CLERK_H

#include "exporter.h"
#include "fetch.h"
#include "record.h"

enum { CLERK_EXPORTERS_MAX = 4 };

struct clerk;

/* Starts the thread.  `fetcher` (NULL: none of the exporters sends anything)
 * and the exporters are the clerk's from now on. */
struct clerk *clerk_start(unsigned line_count, struct fetcher *fetcher,
                          struct exporter *const exporters[],
                          unsigned exporter_count);
/* From the thread that owns that line.  `record` is copied if there is an
 * exporter for it. */
void clerk_take(struct clerk *clerk, unsigned line,
                const struct record *record);
/* Brings everything out within `flush_ms`, closes the exporters, ends the
 * thread and frees the clerk.  The lines must be at rest. */
void clerk_stop(struct clerk *clerk, uint64_t flush_ms);

/* For /metrics, from any thread: the figures of each exporter; and the
 * records that wait in the lines. */
unsigned clerk_figures(const struct clerk *clerk,
                       const struct figures *out[CLERK_EXPORTERS_MAX]);
/* Can a trace of ours be found by its id? */
bool clerk_has_spans(const struct clerk *clerk);
size_t clerk_queued(const struct clerk *clerk);
/* The most that ever waited in one line, of how many places. */
size_t clerk_peak(const struct clerk *clerk, size_t *places);

#endif
