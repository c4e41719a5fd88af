/* What vLLM tells a Prometheus about itself, by the names that it uses. */
#ifndef WEIR_SIM_GAUGES_H
#define WEIR_SIM_GAUGES_H

#include "buf.h"

enum gauges_seconds {
    SECONDS_FIRST_TOKEN,
    SECONDS_INTER_TOKEN,
    SECONDS_PER_TOKEN,
    SECONDS_E2E,
    SECONDS_QUEUE,
    SECONDS_INFERENCE,
    SECONDS_PREFILL,
    SECONDS_DECODE,
    SECONDS_KINDS,
};

enum gauges_sizes {
    SIZE_PROMPT,
    SIZE_GENERATION,
    SIZE_MAX_TOKENS,
    SIZE_N,
    SIZE_KINDS,
};

enum gauges_reason {
    REASON_STOP,
    REASON_LENGTH,
    REASON_ABORT,
    REASON_KINDS,
};

enum { GAUGES_BUCKETS = 24 };

struct histogram {
    uint64_t buckets[GAUGES_BUCKETS]; /* not added up */
    uint64_t count;
    double sum;
};

struct gauges {
    struct histogram seconds[SECONDS_KINDS];
    struct histogram sizes[SIZE_KINDS];
    uint64_t finished[REASON_KINDS];
    uint64_t prompt_tokens;
    uint64_t cached_tokens;
    uint64_t generation_tokens;
};

/* What is true just now, for gauges_put(). */
struct gauges_now {
    struct str model;
    unsigned running;
    unsigned waiting;
    double cache_usage; /* 0 … 1 */
};

void gauges_seconds_add(struct gauges *gauges, enum gauges_seconds kind,
                        double value, uint64_t times);
void gauges_size_add(struct gauges *gauges, enum gauges_sizes kind,
                     double value);
/* All of it in Prometheus' text format. */
void gauges_put(const struct gauges *gauges, const struct gauges_now *now,
                struct buf *out);

#endif
