/* What happens to requests, as counters and histograms: on the worker's
 * thread, a few dozen increments for each request. */
#ifndef WEIR_METRICS_COUNT_H
#define WEIR_METRICS_COUNT_H

#include "telemetry/metrics.h"

/* The series that this catalog's requests are likely to have begin at 0, so
 * that the first increment is seen as one.  The names follow it already. */
void metrics_follow(struct metrics *metrics, const struct catalog *catalog);

/* A settled exchange; `claude` knows the models' spellings. */
void metrics_count(struct metrics *metrics, const struct record *record,
                   const struct claude_models *claude);
void metrics_count_try(struct metrics *metrics, const struct backend *backend,
                       enum try_result result);
/* The exchange was for `from`, and went on to `to`. */
void metrics_count_fallback(struct metrics *metrics, const struct backend *from,
                            const struct backend *to, struct str cause);
/* A piece of a stream came at `at_us`, the one before `gap_us` earlier. */
void metrics_count_piece(struct metrics *metrics, const struct record *record,
                         uint64_t gap_us, uint64_t at_us);

#endif
