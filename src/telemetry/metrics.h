/* Counters, one shard for each worker, added up when somebody looks.
 *
 * Text format 0.0.4 of Prometheus. */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include <stdatomic.h>

#include "buf.h"
#include "record.h"

enum metric {
#define FAMILY(name, help)
#define METRIC(ID, family, labels) METRIC_##ID,
#include "metrics.def"
#undef METRIC
#undef FAMILY
    METRICS
};

enum try_result { TRY_OK, TRY_FAILED, TRY_CANCELLED };

/* Written by one worker only, so that adding needs no lock. */
struct metrics {
    _Atomic uint64_t counts[METRICS];
    _Atomic uint64_t dropped[FIELDS_SLOTS];
};

/* A settled exchange. */
void metrics_count(struct metrics *metrics, const struct record *record);
void metrics_count_try(struct metrics *metrics, enum tier tier,
                       enum try_result result);

/* The sums of all shards. */
void metrics_write(const struct metrics *const shards[], size_t shard_count,
                   struct buf *out);
/* The two lines that begin a family. */
void metrics_family(struct buf *out, const char *name, const char *help,
                    const char *type);

#endif
