/* A walk through all that is measured: families, and the samples of each.
 * Whoever has figures tells them to a visitor; what it makes of them is its
 * own business (exposition.h). */
#ifndef WEIR_METRICS_WALK_H
#define WEIR_METRICS_WALK_H

#include "telemetry/metrics.h"

struct metrics_exemplar_view {
    bool is_set;
    char trace_id[TRACE_ID_LEN], span_id[TRACE_SPAN_LEN];
    uint64_t value;
    uint64_t at_us;
};

/* Added up over the shards. */
struct metrics_histogram_view {
    uint64_t sum, count;
    uint64_t buckets[METRICS_BUCKETS_MAX + 1]; /* not cumulative */
    struct metrics_exemplar_view exemplars[METRICS_BUCKETS_MAX + 1];
};

/* `values` belong to the family's labels, in their order; a value that is
 * empty is as good as no label.  Numbers are in the family's decimals. */
struct metrics_visitor {
    void (*on_family)(void *ctx, const struct metrics_family *family);
    void (*on_sample)(void *ctx, const struct metrics_family *family,
                      const struct str values[], uint64_t n);
    void (*on_histogram)(void *ctx, const struct metrics_family *family,
                         const struct str values[],
                         const struct metrics_histogram_view *histogram);
    void *ctx;
};

/* Who tells all that the process measures, from any thread. */
struct metrics_teller {
    void (*tell)(void *ctx, const struct metrics_visitor *visitor);
    void *ctx;
};

/* Where others find it: they begin before there is one and end before it
 * goes. */
struct metrics_source {
    const struct metrics_teller *_Atomic teller; /* NULL: nobody yet */
};

/* The one that the process has. */
struct metrics_source *metrics_source_of_process(void);

/* All that the shards hold; their workers go on meanwhile. */
void metrics_walk(const struct metrics *const shards[], unsigned shard_count,
                  const struct metrics_visitor *visitor);

/* A family of figures that stand elsewhere, and one of its samples. */
void metrics_tell_family(const struct metrics_visitor *visitor,
                         enum family family);
void metrics_tell(const struct metrics_visitor *visitor, enum family family,
                  const struct str values[], uint64_t n);
/* Both, of a family that has no labels. */
void metrics_tell_one(const struct metrics_visitor *visitor, enum family family,
                      uint64_t n);

#endif
